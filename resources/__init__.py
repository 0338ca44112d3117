"""Dagster resources: one for each vendor, with the client of `b2b_pipelines.vendors`."""
