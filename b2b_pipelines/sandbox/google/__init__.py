"""A stand-in of Google Sheets v4."""

from b2b_pipelines.sandbox.google.cells import Formatted, Formula
from b2b_pipelines.sandbox.google.model import SheetError, Spreadsheet, Tab
from b2b_pipelines.sandbox.google.quota import Quota
from b2b_pipelines.sandbox.google.tokens import SERVICE_ACCOUNT
from b2b_pipelines.sandbox.google.workspace import Google

__all__ = ["SERVICE_ACCOUNT", "Formatted", "Formula", "Google", "Quota", "SheetError", "Spreadsheet", "Tab"]
