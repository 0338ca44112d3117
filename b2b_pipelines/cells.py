"""Cells of a sheet: entered and shown values. Pure.

Rows and columns are counted from 0, and the end of an area is excluded, as in Google's API.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, TypeAlias

Value: TypeAlias = str | int | float | bool
"""A constant: text is text, numbers are numbers, a date is its serial number."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula as entered, with the value it shows. Two formulas are equal if their texts are."""

    text: str
    shown: Value = field(default="", compare=False)

    @property
    def pattern(self) -> str:
        """Return the formula without its references, which Google rewrites on every move."""
        return formula_pattern(self.text)


@dataclass(frozen=True, slots=True)
class Spilled:
    """A value that an array formula in another cell shows here.

    Nothing was entered in this cell.
    """

    shown: Value


Cell: TypeAlias = Value | Formula | Spilled | None
"""One cell; `""` and None are blank."""


class Area(NamedTuple):
    """A rectangle of cells, such as a merge."""

    top: int
    left: int
    bottom: int
    right: int

    def covers(self, row: int, column: int) -> bool:
        """Return whether the merge hides that cell: the cell is inside it, but not its top-left one."""
        inside = self.top <= row < self.bottom and self.left <= column < self.right
        return inside and (row, column) != (self.top, self.left)


@dataclass(frozen=True, slots=True)
class Table:
    """A Google Table: its id and its range, header row included."""

    table_id: str
    area: Area


_REFERENCE = re.compile(
    r'"(?:[^"]|"")*"|#REF!|\$?[A-Z]{1,3}\$?[0-9]+(?![\w(])|(?<![\w$])\$?[A-Z]{1,3}(?=:)|(?<=:)\$?[A-Z]{1,3}(?![\w(])',
    re.I,
)


@lru_cache(maxsize=4096)
def formula_pattern(text: str) -> str:
    """Return a formula with `#` for every reference. Texts in quotes are kept."""
    return _REFERENCE.sub(lambda match: match[0] if match[0].startswith('"') else "#", text)


def is_blank_cell(cell: Cell) -> bool:
    """Return whether nothing was entered.

    A space, 0, FALSE and a formula that shows nothing count as entered.
    """
    return cell is None or cell == "" or type(cell) is Spilled


def is_blank(row: Iterable[Cell]) -> bool:
    """Return whether nothing was entered in any of these cells."""
    return all(cell is None or cell == "" or type(cell) is Spilled for cell in row)


def is_prepared(cell: Cell) -> bool:
    """Return whether a cell outside our columns is empty or prepared for filling.

    People fill down formulas and unticked checkboxes over empty rows.
    """
    return cell is None or cell == "" or cell is False or type(cell) in (Formula, Spilled)


def shown(cell: Cell) -> Value:
    """Return the value that a cell shows; `""` for an empty one."""
    if isinstance(cell, Formula | Spilled):
        return cell.shown
    return "" if cell is None else cell


def entered(cell: Cell) -> Value | Formula:
    """Return the value or formula that was entered in a cell; `""` for an empty one."""
    return "" if cell is None or isinstance(cell, Spilled) else cell


def recognized(cell: Cell) -> tuple[str, Value]:
    """Return the key that identifies a cell after it moved.

    It is the entered constant, or the entered formula's pattern.
    """
    if isinstance(cell, Formula):
        return "formula", cell.pattern
    if cell is None or isinstance(cell, Spilled):
        return "str", ""
    return ("bool" if isinstance(cell, bool) else "str" if isinstance(cell, str) else "number"), cell


def column_letters(number: int) -> str:
    """Return the letters of a column, counted from 1: A, …, Z, AA, …"""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def area_name(area: Area) -> str:
    """Return an area in A1 notation, such as `A1:F1`."""
    first = f"{column_letters(area.left + 1)}{area.top + 1}"
    last = f"{column_letters(area.right)}{area.bottom}"
    return first if first == last else f"{first}:{last}"


def tab_name(title: str) -> str:
    """Return a tab's title in quotes for a message: as it is, in one line."""
    return "'" + "".join(character if character.isprintable() else " " for character in title) + "'"
