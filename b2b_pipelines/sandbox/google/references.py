"""How the references of a formula follow the cells they name: copied, sorted, inserted, deleted."""

import re
from collections.abc import Callable

from b2b_pipelines.sandbox.google.a1 import cell_name, column_index, column_letters

_REFERENCE = re.compile(
    r"""(?P<text>"(?:[^"]|"")*")|
    (?<![A-Za-z0-9_!.'$])
    (?P<fixed_column>\$?)(?P<column>[A-Z]{1,3})(?:(?P<fixed_row>\$?)(?P<row>[0-9]+)|(?=:)|(?<=:[A-Z]))
    (?![A-Za-z0-9_(])""",
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
    """The formula after its tab's rows or columns changed place: `places` says where each now is, None if deleted."""

    def follow(match: re.Match[str]) -> str:
        if match["text"] is not None:
            return match[0]
        row: int | None = int(match["row"]) - 1 if match["row"] else 0
        column: int | None = column_index(match["column"])
        if dimension == "COLUMNS" and column is not None:
            column = places(column)
        elif row is not None and match["row"]:
            row = places(row)
        return "#REF!" if row is None or column is None else _reference(match, row, column)

    return _REFERENCE.sub(follow, formula)


def _reference(match: re.Match[str], row: int, column: int) -> str:
    if not match["row"]:
        return match["fixed_column"] + column_letters(column)
    name = cell_name(row, column)
    letters = column_letters(column)
    return f"{match['fixed_column']}{letters}{match['fixed_row']}{name.removeprefix(letters)}"
