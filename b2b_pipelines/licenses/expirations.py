"""Decide what a plan's expiration date means when it moves, is processed or is just over. Pure."""

from datetime import datetime, timedelta

from b2b_pipelines.licenses.facts import Hold

FRESH = timedelta(hours=24)
"""How long after a plan's end the LMS may end enrollments that were changed since."""


def moved_into_the_past(
    known: datetime, hold: Hold | None, expiration: datetime, now: datetime, length: timedelta
) -> Hold | None:
    """Return the hold of a plan whose expiration date was `known` and is `expiration` now.

    None without a hold. A date counts as trusted once its hold, which lasts `length`, is over. A date earlier than the
    trusted one, and past, is held from `now`; a date that did not move keeps its hold; any other ends it.
    """
    if expiration == known:
        return hold
    trusted = hold.moved_from if hold and hold.since > now - length else known
    return Hold(trusted, now) if length and expiration < trusted and expiration <= now else None


def is_newly_processed(
    expiration: datetime,
    now: datetime,
    *,
    known: datetime | None,
    processed_for: datetime | None,
    marked_before: bool,
) -> bool:
    """Return whether an imported `expiration_processed` is news.

    News means that the licenses known now are terminated. Nothing is processed for a future date. A plan that was
    processed and is extended keeps the mark, which then states nothing about a date later than the `known` one (None
    for an unknown plan), or than the one that it was `processed_for`. A repeated mark states nothing about licenses
    added since, unless the plan now ends earlier.
    """
    if expiration > now:
        return False
    if known is None:
        return True
    if marked_before:
        return processed_for is not None and expiration < processed_for
    return expiration <= min(known, processed_for or known)


def ignore_enrollments_modified_after(expiration: datetime, now: datetime) -> datetime | None:
    """Return the time after which a changed enrollment stays.

    Its learner may have paid after the plan ended.
    """
    return expiration if now - expiration > FRESH else None
