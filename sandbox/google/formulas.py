"""The formulas that customers put beside our columns: read once, computed from the values of other cells.

The functions are in `functions.py`. A formula that this stand-in cannot read has the value `""`; a circular one and one
whose result does not fit have the value `#REF!`, as in Google Sheets.
Source: https://support.google.com/docs/table/25273 (function list).
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol

from sandbox.google.a1 import Box, Unparsable, parse_cell, parse_cells
from sandbox.google.cells import ErrorValue, Matrix, Scalar, Value, number
from sandbox.google.functions import (
    FUNCTIONS,
    LAZY,
    SHOWS_NOTHING,
    Unknown,
    as_number,
    as_text,
    compare,
    elementwise,
)

SPILLS = re.compile(r"ARRAYFORMULA|UNIQUE|FILTER|SEQUENCE|TRANSPOSE|SORT|SPLIT|FLATTEN|\{", re.IGNORECASE)
"""Formulas whose result may fill more cells than their own."""

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"]|"")*")
    | (?P<error>\#REF!|\#N/A)
    | (?P<range>\$?[A-Za-z]{1,3}\$?[0-9]+:\$?[A-Za-z]{1,3}(?:\$?[0-9]+)?|\$?[A-Za-z]{1,3}:\$?[A-Za-z]{1,3}
        |\$?[0-9]+:\$?[0-9]+)
    | (?P<cell>\$?[A-Za-z]{1,3}\$?[0-9]+)(?![A-Za-z0-9_(])
    | (?P<number>\d+\.?\d*|\.\d+)
    | (?P<name>[A-Za-z_.][A-Za-z0-9_.]*)
    | (?P<sign><=|>=|<>|[-+*/^&=<>(),;{}%])
    )""",
    re.VERBOSE,
)
_COMPARISONS = ("=", "<>", "<", ">", "<=", ">=")
_OPERATORS: dict[str, Callable[..., Scalar]] = {
    "+": lambda a, b: number(as_number(a) + as_number(b)),
    "-": lambda a, b: number(as_number(a) - as_number(b)),
    "*": lambda a, b: number(as_number(a) * as_number(b)),
    "^": lambda a, b: number(as_number(a) ** as_number(b)),
    "/": lambda a, b: number(as_number(a) / as_number(b)) if as_number(b) else ErrorValue("#DIV/0!"),
    "&": lambda a, b: as_text(a) + as_text(b),
    **{sign: partial(compare, sign) for sign in _COMPARISONS},
}
_LEVELS = (_COMPARISONS, ("&",), ("+", "-"), ("*", "/"), ("^",))


class Sheet(Protocol):
    """The cells that a formula looks at, zero-based."""

    @property
    def box(self) -> Box: ...

    def value_at(self, row: int, column: int) -> Scalar | None: ...

    def block(self, box: Box) -> Matrix: ...


class Node(NamedTuple):
    """A part of a formula: its kind, its own datum, and the parts below it."""

    kind: str
    datum: Any = None
    below: tuple["Node", ...] = ()


def evaluate(formula: str, sheet: Sheet, at: tuple[int, int] | None = None) -> Value:
    """Return what a formula comes out as: a value, a matrix of values, or None for an image or a sparkline.

    `at` is the formula's own cell, for `ROW()` and for ranges in the place of one cell.
    """
    try:
        node = _read(formula[1:])
        value = _Evaluation(sheet, at).value(node)
    except (Unknown, Unparsable, TypeError):
        return ""
    if node.kind == "range":
        value = _intersected(value, node, sheet, at)
    return "" if value is None and node.datum not in SHOWS_NOTHING else value


def _intersected(value: Value, node: Node, sheet: Sheet, at: tuple[int, int] | None) -> Value:
    """The cell of a bare range that is in the formula's own row: a range alone does not spill."""
    if at is None or not isinstance(value, list):
        return value
    box: Box = node.datum.box(sheet.box.bottom, sheet.box.right)
    if box.right - box.left == 1 and box.top <= at[0] < box.bottom:
        return value[at[0] - box.top][0]
    return ErrorValue("#VALUE!")


