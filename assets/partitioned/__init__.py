"""Chains of partitioned assets that one step makes, with one result for each partition.

A chain calls `work_through`. `runner` holds threads and results and is free of Dagster, `recorder` is the only file
that uses Dagster's event types and tags, `retry` decides the work that an earlier attempt left, and `selection` decides
the partitions of a run.
"""

from assets.partitioned.chain import CHAIN_RETRIES, RESUMED, RETRIED_WHEN_PASSING, Event, Terminated, work_through
from assets.partitioned.recorder import (
    ATTEMPT,
    CAUSE,
    CUSTOMER,
    DOWNSTREAM_OF,
    FOR_THE_CUSTOMER,
    PERMANENT,
    RETRY_FOLLOWS,
)
from assets.partitioned.runner import Check, CheckFailed, Link
from assets.partitioned.selection import Concurrency, consecutive

__all__ = [
    "ATTEMPT",
    "CAUSE",
    "CHAIN_RETRIES",
    "CUSTOMER",
    "DOWNSTREAM_OF",
    "FOR_THE_CUSTOMER",
    "PERMANENT",
    "RESUMED",
    "RETRIED_WHEN_PASSING",
    "RETRY_FOLLOWS",
    "Check",
    "CheckFailed",
    "Concurrency",
    "Event",
    "Link",
    "Terminated",
    "consecutive",
    "work_through",
]
