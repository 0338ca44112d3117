"""Sentences about the changes to codes and sheet. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from b2b_pipelines.delivery.losses import Losses
from b2b_pipelines.enrollment_codes.service import CodeChange
from b2b_pipelines.reports.workplace import SheetState
from b2b_pipelines.sheets.results import SyncResult, row_ranges

BUTTONS = (
    (r"name (the tab|another) with `b2b_contract modify[^`]*`", r"name \1 under Edit"),
    (r"give it one with `b2b_contract modify[^`]*`", "give it one under Edit"),
    (r"`b2b_contract modify[^`]*`", "Edit"),
    (r"`b2b sheet sync[^`]*--replace`", "Preview"),
    (r"`b2b sheet (?:sync|plan)[^`]*`", "Sync now"),
    (r"`b2b sheet rebuild[^`]*`", "Rebuild"),
    (r"`b2b sheet restore[^`]*`", "Restore"),
    (r"`b2b_contract courseware[^`]*`", "Add courseware"),
)
"""Commands that a message names, and the labels of the same actions in the pages."""
FIELDS = {
    "name": "Name",
    "description": "Description",
    "integration_type": "How learners join",
    "start": "First day",
    "end": "Last day",
    "starts_on": "First day",
    "ends_on": "Last day",
    "active": "Active",
    "max_learners": "Seats",
    "price": "Price of a seat",
    "sheet_url": "Sheet address",
    "sheet_tab": "Tab",
}
ACTIONS = {
    "created": "Created",
    "changed": "Terms changed",
    "courseware_given": "Courseware added",
    "courseware_taken": "Courseware removed",
    "learner_added": "Learner added",
    "learner_removed": "Learner removed",
    "sheet_rebuilt": "Sheet rebuilt",
    "sheet_restored": "Sheet restored",
}
SHEET_STATES: Mapping[SheetState, tuple[str, str]] = {
    SheetState.FAILING: ("Sync failing", "bad"),
    SheetState.CONFLICTS: ("Conflicts", "bad"),
    SheetState.PENDING: ("Changed since the last sync", "still"),
    SheetState.NOT_SYNCED: ("Not synced yet", "still"),
    SheetState.SYNCED: ("Synced", "good"),
    SheetState.NO_SHEET: ("No sheet", "plain"),
}
CODE_VERBS = {
    "created": "created",
    "reactivated": "work again",
    "converted": "changed between one-time and unlimited",
    "repriced": "have a new price",
    "deactivated": "deactivated",
    "deleted": "deleted",
}


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: `1 code`, `2 codes`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def rows(numbers: Sequence[int]) -> str:
    """Return row numbers in words, such as `rows 5-7, 9`; of many the first and the last."""
    return row_ranges(tuple(numbers)) if len(numbers) < 100 else f"rows {min(numbers)} to {max(numbers)}"


def codes_followed(change: CodeChange | Mapping[str, int]) -> str:
    """Return what became of the codes, as one sentence."""
    values = change if isinstance(change, Mapping) else {name: getattr(change, name) for name in CODE_VERBS}
    parts = [f"{counted(values[name], 'code')} {verb}" for name, verb in CODE_VERBS.items() if values.get(name)]
    return f"Codes: {', '.join(parts)}." if parts else "The codes did not change."


def sheet_follows(*, delivered: bool, has_sheet: bool) -> str:
    """Return when the sheet shows a change."""
    if delivered:
        return "The sheet follows with the next sync, within a minute; Sync now does it at once."
    if has_sheet:
        return "The sheet is not written now."
    return "The contract has no sheet; the codes can be downloaded as CSV."


def synced(result: SyncResult) -> list[str]:
    """Return what a sync did, in sentences."""
    done = f"Tab {result.target.tab}: {counted(result.appended, 'row')} added, {result.updated:,} updated, "
    sentences = [f"{done}{result.unchanged:,} unchanged."]
    if result.replaced:
        sentences.append(
            f"Replaced {counted(result.replaced, 'row')} in A–F, kept for 30 days: Restore puts them back."
        )
    if result.conflicts:
        found = counted(len(result.conflicts), "conflict")
        sentences.append(f"{found} to look at: the page says what to do about each.")
    return sentences


def lost(losses: Losses) -> str:
    """Return a short text that two plans share exactly when people lose the same by them."""
    return f"{losses.codes}.{losses.handed_out}.{len(losses.runs)}.{int(losses.closes)}.{losses.beyond_cap}"


def value(name: str, given: Any) -> str:
    """Return a field's value as people read it."""
    if given is None or given == "":
        return {"max_learners": "no limit", "price": "free", "start": "any day", "end": "no end"}.get(name, "empty")
    if isinstance(given, bool):
        return "yes" if given else "no"
    if name == "integration_type":
        return "sign-on" if given == "sso" else "enrollment code"
    return str(given)


def with_buttons(message: str) -> str:
    """Return the message of an error with the names of buttons in place of commands."""
    for command, button in BUTTONS:
        message = re.sub(command, button, message)
    return message
