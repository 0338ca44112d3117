"""Load what each run would load by itself, for the process from which runs are forked (`dagster_processes.py`)."""

from b2b_pipelines import dagster_storage, definitions
from b2b_pipelines.vendors.google_sheets.transport import spreadsheets

__all__ = ["dagster_storage", "definitions"]

spreadsheets()
