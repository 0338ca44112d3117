"""Changes of faults: a fault that was not known before, and a known one that ended."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

SYNCED = "sheet_is_synced (sheet_snapshots)"
"""The check that fails when the customer must act for a sheet to be synced."""
NAMED = 20
"""The most faults that a message names; further ones are counted."""
REASON_LENGTH, TEXT_LENGTH = 400, 2000
"""Characters, so that no chat refuses a message as too large. Whole reasons are in Dagster's UI."""


class Subject(NamedTuple):
    """A subject of faults.

    It is an asset's partition, a step without partitions, a run of a job, or a check.
    """

    kind: Literal["partition", "step", "run", "check"]
    name: str
    partition: str = ""

    def __str__(self) -> str:
        return f"{self.name} of {self.partition}" if self.partition else self.name


@dataclass(frozen=True, slots=True)
class Seen:
    """A run's result for a subject: right, or wrong with a message.

    The message, `words`, is free of addresses and codes. `cause` is the code of the error, or the class of an
    unexpected one: another cause is another fault.
    """

    subject: Subject
    right: bool
    words: str = ""
    warning: bool = False
    cause: str = ""

    @property
    def fault(self) -> "Lasting":
        return Lasting(self.subject, self.cause)


class Lasting(NamedTuple):
    """A lasting fault: its subject and its cause."""

    subject: Subject
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that is over, and all that it shows, in the order in which it happened."""

    run_id: str
    job: str
    failed: bool
    seen: Sequence[Seen]


@dataclass(frozen=True, slots=True)
class News:
    """The changes of faults with a run."""

    begun: tuple[Seen, ...]
    over: tuple[Subject, ...]


def news(known: Collection[Lasting], seen: Sequence[Seen]) -> News:
    """Return the faults that begin and those that end.

    Of several results of one subject the last one counts, so a failure followed by a successful retry does not begin a
    fault. A subject that fails for a new cause begins a new fault; a right result ends all faults of its subject.
    """
    last = {each.subject: each for each in seen}
    wrong = {fault.subject for fault in known}
    begun = tuple(each for each in last.values() if not each.right and each.fault not in known)
    over = tuple(each.subject for each in last.values() if each.right and each.subject in wrong)
    return News(begun, over)


def messages(finished: Finished, changes: News, since: Mapping[Subject, str]) -> Iterator[dict[str, Any]]:
    """Yield the messages about a run's changes, which omit faults of earlier runs.

    One message covers the run's failures, one each failed check, one everything that recovered. `since` maps each ended
    fault to its begin (ISO 8601). `text` is one line for people, as chats show it.
    """
    run = {"job": finished.job, "run_id": finished.run_id}
    failures = [each for each in changes.begun if each.subject.kind != "check"]
    if finished.failed and failures:
        reason = "; ".join(f"{each.subject}: {each.words}" for each in failures[:NAMED])
        yield {
            "event": "run_failed",
            "text": _cut(f"{finished.job} failed: {reason}", TEXT_LENGTH) + _more(failures),
            **run,
            "count": len(failures),
            "failures": [_shown(each) for each in failures[:NAMED]],
        }
    for name, failed in _by_check(changes.begun).items():
        severity = "warning" if all(each.warning for each in failed) else "error"
        where = ", ".join(each.subject.partition for each in failed[:NAMED] if each.subject.partition)
        reason = next((each.words for each in failed if each.words), "")
        yield {
            "event": "check_failed",
            "text": f"{severity}: check {name} did not pass"
            + (f" for {where}{_more(failed)}" if where else "")
            + (f": {_cut(reason, REASON_LENGTH)}" if reason else ""),
            **run,
            "check": name,
            "severity": severity,
            "count": len(failed),
            "failures": [_shown(each) for each in failed[:NAMED]],
        }
    if changes.over:
        yield {
            "event": "recovered",
            "text": f"recovered: {'; '.join(map(str, changes.over[:NAMED]))}{_more(changes.over)}",
            **run,
            "count": len(changes.over),
            "recovered": [
                {"what": subject.name, "partition": subject.partition or None, "failed_since": since.get(subject)}
                for subject in changes.over[:NAMED]
            ],
        }


def _by_check(begun: Sequence[Seen]) -> Mapping[str, list[Seen]]:
    found: defaultdict[str, list[Seen]] = defaultdict(list)
    for each in begun:
        if each.subject.kind == "check":
            found[each.subject.name].append(each)
    return found


def _shown(each: Seen) -> dict[str, Any]:
    return {
        "what": each.subject.name,
        "partition": each.subject.partition or None,
        "reason": _cut(each.words, REASON_LENGTH),
    }


def _cut(words: str, length: int) -> str:
    return words if len(words) <= length else f"{words[: length - 1]}…"


def _more(all_of_them: Sequence[object]) -> str:
    return f"; and {len(all_of_them) - NAMED} more" if len(all_of_them) > NAMED else ""


DEVELOPERS, OPERATORS, MANAGERS, CUSTOMERS = "developers", "operators", "contract managers", "customer"
WHO_ACTS_ON_CHECKS = {
    "sheet_is_synced": CUSTOMERS,
    "sheet_has_no_conflicts": MANAGERS,
    "no_code_redeemed_twice": DEVELOPERS,
    "terminated_before_unlinked": DEVELOPERS,
}


def who_acts(fault: Lasting) -> str:
    """Return who must act.

    Developers act on an unexpected error; `docs/operators.md` names the rest.
    """
    if fault.subject.kind == "check":
        return WHO_ACTS_ON_CHECKS.get(fault.subject.name.split(" ", 1)[0], OPERATORS)
    unexpected = fault.cause[:1].isupper() and fault.cause not in ("Failure", "DagsterExecutionInterruptedError")
    return DEVELOPERS if unexpected else OPERATORS
