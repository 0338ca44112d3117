"""Chains of partitioned assets that one step makes, partition by partition, with one result each.

`work_through` is what a chain calls. `runner` holds threads and results and knows nothing of Dagster, `recorder` is
the only file that knows Dagster's event types and tags, `retry` decides what an earlier attempt has left to do, and
`selection` decides which partitions a run has.
"""

from assets.partitioned.chain import CHAIN_RETRIES, RETRIED_WHEN_PASSING, Event, Terminated, work_through
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
