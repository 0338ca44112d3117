"""Chains of plans that renew one another. Pure. `renewals` are always prior → renewed."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID


def oldest_first(plans: Mapping[UUID, datetime], renewals: Mapping[UUID, UUID]) -> list[UUID]:
    """Return the plans (given with their expiration) in the order to process them.

    By expiration, but the plans of a renewal chain follow each other, each before the one that renews it. `renewals`
    are prior → renewed and have no cycle.
    """
    priors = {renewed: prior for prior, renewed in renewals.items()}

    def place(plan: UUID) -> tuple[datetime, UUID, int]:
        first, step, depth = plan, priors.get(plan), 0
        while step is not None:
            first, step, depth = (step if step in plans else first), priors.get(step), depth + 1
        return plans[first], first, depth

    return sorted(plans, key=place)


def in_cycles(renewals: Mapping[UUID, UUID]) -> frozenset[UUID]:
    """Return the plans that renew themselves in the end. `renewals` are prior → renewed."""
    found: set[UUID] = set()
    done: set[UUID] = set()
    for start in renewals:
        path: dict[UUID, None] = {}
        plan: UUID | None = start
        while plan is not None and plan not in done and plan not in path:
            path[plan] = None
            plan = renewals.get(plan)
        if plan in path:
            trail = list(path)
            found.update(trail[trail.index(plan) :])
        done.update(path)
    return frozenset(found)
