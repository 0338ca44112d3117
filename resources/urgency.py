"""Urgency of runs: the tags for Dagster's queue, and their meaning for the pace of requests."""

from collections.abc import Mapping

URGENCY = "b2b/urgency"
"""Tag of every run that this product requests. `deploy/dagster.yaml` limits concurrent routine runs."""
PRIORITY = "dagster/priority"

URGENT = {URGENCY: "urgent", PRIORITY: "10"}
"""A person waits for it: a contract that changed."""
NORMAL = {URGENCY: "normal", PRIORITY: "1"}
"""Small and on time: checkout intents, academies."""
ROUTINE = {URGENCY: "routine", PRIORITY: "-10"}
"""Large and able to wait: refreshes, sweeps, the licenses of all customers, upkeep."""


def is_routine(tags: Mapping[str, str]) -> bool:
    """Return whether a run leaves a part of the pace to others: routine work, and backfills."""
    return tags.get(URGENCY) == ROUTINE[URGENCY] or "dagster/backfill" in tags
