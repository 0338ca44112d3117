"""A1 notation: where a range is, and how Google writes one down.

Source: https://developers.google.com/workspace/sheets/api/guides/concepts#cell
"""

import re
from typing import NamedTuple

_CORNER = re.compile(r"\$?([A-Za-z]{1,3})?\$?([1-9][0-9]{0,6})?")
_BARE_TITLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOOKS_LIKE_A_CELL = re.compile(r"[A-Za-z]{1,3}[0-9]+|[Rr][0-9]*[Cc][0-9]*")


class Unparsable(ValueError):
    """Not A1 notation."""


class Area(NamedTuple):
    """Cells of one tab: zero-based, the end excluded. None is open: from the first, or to the last."""

    top: int | None = None
    left: int | None = None
    bottom: int | None = None
    right: int | None = None

    @property
    def is_cell(self) -> bool:
        """Whether this names one cell, which a write takes as a place to begin at."""
        return (
            self.top is not None
            and self.left is not None
            and (self.bottom, self.right) == (self.top + 1, self.left + 1)
        )

    def box(self, row_count: int, column_count: int) -> "Box":
        """The same with its open sides closed at the edges of a grid. Sides that are given are kept as they are."""
        return Box(
            self.top or 0,
            self.left or 0,
            row_count if self.bottom is None else self.bottom,
            column_count if self.right is None else self.right,
        )


class Box(NamedTuple):
    """A rectangle of cells: zero-based, the end excluded."""

    top: int
    left: int
    bottom: int
    right: int

    def clipped(self, row_count: int, column_count: int) -> "Box":
        return Box(
            min(self.top, row_count),
            min(self.left, column_count),
            min(self.bottom, row_count),
            min(self.right, column_count),
        )

    def within(self, other: "Box") -> bool:
        rows = other.top <= self.top and self.bottom <= other.bottom
        return rows and other.left <= self.left and self.right <= other.right

    def touches(self, other: "Box") -> bool:
        return (
            self.top < other.bottom and other.top < self.bottom and self.left < other.right and other.left < self.right
        )


def column_letters(index: int) -> str:
    """`A` for 0, `Z` for 25, `AA` for 26."""
    letters = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        letters = chr(65 + digit) + letters
    return letters


def column_index(letters: str) -> int:
    """0 for `A`, 26 for `AA`. Raises `Unparsable` for anything but letters."""
    if not re.fullmatch("[A-Za-z]{1,3}", letters):
        raise Unparsable(letters)
    index = 0
    for letter in letters.upper():
        index = index * 26 + ord(letter) - 64
    return index - 1


def quoted(title: str) -> str:
    """A tab's title as it stands in a range: in quotes where it would be misread without."""
    if _BARE_TITLE.fullmatch(title) and not _LOOKS_LIKE_A_CELL.fullmatch(title):
        return title
    return "'" + title.replace("'", "''") + "'"


def cell_name(row: int, column: int) -> str:
    return f"{column_letters(column)}{row + 1}"


def box_name(box: Box) -> str:
    """`A1:B2`, or `A1` for one cell."""
    first = cell_name(box.top, box.left)
    last = cell_name(max(box.bottom - 1, box.top), max(box.right - 1, box.left))
    return first if first == last else f"{first}:{last}"


def range_name(title: str, box: Box) -> str:
    """`'My Tab'!A1:B2`, as in Google's answers."""
    return f"{quoted(title)}!{box_name(box)}"


def split_range(text: str) -> tuple[str | None, str | None]:
    """A range's tab title and its cells, either of which may be missing.

    A bare word is cells when it reads as cells (`A1`, `Q1`, `A:F`), else a title; in quotes it is a title.
    Raises `Unparsable`.
    """
    if text.startswith("'"):
        closing = re.match(r"'((?:[^']|'')*)'(?:!(.+))?$", text, re.DOTALL)
        if closing is None:
            raise Unparsable(text)
        return closing[1].replace("''", "'"), closing[2]
    title, mark, cells = text.rpartition("!")
    if mark:
        if not title or not cells:
            raise Unparsable(text)
        return title, cells
    try:
        parse_cells(text)
    except Unparsable:
        return text, None
    return None, text


def parse_cells(text: str) -> Area:
    """`A1`, `A1:B2`, `A:F`, `A2:C`, `1:1`, with `$` anywhere and the corners in any order. Raises `Unparsable`."""
    first, colon, last = text.partition(":")
    column_1, row_1 = _corner(first)
    if not colon:
        if column_1 is None or row_1 is None:
            raise Unparsable(text)
        return Area(row_1, column_1, row_1 + 1, column_1 + 1)
    column_2, row_2 = _corner(last)
    top, bottom = _side(row_1, row_2)
    left, right = _side(column_1, column_2)
    return Area(top, left, bottom, right)


def parse_cell(text: str) -> tuple[int, int]:
    """Row and column of one cell, zero-based. Raises `Unparsable`."""
    area = parse_cells(text)
    if area.top is None or area.left is None or not area.is_cell:
        raise Unparsable(text)
    return area.top, area.left


def _corner(text: str) -> tuple[int | None, int | None]:
    match = _CORNER.fullmatch(text)
    if match is None or not (match[1] or match[2]):
        raise Unparsable(text)
    return (column_index(match[1]) if match[1] else None, int(match[2]) - 1 if match[2] else None)


def _side(one: int | None, other: int | None) -> tuple[int | None, int | None]:
    if one is None or other is None:
        return (other if one is None else one), None
    return min(one, other), max(one, other) + 1
