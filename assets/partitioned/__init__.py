"""Chains of partitioned assets that one step makes, with one result for each partition.

A chain calls `work_through`. `runner` holds threads and results and is free of Dagster, `recorder` writes Dagster's
events and `history` reads them, `retry` decides the work that an earlier attempt left, `backfills` joins the queued
runs of a backfill, `selection` decides the partitions of a run, and `concurrency` how many it works on at a time.
"""

from assets.partitioned.chain import CHAIN_RETRIES, RESUMED, RETRIED_WHEN_PASSING, Output, Terminated, work_through
from assets.partitioned.concurrency import config_schema
from assets.partitioned.runner import Check, CheckFailed, Link
from assets.partitioned.selection import consecutive
from assets.partitioned.tags import (
    ATTEMPT,
    CAUSE,
    CUSTOMER,
    CUSTOMERS,
    DOWNSTREAM_OF,
    FOR_THE_CUSTOMER,
    PERMANENT,
    RETRY_FOLLOWS,
)

__all__ = [
    "ATTEMPT",
    "CAUSE",
    "CHAIN_RETRIES",
    "CUSTOMER",
    "CUSTOMERS",
    "DOWNSTREAM_OF",
    "FOR_THE_CUSTOMER",
    "PERMANENT",
    "RESUMED",
    "RETRIED_WHEN_PASSING",
    "RETRY_FOLLOWS",
    "Check",
    "CheckFailed",
    "Link",
    "Output",
    "Terminated",
    "config_schema",
    "consecutive",
    "work_through",
]
