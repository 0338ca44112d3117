"""How the references of a formula follow the cells they name: copied, sorted, inserted, deleted."""

import re
from collections.abc import Callable

from sandbox.google.a1 import cell_name, column_index, column_letters

_REFERENCE = re.compile(
    r"""(?P<text>"(?:[^"]|"")*")|
    (?<![A-Za-z0-9_!.'$])
    (?P<fixed_column>\$?)(?P<column>[A-Z]{1,3})(?:(?P<fixed_row>\$?)(?P<row>[0-9]+)|(?=:)|(?<=:[A-Z]))
    (?![A-Za-z0-9_(])""",
    re.VERBOSE,
)
_END = re.compile(r"(?P<fixed_column>\$?)(?P<column>[A-Z]{1,3})(?P<fixed_row>\$?)(?P<row>[0-9]*)")
_RANGE = re.compile(
    r"""(?P<text>"(?:[^"]|"")*")|
    (?<![A-Za-z0-9_!.'$])(?P<first>\$?[A-Z]{1,3}\$?[0-9]*):(?P<last>\$?[A-Z]{1,3}\$?[0-9]*)(?![A-Za-z0-9_(])""",
    re.VERBOSE,
)


def moved(formula: str, rows: int, columns: int) -> str:
    """The formula as it reads after it was copied so many rows down and columns to the right."""

    def follow(match: re.Match[str]) -> str:
        if match["text"] is not None:
            return match[0]
        column = column_index(match["column"]) + (0 if match["fixed_column"] else columns)
        row = int(match["row"]) - 1 + (0 if match["fixed_row"] else rows) if match["row"] else 0
        return "#REF!" if row < 0 or column < 0 else _reference(match, row, column)

    return _REFERENCE.sub(follow, formula)


def following(formula: str, dimension: str, places: Callable[[int], int | None]) -> str:
    """The formula after its tab's rows or columns changed place: `places` says where each now is, None if deleted.

    A range of which an end was deleted shrinks to what is left of it, as in Google Sheets; a cell is `#REF!`.
    """

    def follow_cell(match: re.Match[str]) -> str:
        return match[0] if match["text"] is not None else followed(match) or "#REF!"

    def followed(match: re.Match[str], search: int = 0, end: int = 0) -> str | None:
        """The reference now; where it was deleted, that of the nearest one left in the direction `search` up to `end`."""
        at_row = dimension == "ROWS"
        if at_row and not match["row"]:
            return match[0]
        old = int(match["row"]) - 1 if at_row else column_index(match["column"])
        place = places(old)
        while place is None and search and old != end:
            old += search
            place = places(old)
        if place is None:
            return None
        row = int(match["row"]) - 1 if match["row"] else 0
        return _reference(match, place, column_index(match["column"])) if at_row else _reference(match, row, place)

    def follow(match: re.Match[str]) -> str:
        if match["text"] is not None:
            return match[0]
        first, last = _END.fullmatch(match["first"]), _END.fullmatch(match["last"])
        if first is None or last is None:
            return match[0]
        ends = [_place(end, dimension) for end in (first, last)]
        beginning = (
            followed(first, 1, ends[0] + LONGEST_SEARCH if ends[1] is None else ends[1])
            if ends[0] is not None
            else match["first"]
        )
        end = followed(last, -1, ends[0] or 0) if ends[1] is not None else match["last"]
        return f"{beginning}:{end}" if beginning and end else "#REF!"

    parts = []
    position = 0
    for match in _RANGE.finditer(formula):
        parts += [_REFERENCE.sub(follow_cell, formula[position : match.start()]), follow(match)]
        position = match.end()
    return "".join([*parts, _REFERENCE.sub(follow_cell, formula[position:])])


LONGEST_SEARCH = 1000
"""Rows or columns that may have been deleted at the beginning of an open range."""


def _place(end: re.Match[str], dimension: str) -> int | None:
    """The row or column that an end of a range names; None if it is open there."""
    if dimension == "COLUMNS":
        return column_index(end["column"])
    return int(end["row"]) - 1 if end["row"] else None


def _reference(match: re.Match[str], row: int, column: int) -> str:
    if not match["row"]:
        return match["fixed_column"] + column_letters(column)
    name = cell_name(row, column)
    letters = column_letters(column)
    return f"{match['fixed_column']}{letters}{match['fixed_row']}{name.removeprefix(letters)}"
