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


BACKFILL = "dagster/backfill"
ROUTINE_SHARE = 0.75
"""The share of Google's pace for refreshes and sweeps."""
BACKFILL_SHARE = 0.9
"""The share for backfills: a person started each and waits for it, with less haste than for a changed contract."""


def share_of_pace(tags: Mapping[str, str]) -> float:
    """Return the share of Google's pace that a run with these tags may take; 1 reserves permits before others."""
    if tags.get(URGENCY) == ROUTINE[URGENCY]:
        return ROUTINE_SHARE
    return BACKFILL_SHARE if BACKFILL in tags else 1
