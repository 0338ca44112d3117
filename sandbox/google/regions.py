"""Cells of a tab with a property of their own: merged, a checkbox, plain text, hidden, filtered, part of a table."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.google.a1 import Area, Box

Kind = Literal["merge", "checkbox", "plain_text", "filter", "hidden_by_filter", "hidden_by_user", "table"]


@dataclass(slots=True)
class Region:
    """Cells with one property; `properties` are those of a table or filter as the API shows them."""

    kind: Kind
    area: Area
    properties: dict[str, Any] = field(default_factory=dict)

    def box(self, row_count: int, column_count: int) -> Box:
        return self.area.box(row_count, column_count)

    def copy(self) -> "Region":
        return Region(self.kind, self.area, dict(self.properties))


@dataclass(slots=True)
class Hypotheses:
    """Switches between two behaviours where neither recordings nor Google's documentation decide.

    `b2b doctor --live` asks a real account; the stand-in can be either.
    """

    covered_cells: Literal["drop", "hide"] = "drop"
    """A write into a cell that a merge covers: nothing is kept, or it is kept and read back but not shown."""
    plain_text_numbers: Literal["text", "number"] = "text"
    """A number written into a cell formatted as plain text: it becomes its text, or stays a number."""
    hidden_rows: Literal["write", "skip"] = "write"
    """`updateCells` on a row that a filter hides: it is written, or left as it is."""
    typed_columns: Literal["keep", "refuse"] = "keep"
    """Text written into a table's column of numbers or dates: it is kept, or the request is refused."""
    vanished_tab: Literal["refuse", "omit"] = "refuse"
    """`responseRanges` that name a tab that is gone: the whole batch is refused, or the answer leaves the tab out."""


def follow(area: Area, dimension: str, places: Callable[[int], int | None], size: int) -> Area | None:
    """Return the area after rows or columns changed place (`places`: None if deleted); None if nothing of it is left."""
    first, after = (area.top, area.bottom) if dimension == "ROWS" else (area.left, area.right)
    new = [
        place for old in range(first or 0, after if after is not None else size) if (place := places(old)) is not None
    ]
    if not new:
        return None
    start = None if first is None else min(new)
    end = None if after is None else max(new) + 1
    return area._replace(top=start, bottom=end) if dimension == "ROWS" else area._replace(left=start, right=end)
