"""Dagster resources: one a vendor, each handing out the plain client of `b2b_pipelines.vendors`."""
