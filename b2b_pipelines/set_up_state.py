"""How far a contract is set up, decided from the facts that `set_up_facts` gathers: runs in edX, codes, sheet. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from b2b_pipelines.contracts.rules import EdxState
from b2b_pipelines.enrollment_codes.rules import Orders
from b2b_pipelines.plural import counted


class State(StrEnum):
    """State of a part of the set-up."""

    DONE = "done"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the set-up, with its state and a message."""

    state: State
    message: str
    error_code: str | None = None


RunState = tuple[str, State, str]
"""A run's courseware id, its state, and a message."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """The set-up of a contract."""

    contract: str
    revision: int
    runs: Sequence[RunState]
    codes: Part
    sheet: Part

    @property
    def of_runs(self) -> Part:
        """The runs together."""
        failed = [message for _, state, message in self.runs if state is State.FAILED]
        pending = sum(state is State.PENDING for _, state, _ in self.runs)
        runs = counted(len(self.runs), "run")
        if failed:
            return Part(State.FAILED, f"{len(failed)} of {runs} failed: {failed[0]}")
        if pending:
            return Part(State.PENDING, f"{pending} of {runs} {'is' if pending == 1 else 'are'} not in edX yet")
        return Part(State.DONE, f"{runs} in edX" if self.runs else "the contract has no course run")

    def as_json(self) -> dict[str, Any]:
        """Return the set-up as JSON."""
        shown = [{"courseware_id": run, "state": str(state), "message": message} for run, state, message in self.runs]
        return {
            "contract": self.contract,
            "revision": self.revision,
            "runs": {**asdict(self.of_runs), "runs": shown},
            "codes": asdict(self.codes),
            "sheet": asdict(self.sheet),
        }


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """Facts about the sheet of a contract.

    `verified_at` and the counts are of the last sync, None without one. `synced_revision` is that of the target, None
    without one. `fault` and `since` are of the oldest lasting fault that concerns the sheet.
    """

    has_sheet: bool
    delivered: bool
    revision: int
    synced_revision: int | None = None
    verified_at: datetime | None = None
    rows: int = 0
    conflicts: int = 0
    fault: str | None = None
    since: datetime | None = None


def run_state(courseware_id: str, edx_state: str | None, edx_error: str | None) -> RunState:
    """Return the state of one run, with a message."""
    if edx_state == EdxState.FAILED:
        return courseware_id, State.FAILED, edx_error or "Studio refused it"
    if edx_state == EdxState.PENDING:
        return courseware_id, State.PENDING, "not requested from Studio yet"
    return courseware_id, State.DONE, "in edX"


def codes_part(lacking: Sequence[Orders], *, requires_codes: bool, active: int) -> Part:
    """Return the state of the codes: what they lack, or the number of active ones."""
    if lacking:
        return Part(State.PENDING, f"product {lacking[0].product_id}: {lacking[0]}")
    if not requires_codes:
        return Part(State.DONE, "the contract does not require codes")
    return Part(State.DONE, counted(active, "active code"))


def sheet_part(facts: SheetFacts) -> Part:
    """Return the state of the sheet."""
    if not facts.delivered:
        return Part(
            State.DONE, "the contract does not require codes" if facts.has_sheet else "the contract has no sheet"
        )
    verified = facts.verified_at
    if facts.fault is not None and (verified is None or facts.since is None or verified <= facts.since):
        return Part(State.FAILED, facts.fault)
    if verified is None or facts.synced_revision is None or facts.synced_revision < facts.revision:
        return Part(State.PENDING, "the sheet was not synced since the last change")
    conflicts = f", {counted(facts.conflicts, 'conflict')} to look at" if facts.conflicts else ""
    return Part(State.DONE, f"{counted(facts.rows, 'row')}, verified {verified:%Y-%m-%d %H:%M} UTC{conflicts}")
