"""Problems of Dagster itself, decided from the last observation of it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

STALE_AFTER = timedelta(seconds=150)
"""Two and a half minutes: two looks that were missed."""
QUEUED_TOO_LONG = timedelta(minutes=30)
UNHEALTHY_AFTER = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class FailingTick:
    """A schedule or sensor whose last tick failed: since when, and its error's class.

    Times are epoch seconds.
    """

    name: str
    since: float
    error: str


@dataclass(frozen=True, slots=True)
class Facts:
    """One observation of Dagster.

    `daemons` maps each kind of daemon to its last heartbeat, in epoch seconds.
    """

    daemons: Mapping[str, float] = field(default_factory=dict)
    failing: tuple[FailingTick, ...] = ()
    queued: int = 0
    running: int = 0
    oldest_queued_since: float | None = None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "failing": [asdict(each) for each in self.failing]}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about Dagster itself that an operator has to look at."""

    what: str
    since: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Watched:
    """The last look, and when it was taken."""

    at: datetime
    facts: Facts


def watched(at: datetime, kept: Mapping[str, Any]) -> Watched:
    """Return an observation from the JSON that `Facts.as_json` made."""
    failing = tuple(FailingTick(**each) for each in kept["failing"])
    return Watched(at, Facts(**{**kept, "failing": failing}))


def problems(watched: Watched | None, now: datetime) -> Iterator[Problem]:
    """Yield the problems of Dagster itself. A stale observation yields only that it is stale."""
    if watched is None:
        yield Problem(
            "dagster", now, "Dagster's daemon has not reported yet: start it, and switch the schedule heartbeat on"
        )
        return
    if now - watched.at > STALE_AFTER:
        words = f"Dagster's daemon has not reported since {watched.at:%Y-%m-%d %H:%M:%S} UTC: is it running?"
        yield Problem("dagster", watched.at, words)
        return
    facts = watched.facts
    for kind, beat in sorted(facts.daemons.items()):
        if watched.at.timestamp() - beat > UNHEALTHY_AFTER.total_seconds():
            yield Problem(
                f"daemon {kind}", _time(beat), f"the {kind} daemon sends no heartbeat: restart Dagster's daemon"
            )
    for tick in facts.failing:
        words = f"{tick.name} fails with {tick.error}: see its ticks in the UI under Automation"
        yield Problem(tick.name, _time(tick.since), words)
    waiting = facts.oldest_queued_since
    if waiting is not None and watched.at.timestamp() - waiting > QUEUED_TOO_LONG.total_seconds():
        words = f"a run waits in the queue since {_time(waiting):%H:%M} UTC, {facts.queued} in all: see Runs, Queued"
        yield Problem("run queue", _time(waiting), words)


def _time(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