class _Evaluation:
    """One evaluation; `spreads` inside of a function that works through ranges cell by cell."""

    def __init__(self, sheet: Sheet, at: tuple[int, int] | None) -> None:
        self.sheet, self.at, self.spreads = sheet, at, False

    def value(self, node: Node) -> Value:
        if node.kind == "constant":
            constant: Value = node.datum
            return constant
        if node.kind == "cell":
            return self.sheet.value_at(*node.datum)
        if node.kind == "range":
            box = node.datum.box(self.sheet.box.bottom, self.sheet.box.right)
            return self.sheet.block(box.clipped(self.sheet.box.bottom, self.sheet.box.right))
        if node.kind == "rows":
            return [[self.single(cell) for cell in row.below] for row in node.below]
        if node.kind == "operator":
            return elementwise(_OPERATORS[node.datum], *(self.operand(part) for part in node.below))
        return self.call(node.datum, node.below)

    def operand(self, node: Node) -> Value:
        value = self.value(node)
        return value if self.spreads or not isinstance(value, list) else _intersected(value, node, self.sheet, self.at)

    def single(self, node: Node) -> Scalar | None:
        value = self.value(node)
        return value[0][0] if isinstance(value, list) else value

    def call(self, name: str, arguments: Sequence[Node]) -> Value:
        if name in SHOWS_NOTHING:
            return None
        if name == "ARRAYFORMULA" and len(arguments) == 1:
            self.spreads = True
            return self.value(arguments[0])
        if name in ("ROW", "COLUMN"):
            return self.place(name, arguments)
        if name in LAZY:
            return LAZY[name]([lambda part=part: self.operand(part) for part in arguments])  # type: ignore[misc]
        if name not in FUNCTIONS:
            raise Unknown(name)
        function = FUNCTIONS[name]
        if name in ("FILTER", "SORT"):
            self.spreads = True
        values = [self.value(part) for part in arguments]
        if function.whole:
            return function.compute(*values)
        return elementwise(function.compute, *(self.operand(part) for part in arguments))

    def place(self, name: str, arguments: Sequence[Node]) -> Value:
        axis = 0 if name == "ROW" else 1
        if not arguments:
            if self.at is None:
                raise Unknown(name)
            return self.at[axis] + 1
        node = arguments[0]
        if node.kind == "cell":
            return int(node.datum[axis]) + 1
        if node.kind == "range" and self.spreads and axis == 0:
            box = node.datum.box(self.sheet.box.bottom, self.sheet.box.right)
            return [[row + 1] for row in range(box.top, box.bottom)]
        raise Unknown(name)


@lru_cache(maxsize=20_000)
def _read(text: str) -> Node:
    tokens: list[tuple[str, str]] = []
    position, text = 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise Unknown(text)
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    reader = _Reader(tokens)
    node = reader.binary()
    if reader.at < len(tokens):
        raise Unknown(text)
    return node


class _Reader:
    """Reads the tokens of one formula from left to right."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens, self.at = tokens, 0

    def sign(self, *signs: str) -> str | None:
        if self.at < len(self.tokens):
            kind, text = self.tokens[self.at]
            if kind == "sign" and text in signs:
                self.at += 1
                return text
        return None

    def expect(self, sign: str) -> None:
        if self.sign(sign) is None:
            raise Unknown(sign)

    def binary(self, level: int = 0) -> Node:
        if level == len(_LEVELS):
            return self.unary()
        left = self.binary(level + 1)
        while sign := self.sign(*_LEVELS[level]):
            left = Node("operator", sign, (left, self.binary(level + 1)))
        return left

    def unary(self) -> Node:
        if sign := self.sign("-", "+"):
            return Node("operator", sign, (Node("constant", 0), self.unary()))
        node = self.single()
        while self.sign("%"):
            node = Node("operator", "/", (node, Node("constant", 100)))
        return node

    def single(self) -> Node:
        if self.sign("("):
            node = self.binary()
            self.expect(")")
            return node
        if self.sign("{"):
            return self.rows()
        if self.at >= len(self.tokens):
            raise Unknown("end")
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "text":
            return Node("constant", text[1:-1].replace('""', '"'))
        if kind == "number":
            return Node("constant", number(float(text)))
        if kind == "error":
            return Node("constant", ErrorValue(text))
        if kind == "cell":
            return Node("cell", parse_cell(text))
        if kind == "range":
            return Node("range", parse_cells(text))
        if kind == "name":
            return self.named(text.upper())
        raise Unknown(text)

    def named(self, name: str) -> Node:
        if self.sign("(") is None:
            if name in ("TRUE", "FALSE"):
                return Node("constant", name == "TRUE")
            raise Unknown(name)
        arguments: list[Node] = []
        while self.sign(")") is None:
            if arguments:
                self.expect(",")
            blank = self.at < len(self.tokens) and self.tokens[self.at] == ("sign", ",")
            arguments.append(Node("constant") if blank else self.binary())
        if name in ("TRUE", "FALSE"):
            return Node("constant", name == "TRUE")
        return Node("call", name, tuple(arguments))

    def rows(self) -> Node:
        rows, cells = [], [self.binary()]
        while sign := self.sign(",", ";"):
            if sign == ";":
                rows.append(Node("row", None, tuple(cells)))
                cells = []
            cells.append(self.binary())
        self.expect("}")
        rows.append(Node("row", None, tuple(cells)))
        return Node("rows", None, tuple(rows))
