"""Listings for people: aligned columns that fit the terminal and never break an identifier.

A column of prose (names, reasons) may wrap at spaces. Every other column keeps its values whole, because people copy
codes, slugs and addresses. When the terminal is too narrow, a note goes below its row, and the last columns are hidden,
named by a line on stderr. Without a terminal the table is as wide as its content.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from textwrap import fill
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

PROSE = frozenset(
    {"name", "title", "organization", "organization_name", "description", "reason", "message", "why", "what", "said"}
)
"""Columns that may wrap."""
NOTES = frozenset({"says", "do"})
"""Columns of whole sentences, what to do for example, which go below their row where they do not fit beside it."""
NARROWEST_PROSE = 12
GAP = 2
UNLIMITED = 100_000
PLAIN_SIGNS = str.maketrans({"→": "->", "—": "-", "–": "-", "…": "...", "“": '"', "”": '"'})


@dataclass(frozen=True)
class Column:
    """A column as it will be printed: its key, heading, width and alignment, and the width that breaks no word."""

    key: str
    heading: str
    width: int
    is_prose: bool
    is_number: bool
    narrowest: int = 0


@dataclass(frozen=True)
class Layout:
    """The columns that fit, and the headings of those that do not."""

    shown: tuple[Column, ...]
    hidden: tuple[str, ...]


def lay_out(rows: Sequence[Mapping[str, str]], columns: Mapping[str, str], numbers: set[str], width: int) -> Layout:
    """Choose the columns that fit into `width` cells, the first ones first.

    Prose is narrowed before a column is hidden. The first column is always shown.
    """
    chosen = [_column(rows, key, heading, key in numbers) for key, heading in columns.items()]
    for count in range(len(chosen), 0, -1):
        fitted = _narrowed(chosen[:count], width)
        if fitted is not None or count == 1:
            return Layout(tuple(fitted or chosen[:1]), tuple(column.heading for column in chosen[count:]))
    return Layout((), ())


def print_table(
    console: Console, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], title: str = ""
) -> tuple[str, ...]:
    """Print a table of `columns` (key → heading). Return the headings of the columns that did not fit."""
    numbers = {key for key in columns if any(_is_number(row[key]) for row in rows)}
    texts = [{key: shown(row[key], console.encoding) for key in columns} for row in rows]
    width = width_of(console)
    layout = lay_out(texts, columns, numbers, width or UNLIMITED)
    below = {key: heading for key, heading in columns.items() if key in NOTES and heading in layout.hidden}
    heading = {column.key: column.heading for column in layout.shown}
    if title:
        console.print(title)
    console.print(Text(_lines(console, layout.shown, heading)[0], style=_header_style(console)), soft_wrap=True)
    for row in texts:
        console.file.writelines(f"{line}\n" for line in _lines(console, layout.shown, row))
        console.file.writelines(f"{_below(row[key], width or UNLIMITED)}\n" for key in below if row[key])
    return tuple(heading for heading in layout.hidden if heading not in below.values())


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _below(note: str, width: int) -> str:
    """Return a note as indented lines that fit, unless a single word is wider."""
    indent = " " * GAP
    return fill(
        note, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _lines(console: Console, columns: Sequence[Column], row: Mapping[str, str]) -> list[str]:
    """Return the lines of one row: more than one where prose wraps or a value has several lines."""
    cells = [_wrapped(console, row[column.key], column) for column in columns]
    return [
        (" " * GAP).join(_padded(line, column) for line, column in zip(parts, columns, strict=True)).rstrip()
        for parts in zip_longest(*cells, fillvalue="")
    ]


def _wrapped(console: Console, value: str, column: Column) -> list[str]:
    if not column.is_prose:
        return value.splitlines() or [""]
    return [line.plain.rstrip() for line in Text(value).wrap(console, column.width)] or [""]


def _padded(value: str, column: Column) -> str:
    """Pad a value to its column's width. Wide characters count twice, as terminals show them."""
    padding = " " * (column.width - cell_len(value))
    return padding + value if column.is_number else value + padding


def width_of(console: Console) -> int | None:
    """Return the width to keep: the terminal's, or COLUMNS when it is set; None when nothing limits it."""
    return console.width if console.is_terminal or os.environ.get("COLUMNS", "").isdigit() else None


def typeable(text: str, encoding: str) -> str:
    """Replace the signs that this program writes, for a terminal without Unicode. Names keep their letters."""
    return text if encoding.startswith("utf") else text.translate(PLAIN_SIGNS)


def shown(value: object, encoding: str = "utf-8") -> str:
    """Return a value as a person reads it."""
    if value is None:
        return "—" if encoding.startswith("utf") else "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return f"{value:.2f}" if isinstance(value, Decimal) else str(value)


def _header_style(console: Console) -> str:
    return "bold" if console.is_terminal and not console.no_color and not console.is_dumb_terminal else ""


def _column(rows: Sequence[Mapping[str, str]], key: str, heading: str, is_number: bool) -> Column:
    lines = (line for row in rows for line in row[key].splitlines() or [""])
    width = max([cell_len(heading), *map(cell_len, lines)])
    if key not in PROSE:
        return Column(key, heading, width, False, is_number, width)
    words = (word for row in rows for word in row[key].split())
    narrowest = max([NARROWEST_PROSE, cell_len(heading), *map(cell_len, words)])
    return Column(key, heading, width, True, is_number, min(narrowest, width))


def _narrowed(columns: Sequence[Column], width: int) -> list[Column] | None:
    """Return the columns with their prose narrowed until they fit, or None when they cannot."""
    excess = sum(column.width + GAP for column in columns) - GAP - width
    narrowed = list(columns)
    for at, column in sorted(enumerate(columns), key=lambda pair: -pair[1].width):
        if excess > 0 and column.is_prose:
            less = min(excess, column.width - column.narrowest)
            narrowed[at] = replace(column, width=column.width - less)
            excess -= less
    return narrowed if excess <= 0 else None
