"""The cells of a tab as JSON: written out at once, because ten thousand rows as dicts take seconds.

Recorded shape (gspread's and googlesheets4's cassettes): an empty cell is `{}`; what was entered is `userEnteredValue`,
what comes out `effectiveValue`, what is shown `formattedValue`. A cell into which an array formula spills has no
`userEnteredValue`; an image or a sparkline has only that. Rows go on to the end of what is formatted.
"""

import json
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any

from sandbox.google.a1 import Box
from sandbox.google.cells import Cell, ErrorValue, Formatted, Formula, Scalar, Spilled
from sandbox.google.masks import Mask, Prepared, below, pick
from sandbox.google.results import as_shown
from sandbox.google.tab import Tab

ERRORS = {
    "#DIV/0!": "DIVIDE_BY_ZERO",
    "#VALUE!": "VALUE",
    "#REF!": "REF",
    "#NAME?": "NAME",
    "#N/A": "N_A",
    "#NUM!": "NUM",
}
CHECKBOX = {"condition": {"type": "BOOLEAN"}, "strict": True}
PLAIN_TEXT = {"numberFormat": {"type": "TEXT", "pattern": "@"}}
_quoted: Callable[[str], str] = encode_basestring
_SHOWN = ("userEnteredValue", "effectiveValue", "formattedValue")


def row_data(tab: Tab, box: Box, mask: Mask | None, indent: int | None) -> Prepared | None:
    """The `rowData` of a box as JSON text; None if there is none. `indent`: how deep it stands in a pretty answer."""
    lines = tab.lines(box)
    extras = _extras(tab, box)
    height = max(len(lines), max((row for row, _ in extras), default=box.top - 1) + 1 - box.top)
    if not height:
        return None
    values = below(mask, "values")
    if values is None:
        return Prepared("[" + ",".join(["{}"] * height) + "]")
    writer = _Writer(tab, values, extras, indent)
    rows = [writer.row(box.top + row, box.left, lines[row] if row < len(lines) else []) for row in range(height)]
    start, end = writer.breaks(0), writer.breaks(-1)
    return Prepared("[" + start + ("," + start).join(rows) + end + "]")


def _extras(tab: Tab, box: Box) -> dict[tuple[int, int], dict[str, Any]]:
    """Return cells' properties beside values: the rule of a checkbox, a format of their own."""
    extras: dict[tuple[int, int], dict[str, Any]] = {}
    for region in tab.regions_of("checkbox", "plain_text"):
        area = region.box(tab.row_count, tab.column_count)
        for row in range(max(area.top, box.top), min(area.bottom, box.bottom)):
            for column in range(max(area.left, box.left), min(area.right, box.right)):
                more = extras.setdefault((row, column), {})
                if region.kind == "checkbox":
                    more["dataValidation"] = CHECKBOX
                else:
                    more["userEnteredFormat"] = more["effectiveFormat"] = PLAIN_TEXT
    return extras


class _Writer:
    """Writes cells as JSON, with the fields that a mask names."""

    def __init__(self, tab: Tab, mask: Mask, extras: dict[tuple[int, int], dict[str, Any]], indent: int | None):
        self.tab, self.mask, self.extras, self.indent = tab, mask, extras, indent
        self.everything = not mask or "*" in mask
        self.text = self._text_template()
        self.last_of_row: dict[int, int] = {}
        for row, column in extras:
            self.last_of_row[row] = max(self.last_of_row.get(row, 0), column + 1)

    def breaks(self, depth: int) -> str:
        """A line break and the blanks in front of what stands so deep, in a pretty answer."""
        return "" if self.indent is None else "\n" + "  " * (self.indent + depth)

    def _text_template(self) -> str | None:
        """How a cell of text is written, `%s` for its JSON; None if the mask goes into its fields."""
        if not self.everything and any(self.mask.get(name) for name in _SHOWN):
            return None
        b = self.breaks
        parts = {
            "userEnteredValue": f'"userEnteredValue": {{{b(4)}"stringValue": %(text)s{b(3)}}}',
            "effectiveValue": f'"effectiveValue": {{{b(4)}"stringValue": %(text)s{b(3)}}}',
            "formattedValue": '"formattedValue": %(text)s',
        }
        wanted = [part for name, part in parts.items() if self.everything or name in self.mask]
        if not wanted:
            return "{}"
        template = "{" + b(3) + ("," + b(3)).join(wanted) + b(2) + "}"
        return template.replace('": ', '":') if self.indent is None else template

    def row(self, row: int, left: int, line: list[Cell | None]) -> str:
        width = max(len(line), self.last_of_row.get(row, 0) - left)
        if width <= 0:
            return "{}"
        cells = [
            self.cell(row, left + place, line[place] if place < len(line) else None) for place in range(width)
        ] if self.extras or self.text is None else self._plain(row, left, line)  # fmt: skip
        start = self.breaks(2)
        return f'{{{self.breaks(1)}"values": [{start}{("," + start).join(cells)}{self.breaks(1)}]{self.breaks(0)}}}'

    def _plain(self, row: int, left: int, line: list[Cell | None]) -> list[str]:
        """The cells of a row without formats: nearly all are text."""
        template = self.text
        assert template is not None
        head, *rest = template.split("%(text)s")
        if not rest:
            return [template if cell is not None else "{}" for cell in line]
        cells = []
        for column, cell in enumerate(line, left):
            if cell is None:
                cells.append("{}")
            elif type(cell) is str and not self.tab.regions:
                cells.append(_quoted(cell).join((head, *rest)))
            else:
                cells.append(self.cell(row, column, cell))
        return cells

    def cell(self, row: int, column: int, cell: Cell | None) -> str:
        data = cell_data(self.tab, row, column, cell)
        if self.extras:
            data |= self.extras.get((row, column), {})
        found = pick(data, self.mask)
        if not found:
            return "{}"
        if self.indent is None:
            return json.dumps(found, ensure_ascii=False, separators=(",", ":"))
        return json.dumps(found, ensure_ascii=False, indent=2).replace("\n", self.breaks(2))


def cell_data(tab: Tab, row: int, column: int, cell: Cell | None) -> dict[str, Any]:
    """A `CellData`: what was entered, what comes out, and what is shown."""
    data: dict[str, Any] = {}
    if cell is None:
        return data
    value = tab.value_at(row, column) if isinstance(cell, Formula) else tab.computed(cell)
    if isinstance(cell, Formula):
        data["userEnteredValue"] = {"formulaValue": cell.text}
    elif not isinstance(cell, Spilled):
        data["userEnteredValue"] = extended_value(value)
    if value is None:
        return data
    data["effectiveValue"] = extended_value(value)
    shown = cell.shown if isinstance(cell, Formatted) else as_shown(value)
    if shown and not tab.is_covered(row, column):
        data["formattedValue"] = shown
    return data


def extended_value(value: Scalar | None) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, ErrorValue):
        return {"errorValue": {"type": ERRORS.get(value, "ERROR"), "message": str(value)}}
    return {"stringValue": value} if isinstance(value, str) else {"numberValue": value}
