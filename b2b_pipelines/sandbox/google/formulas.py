"""The little arithmetic a customer puts beside our columns, and how references follow the cells they name.

What is not understood has the value `""`: this is a stand-in, not a spreadsheet program.
"""

import re
from collections.abc import Callable, Sequence

from b2b_pipelines.sandbox.google.a1 import Unparsable, cell_name, column_index, column_letters, parse_cell, parse_cells
from b2b_pipelines.sandbox.google.cells import Scalar, number, shown_number

Lookup = Callable[[int, int], Scalar | None]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"]|"")*")
    | (?P<range>\$?[A-Za-z]{1,3}\$?[0-9]+:\$?[A-Za-z]{1,3}(?:\$?[0-9]+)?|\$?[A-Za-z]{1,3}:\$?[A-Za-z]{1,3})
    | (?P<cell>\$?[A-Za-z]{1,3}\$?[0-9]+)(?![A-Za-z0-9_(])
    | (?P<number>\d+\.?\d*|\.\d+)
    | (?P<name>[A-Za-z_.][A-Za-z0-9_.]*)
    | (?P<sign><=|>=|<>|[-+*/&=<>(),])
    )""",
    re.VERBOSE,
)
_REFERENCE = re.compile(
    r"""(?P<text>"(?:[^"]|"")*")|
    (?<![A-Za-z0-9_!.'$])
    (?P<fixed_column>\$?)(?P<column>[A-Z]{1,3})(?:(?P<fixed_row>\$?)(?P<row>[0-9]+)|(?=:)|(?<=:[A-Z]))
    (?![A-Za-z0-9_(])""",
    re.VERBOSE,
)


class _Unknown(Exception):
    """A formula, or a part of one, that this stand-in does not compute."""


class SheetValueError(Exception):
    """A formula whose value is an error, such as `#DIV/0!`."""


def evaluate(formula: str, lookup: Lookup, extent: tuple[int, int]) -> Scalar:
    """The value of a formula, given the values of other cells (zero-based row and column) and the grid's size.

    Errors come out as their text (`#DIV/0!`, `#REF!`), what is not understood as `""`.
    """
    try:
        return _Reader(formula[1:], lookup, extent).whole()
    except SheetValueError as error:
        return str(error)
    except (_Unknown, Unparsable):
        return ""


class _Reader:
    """Reads one formula from left to right, computing as it goes."""

    def __init__(self, text: str, lookup: Lookup, extent: tuple[int, int]) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.at = 0
        self.lookup = lookup
        self.extent = extent
        position = 0
        text = text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise _Unknown(text)
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()

    def whole(self) -> Scalar:
        value = self.comparison()
        if self.at < len(self.tokens):
            raise _Unknown(self.tokens[self.at][1])
        return "" if value is None else value

    def sign(self, *signs: str) -> str | None:
        if self.at < len(self.tokens):
            kind, text = self.tokens[self.at]
            if kind == "sign" and text in signs:
                self.at += 1
                return text
        return None

    def expect(self, sign: str) -> None:
        if self.sign(sign) is None:
            raise _Unknown(sign)

    def comparison(self) -> Scalar | None:
        left = self.joined()
        while sign := self.sign("=", "<>", "<", ">", "<=", ">="):
            left = _compare(sign, left, self.joined())
        return left

    def joined(self) -> Scalar | None:
        left = self.sum()
        while self.sign("&"):
            left = _text(left) + _text(self.sum())
        return left

    def sum(self) -> Scalar | None:
        left = self.product()
        while sign := self.sign("+", "-"):
            right = self.product()
            left = number(_number(left) + _number(right) * (1 if sign == "+" else -1))
        return left

    def product(self) -> Scalar | None:
        left = self.single()
        while sign := self.sign("*", "/"):
            right = _number(self.single())
            if sign == "/" and right == 0:
                raise SheetValueError("#DIV/0!")
            left = number(_number(left) * right if sign == "*" else _number(left) / right)
        return left

    def single(self) -> Scalar | None:
        if sign := self.sign("-", "+"):
            return number(_number(self.single()) * (-1 if sign == "-" else 1))
        if self.sign("("):
            value = self.comparison()
            self.expect(")")
            return value
        if self.at >= len(self.tokens):
            raise _Unknown("end")
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "text":
            return text[1:-1].replace('""', '"')
        if kind == "number":
            return number(float(text))
        if kind == "cell":
            return self.lookup(*parse_cell(text))
        if kind == "name":
            return self.named(text.upper())
        raise _Unknown(text)

    def named(self, name: str) -> Scalar | None:
        if name in ("TRUE", "FALSE") and self.sign("(") is None:
            return name == "TRUE"
        if self.tokens[self.at - 1][1] != "(":
            self.expect("(")
        arguments: list[list[Scalar | None]] = []
        while self.sign(")") is None:
            if arguments:
                self.expect(",")
            arguments.append(self.argument())
        return _call(name, arguments)

    def argument(self) -> list[Scalar | None]:
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "range":
            box = parse_cells(self.tokens[self.at][1]).box(*self.extent).clipped(*self.extent)
            self.at += 1
            return [
                self.lookup(row, column) for row in range(box.top, box.bottom) for column in range(box.left, box.right)
            ]
        return [self.comparison()]


def _text(value: Scalar | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    return value if isinstance(value, str) else shown_number(value)


def _number(value: Scalar | None) -> float:
    if value is None:
        return 0
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise SheetValueError("#VALUE!") from None
    return float(value)


def _compare(sign: str, left: Scalar | None, right: Scalar | None) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        one, other = _text(left).casefold(), _text(right).casefold()
        order = (one > other) - (one < other)
    else:
        a, b = _number(left), _number(right)
        order = (a > b) - (a < b)
    return {"=": order == 0, "<>": order != 0, "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0}[sign]


def _call(name: str, arguments: Sequence[Sequence[Scalar | None]]) -> Scalar | None:
    flat = [value for values in arguments for value in values]
    if name == "COUNTA":
        return sum(value is not None for value in flat)
    if name == "COUNT":
        return sum(isinstance(value, int | float) and not isinstance(value, bool) for value in flat)
    if name == "SUM":
        return number(sum(float(value) for value in flat if isinstance(value, int | float)))
    if name in ("CONCATENATE", "CONCAT"):
        return "".join(_text(value) for value in flat)
    if name == "IF" and len(flat) in (2, 3):
        return flat[1] if _number(flat[0]) else (flat[2] if len(flat) == 3 else False)
    if len(flat) == 1:
        text = _text(flat[0])
        known: dict[str, Callable[[], Scalar]] = {
            "UPPER": text.upper,
            "LOWER": text.lower,
            "TRIM": lambda: " ".join(text.split()),
            "LEN": lambda: len(text),
            "ISBLANK": lambda: flat[0] is None,
        }
        if name in known:
            return known[name]()
    raise _Unknown(name)


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
