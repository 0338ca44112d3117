"""The functions that formulas call: those that customers put beside a list of codes, not a spreadsheet program."""

import fnmatch
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from sandbox.google.cells import ErrorValue, Matrix, Scalar, Value, number, shown_number

SHOWS_NOTHING = frozenset(("IMAGE", "SPARKLINE"))
"""Functions whose cell holds a picture: `effectiveValue` and `formattedValue` are missing. Sources: the API answers
`{"userEnteredValue": {"formulaValue": "=IMAGE(…)"}}`, https://support.google.com/docs/answer/3093333 and 3093289."""


class Unknown(Exception):
    """A formula, or a part of one, that this stand-in does not compute."""


def as_text(value: Scalar | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    return value if isinstance(value, str) else shown_number(value)


class NotANumber(Exception):
    """Text where a number must be."""


def as_number(value: Scalar | None) -> float:
    if value is None:
        return 0
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise NotANumber from None
    return float(value)


def compare(sign: str, left: Scalar | None, right: Scalar | None) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        one, other = as_text(left).casefold(), as_text(right).casefold()
        order = (one > other) - (one < other)
        if order and not (isinstance(left, str) and isinstance(right, str)) and None not in (left, right):
            order = 1 if isinstance(left, str) else -1  # text is greater than every number
    else:
        a, b = as_number(left), as_number(right)
        order = (a > b) - (a < b)
    return {"=": order == 0, "<>": order != 0, "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0}[sign]


def elementwise(compute: Callable[..., Value], *values: Value) -> Value:
    """Apply a function of single values; to each cell where a value is a matrix. Errors pass through."""
    if not any(isinstance(value, list) for value in values):
        for value in values:
            if isinstance(value, ErrorValue):
                return value
        try:
            return compute(*values)
        except NotANumber:
            return ErrorValue("#VALUE!")
    height = max(len(value) for value in values if isinstance(value, list))
    width = max(len(value[0]) if value else 0 for value in values if isinstance(value, list))
    return [
        [_only(elementwise(compute, *(_at(value, row, column) for value in values))) for column in range(width)]
        for row in range(height)
    ]


def _at(value: Value, row: int, column: int) -> Scalar | None:
    if not isinstance(value, list):
        return value
    line = value[0] if len(value) == 1 else (value[row] if row < len(value) else None)
    if line is None:
        return ErrorValue("#N/A")
    return line[0] if len(line) == 1 else (line[column] if column < len(line) else ErrorValue("#N/A"))


def _only(value: Value) -> Scalar | None:
    return value[0][0] if isinstance(value, list) else value


class Function(NamedTuple):
    """A function; `whole`: it takes ranges as they are, instead of one value at a time."""

    compute: Callable[..., Value]
    whole: bool = False


def flat(*values: Value) -> Iterator[Scalar | None]:
    for value in values:
        if isinstance(value, list):
            for line in value:
                yield from line
        else:
            yield value


def _numbers(*values: Value) -> list[float]:
    return [float(value) for value in flat(*values) if isinstance(value, int | float) and not isinstance(value, bool)]


def _first_error(*values: Value) -> ErrorValue | None:
    return next((value for value in flat(*values) if isinstance(value, ErrorValue)), None)


def _sum(*values: Value) -> Value:
    return _first_error(*values) or number(sum(_numbers(*values)))


def _average(*values: Value) -> Value:
    found = _numbers(*values)
    return number(sum(found) / len(found)) if found else ErrorValue("#DIV/0!")


def _criterion(wanted: Scalar | None) -> Callable[[Scalar | None], bool]:
    """Return the test of a `COUNTIF` criterion: `">3"`, `"<>"`, a text with `*`, or a value."""
    text = as_text(wanted)
    match = re.match(r"(<=|>=|<>|<|>|=)(.*)", text, re.DOTALL)
    if match is None:
        return _equals(wanted)
    sign, rest = match[1], match[2]
    if not rest:
        return lambda cell: (cell not in (None, "")) == (sign == "<>")
    try:
        limit: Scalar = float(rest)
    except ValueError:
        limit = rest
    if sign in ("=", "<>"):
        equals = _equals(limit)
        return lambda cell: equals(cell) == (sign == "=")

    def is_beyond(cell: Scalar | None) -> bool:
        comparable = cell is not None and not isinstance(cell, bool) and isinstance(cell, str) == isinstance(limit, str)
        return comparable and compare(sign, cell, limit)

    return is_beyond


def _equals(wanted: Scalar | None) -> Callable[[Scalar | None], bool]:
    if isinstance(wanted, str) and any(sign in wanted for sign in "*?"):
        pattern = re.compile(fnmatch.translate(wanted.casefold()))
        return lambda cell: isinstance(cell, str) and pattern.match(cell.casefold()) is not None
    if wanted is None:
        return lambda cell: False
    return lambda cell: cell is not None and compare("=", cell, wanted)


class Block(list[list[Scalar | None]]):
    """The values of a range that many formulas look at: its texts are counted and indexed once."""

    @cached_property
    def counts(self) -> Counter[str]:
        return Counter(as_text(cell).casefold() for cell in flat(self) if cell is not None)

    @cached_property
    def rows(self) -> dict[str, int]:
        """The first row that has a text in its first column."""
        first: dict[str, int] = {}
        for row, line in enumerate(self):
            if line[0] is not None:
                first.setdefault(as_text(line[0]).casefold(), row)
        return first


_PATTERN = re.compile(r"[*?]|^[<>=]")


def _countif(cells: Value, wanted: Value, *_: Value) -> Value:
    text = as_text(_only(wanted))
    if isinstance(cells, Block) and _only(wanted) is not None and not _PATTERN.search(text):
        return cells.counts[text.casefold()]
    fits = _criterion(_only(wanted))
    return sum(1 for cell in flat(cells) if fits(cell))


def _sumif(cells: Value, wanted: Value, *summed: Value) -> Value:
    fits = _criterion(_only(wanted))
    pairs = zip(flat(cells), flat(summed[0] if summed else cells), strict=False)
    return number(sum(_numbers(*(amount for cell, amount in pairs if fits(cell)))))


def _vlookup(wanted: Value, table: Value, index: Value, is_sorted: Value = True) -> Value:
    if not isinstance(table, list):
        raise Unknown("VLOOKUP")
    place = int(as_number(_only(index))) - 1
    if not table or not 0 <= place < len(table[0]):
        return ErrorValue("#REF!")
    value = _only(wanted)
    if isinstance(table, Block) and not is_sorted:
        row = None if value is None else table.rows.get(as_text(value).casefold())
        return ErrorValue("#N/A") if row is None else table[row][place]
    found: Scalar | None = ErrorValue("#N/A")
    for line in table:
        if is_sorted and compare(">", line[0], value) and line[0] is not None:
            break
        if (compare("=", line[0], value) and line[0] is not None) or (is_sorted and line[0] is not None):
            found = line[place]
            if not is_sorted:
                break
    return found


def _match(wanted: Value, cells: Value, kind: Value = 1) -> Value:
    value = _only(wanted)
    place: Value = ErrorValue("#N/A")
    for index, cell in enumerate(flat(cells), start=1):
        if cell is not None and compare("=", cell, value):
            return index
        if kind and cell is not None and compare("<", cell, value):
            place = index
    return place


def _index(cells: Value, row: Value = 1, column: Value = 1) -> Value:
    table = cells if isinstance(cells, list) else [[cells]]
    try:
        return table[int(as_number(_only(row))) - 1][int(as_number(_only(column))) - 1]
    except IndexError:
        return ErrorValue("#REF!")


def _filter(cells: Value, *conditions: Value) -> Value:
    table = cells if isinstance(cells, list) else [[cells]]
    columns = [list(flat(condition)) for condition in conditions]
    kept: Matrix = [
        line
        for row, line in enumerate(table)
        if all(row < len(column) and column[row] not in (None, "", False, 0) for column in columns)
    ]
    return kept or ErrorValue("#N/A")


def _unique(cells: Value) -> Value:
    table = cells if isinstance(cells, list) else [[cells]]
    return [list(line) for line in dict.fromkeys(tuple(line) for line in table)]


def _sequence(rows: Value, columns: Value = 1, start: Value = 1, step: Value = 1) -> Value:
    height, width = int(as_number(_only(rows))), int(as_number(_only(columns)))
    first, by = as_number(_only(start)), as_number(_only(step))
    return [[number(first + by * (row * width + column)) for column in range(width)] for row in range(height)]


def _sort(cells: Value, *_: Value) -> Value:
    table = cells if isinstance(cells, list) else [[cells]]
    return sorted(table, key=lambda line: (line[0] is None, isinstance(line[0], str), as_text(line[0]).casefold()))


def _transpose(cells: Value) -> Value:
    table = cells if isinstance(cells, list) else [[cells]]
    return [list(line) for line in zip(*table, strict=False)]


def _part(text: Scalar | None, start: float, length: float) -> str:
    return as_text(text)[int(start) : int(start) + int(length)]


FUNCTIONS: dict[str, Function] = {
    "COUNTA": Function(lambda *values: sum(value is not None for value in flat(*values)), whole=True),
    "COUNT": Function(lambda *values: len(_numbers(*values)), whole=True),
    "COUNTBLANK": Function(lambda *values: sum(value in (None, "") for value in flat(*values)), whole=True),
    "COUNTIF": Function(_countif, whole=True),
    "SUM": Function(_sum, whole=True),
    "SUMIF": Function(_sumif, whole=True),
    "AVERAGE": Function(_average, whole=True),
    "MIN": Function(lambda *values: number(min(_numbers(*values), default=0)), whole=True),
    "MAX": Function(lambda *values: number(max(_numbers(*values), default=0)), whole=True),
    "CONCATENATE": Function(lambda *values: "".join(as_text(value) for value in flat(*values)), whole=True),
    "CONCAT": Function(lambda a, b: as_text(a) + as_text(b)),
    "JOIN": Function(lambda by, *values: as_text(by).join(as_text(value) for value in flat(*values)), whole=True),
    "AND": Function(lambda *values: all(as_number(value) for value in flat(*values)), whole=True),
    "OR": Function(lambda *values: any(as_number(value) for value in flat(*values)), whole=True),
    "VLOOKUP": Function(_vlookup, whole=True),
    "MATCH": Function(_match, whole=True),
    "INDEX": Function(_index, whole=True),
    "FILTER": Function(_filter, whole=True),
    "UNIQUE": Function(_unique, whole=True),
    "SEQUENCE": Function(_sequence, whole=True),
    "SORT": Function(_sort, whole=True),
    "TRANSPOSE": Function(_transpose, whole=True),
    "NOT": Function(lambda value: not as_number(value)),
    "UPPER": Function(lambda text: as_text(text).upper()),
    "LOWER": Function(lambda text: as_text(text).lower()),
    "TRIM": Function(lambda text: " ".join(as_text(text).split())),
    "LEN": Function(lambda text: len(as_text(text))),
    "LEFT": Function(lambda text, length=1: _part(text, 0, as_number(length))),
    "RIGHT": Function(lambda text, length=1: as_text(text)[-int(as_number(length)) :] if as_number(length) else ""),
    "MID": Function(lambda text, start, length: _part(text, as_number(start) - 1, as_number(length))),
    "ISBLANK": Function(lambda value: value is None),
    "ISNUMBER": Function(lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
    "ISTEXT": Function(lambda value: isinstance(value, str)),
    "ROUND": Function(lambda value, digits=0: number(round(as_number(value), int(as_number(digits))))),
    "MOD": Function(lambda a, b: number(as_number(a) % as_number(b)) if as_number(b) else ErrorValue("#DIV/0!")),
    "HYPERLINK": Function(lambda link, label=None: as_text(link if label is None else label)),
    "NA": Function(lambda: ErrorValue("#N/A")),
}


Part = Callable[[], Value]


def _if(parts: Sequence[Part]) -> Value:
    if len(parts) not in (2, 3):
        raise Unknown("IF")
    condition = parts[0]()
    if not isinstance(condition, list):
        try:
            holds = condition if isinstance(condition, ErrorValue) else bool(as_number(condition))
        except NotANumber:
            return ErrorValue("#VALUE!")
        if isinstance(holds, ErrorValue):
            return holds
        return parts[1]() if holds else (parts[2]() if len(parts) == 3 else False)
    return elementwise(
        lambda holds, yes, no: yes if as_number(holds) else no,
        condition,
        _kept_as_value(parts[1]()),
        _kept_as_value(parts[2]()) if len(parts) == 3 else False,
    )


def _kept_as_value(value: Value) -> Value:
    """The same, its errors as texts, so that only a chosen branch brings its error along."""
    if isinstance(value, list):
        return [[str(cell) if isinstance(cell, ErrorValue) else cell for cell in line] for line in value]
    return str(value) if isinstance(value, ErrorValue) else value


def _iferror(parts: Sequence[Part]) -> Value:
    value = parts[0]()
    other = parts[1]() if len(parts) > 1 else ""
    if isinstance(value, list):
        return [[_only(other) if isinstance(cell, ErrorValue) else cell for cell in line] for line in value]
    return other if isinstance(value, ErrorValue) else value


LAZY: dict[str, Callable[[Sequence[Part]], Value]] = {"IF": _if, "IFERROR": _iferror}
"""Functions that compute only the arguments they need, or have to look at an argument's error."""
