"""Answers of `b2b contract`: what was changed, and what a contract is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from b2b_pipelines.cli import console, opening
from b2b_pipelines.cli.tables import shown
from b2b_pipelines.plural import counted

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from b2b_pipelines.contracts.models import Contract
    from b2b_pipelines.contracts.service import CoursewareChange
    from b2b_pipelines.delivery.changes import ContractChanged
    from b2b_pipelines.enrollment_codes.service import CodeChange

LINKED = "Linked. No run was created."
LABELS = {
    "name": "Name",
    "description": "Description",
    "integration_type": "Type",
    "starts_on": "Start",
    "ends_on": "End",
    "active": "Active",
    "max_learners": "Seats",
    "price": "Price",
    "sheet_url": "Sheet",
    "sheet_tab": "Tab",
}


def as_listed(session: Session, contract: Contract) -> dict[str, Any]:
    """Return the contract as `b2b list contracts` shows it."""
    from b2b_pipelines.enrollment_codes import reports

    session.flush()
    return reports.contract_overview(session, contract.id)


def show_contract(answer: Mapping[str, Any], lead: str, fields: Mapping[str, tuple[Any, Any]] | None = None) -> None:
    """Say which contract was created or changed, the changed fields, its seats and its sheet."""
    console.say(f"{lead} {answer['slug']} (ID {answer['id']}) of {answer['organization']}.")
    for name, (before, after) in (fields or {}).items():
        console.say(f"{LABELS.get(name, name)}: {_value(before)} -> {_value(after)}")
    console.say(f"{counted(answer['codes'], 'code')}. {seats(answer['learners'], answer['max_learners'])}.")
    opening.show(answer["slug"], answer.get("sheet"))


def ended(answer: Mapping[str, Any]) -> str | None:
    """Return the note about a new contract whose last day is past, or None."""
    if answer["end"] is None or answer["end"] >= datetime.now(UTC).date():
        return None
    return f"Note: {answer['slug']} ended on {answer['end']}, so that no learner can join it. Change it with --end."


def seats(learners: int, limit: int | None) -> str:
    """Return `3 of 25 seats taken`, or `3 learners, no seat limit`."""
    if not limit:
        return f"{counted(learners, 'learner')}, no seat limit"
    return f"{learners} of {counted(limit, 'seat')} taken"


def show_courseware(
    change: CoursewareChange, codes: CodeChange | None, *, without_runs: str = LINKED, dry_run: bool = False
) -> None:
    """Say which runs were created, restored, removed or skipped, and how many codes follow."""
    for course in change.restored:
        console.say(f"{'Would restore' if dry_run else 'Restored'} with its codes: {course}")
    would = ("Would create", "Would remove", "Would skip", "No source run")
    words = would if dry_run else ("Created", "Removed", "Skipped", "No source run")
    made = [run for run in change.created if run not in change.restored]
    lists = (made, change.removed, change.skipped, change.without_source)
    for word, ids in zip(words, lists, strict=True):
        for item in ids:
            console.say(f"{word}: {item}")
    if not any(lists) and not change.restored:
        console.say(without_runs)
    if codes is not None and (sentence := codes_sentence(codes, dry_run=dry_run)):
        console.say(sentence)


def codes_sentence(codes: CodeChange, *, dry_run: bool) -> str:
    """Return `25 codes created, 3 reactivated.`; empty when no code changed."""
    numbers = {
        "created": codes.created,
        "reactivated": codes.reactivated,
        "converted": codes.converted,
        "repriced": codes.repriced,
        "revoked": codes.deactivated,
        "deleted": codes.deleted,
    }
    parts = [f"{counted(number, 'code')} {verb}" for verb, number in numbers.items() if number]
    if not parts:
        return ""
    return f"{'Dry run: ' if dry_run else ''}{', '.join(parts)}."


def same_name(made: ContractChanged, *, dry_run: bool) -> str:
    """Return the warning about older contracts of the organization with the same name."""
    one = f"{made.contract.organization.name} already has a contract named {made.contract.name!r}: "
    would = "would be" if dry_run else "is"
    return f"{one}{', '.join(made.same_named)}. This one {would} {made.contract.slug}."


def show_details(found: Mapping[str, Any]) -> None:
    """Print a contract as labelled lines, its runs and its latest changes."""
    set_up = found["set_up"]
    lines = {
        "Contract": f"{found['name']} ({found['slug']}, ID {found['id']})",
        "Organization": f"{found['organization']} ({found['organization_key']})",
        "Description": found["description"] or None,
        "Type": found["integration_type"],
        "Active": found["active"],
        "Start": found["start"],
        "End": found["end"],
        "Price": found["price"],
        "Seats": seats(found["learners"], found["max_learners"]),
        "Codes": f"{found['codes']} active",
        "Codes status": _status(set_up["codes"]),
        "Runs status": _status(set_up["runs"]),
        "Sheet": found["sheet_url"],
        "Tab": found["sheet_tab"],
        "Sheet status": _status(set_up["sheet"]),
    }
    width = max(map(len, lines)) + 2
    for label, value in lines.items():
        console.say(f"{label:<{width}}{_value(value)}")
    if found["runs"]:
        console.say("")
        columns = {"courseware_id": "Course run", "edx_state": "edX", "end": "End", "price": "Price"}
        console.print_rows(found["runs"], columns, as_json=False)
    if found["changes"]:
        console.say("")
        console.print_rows(_shown_changes(found["changes"]), CHANGES, as_json=False)


CHANGES = {"made_at": "Changed at", "action": "Change", "actor_name": "By"}


def _shown_changes(changes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**change, "action": change["action"].replace("_", " ")} for change in changes]


def _status(part: Mapping[str, Any]) -> str:
    return f"{part['state']}: {part['message']}"


def _value(value: object) -> str:
    return shown(value, console.stdout.encoding)
