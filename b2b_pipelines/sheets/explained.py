"""Conflicts for people: what the cell holds, what it means, what to do, and where the cell is. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from b2b_pipelines.cells import column_letters
from b2b_pipelines.sheets.links import link
from b2b_pipelines.sheets.models import SheetSnapshot

MEANING: Mapping[str, tuple[str, str]] = {
    "unknown_code": (
        "The cell held a code and was overwritten, or it holds a code of another contract. A code that was overwritten "
        "has a row of its own again, most often at the bottom.",
        "Empty the cells of this row in our columns. Do not type the code again: it would be there twice.",
    ),
    "annotated": (
        "Something was typed beside the code in its cell, so the row is no longer kept up to date.",
        "Move the note to a column of the customer's own, so that the cell holds the code alone.",
    ),
    "duplicate": (
        "The same code is in a row further up.",
        "Empty the cells of this row in our columns.",
    ),
    "merged": (
        "A merged range covers one of our cells in this row.",
        "Unmerge the cells of this row (Format › Merge cells › Unmerge).",
    ),
    "layout_lost": (
        "Our headers are missing or over other columns, so nothing is written.",
        "Type the missing headers over their columns again, or choose Rebuild.",
    ),
}
OTHER = ("The row could not be brought up to date.", "Look at the row, then sync again.")


@dataclass(frozen=True, slots=True)
class Explained:
    """A conflict. `cell` is its address such as `A3`, `holds` the text in it as far as it is known, `url` opens it."""

    kind: str
    row: int | None
    code: str | None
    cell: str | None
    holds: str | None
    means: str
    do: str
    url: str | None


def explained(snapshot: SheetSnapshot, sheet_url: str | None) -> Sequence[Explained]:
    """Return the conflicts of a snapshot, which must have its rows."""
    conflicts = snapshot.conflicts
    wanted = {conflict["row"] for conflict in conflicts}
    cells = {row: held for row, _, held in snapshot.rows if row in wanted}
    page = link(sheet_url) if sheet_url else None
    return [_explained(conflict, snapshot, cells, page) for conflict in conflicts]


def _explained(
    conflict: Mapping[str, Any], snapshot: SheetSnapshot, cells: Mapping[int, Sequence[Any]], page: str | None
) -> Explained:
    means, do = MEANING.get(conflict["kind"], OTHER)
    row = conflict["row"]
    cell = f"{column_letters(snapshot.columns[0] + 1)}{row}" if row else None
    held = cells.get(row)
    return Explained(
        kind=conflict["kind"],
        row=row,
        code=conflict["code"],
        cell=cell,
        holds=None if not held else str(held[0]),
        means=means,
        do=do,
        url=f"{page}#gid={snapshot.sheet_id}&range={cell}" if page and cell else None,
    )
