"""Kept contents of sheets, as `b2b sheet show` prints them. The module imports no SQLAlchemy."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from b2b_pipelines.cells import Value
from b2b_pipelines.errors import NotFound

KEPT_BEFORE = timedelta(days=30)
"""How long the contents of A-F are kept after they were replaced."""


def texts_kept(rows: Sequence[Sequence[Any]]) -> list[list[Value]]:
    """Return the kept cells of A-F as a person would type them.

    Formulas stay formulas and dates stay dates.
    """
    return [[_typed_again(cell) for cell in row] for row in rows]


def no_snapshot(slug: str, number: int | None, *, before: bool) -> NotFound:
    """Return the error that a contract lacks the snapshot of that number, the one before a replacement, or any."""
    if before:
        return NotFound(
            f"{slug} has no snapshot of replaced contents: in the last 30 days, nothing in its sheet was replaced"
        )
    if number is not None:
        return NotFound(f"{slug} has no snapshot {number}: `b2b sheet history {slug}` lists them")
    return NotFound(f"{slug} has no snapshot: its sheet was never synced")


def _typed_again(kept: Any) -> Value:
    match kept:
        case {"formula": text} | {"shown": text} | {"text": text}:
            found: Value = text
            return found
    value: Value = "" if kept is None else kept
    return value
