"""The possible contents of a cell, and how Google parses typed text.

An empty cell is `None`. Text is `str`, whatever it looks like; a formula is a `Formula`, never a text with `=`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Number = int | float
Scalar = str | bool | int | float

EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - a spreadsheet's day 0 is in no zone
CELL_CHARACTERS = 50_000

_PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)")
_GROUPED = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?")
_SCIENTIFIC = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d{1,3}")
_ISO_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: (\d{1,2}):(\d{2})(?::(\d{2}))?)?")


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula, and its value if that was given with it; else it is computed when it is read."""

    text: str
    value: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Formatted:
    """A number that is shown as something else: a date, a percentage, an amount of money."""

    value: Number
    shown: str
    is_date: bool = False


@dataclass(frozen=True, slots=True)
class Spilled:
    """A value that an array formula in another cell shows here: nothing was entered, and `userEnteredValue` is missing.

    Source: https://support.google.com/docs/answer/6208276 (array results, "Array result was not expanded").
    """

    value: Scalar


class ErrorValue(str):
    """The value of a formula that failed, such as `#DIV/0!`."""

    __slots__ = ()


Cell = str | bool | int | float | Formula | Formatted | Spilled
Matrix = list[list[Scalar | None]]
Value = Scalar | Matrix | None
"""The result of a formula."""


def number(value: float) -> Number:
    """A double as Google writes it: whole numbers without a fraction."""
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value


def shown_number(value: Number) -> str:
    return str(value) if isinstance(value, int) else format(value, ".15g")


def raw(value: object) -> Cell | None:
    """A value written with `RAW`: text as text. The empty text empties the cell."""
    if value == "" and isinstance(value, str):
        return None
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return number(value)
    raise TypeError(type(value).__name__)


def user_entered(value: object) -> Cell | None:
    """A value written with `USER_ENTERED`: text as if it were typed."""
    return typed(value) if isinstance(value, str) else raw(value)


def typed(text: str) -> Cell | None:
    """Return the content of a cell after a person typed this into it, in Google's locale en_US."""
    if text.startswith("'"):
        return text[1:] or None
    if text.startswith("=") and len(text) > 1:
        return Formula(text)
    stripped = text.strip()
    if stripped.upper() in ("TRUE", "FALSE"):
        return stripped.upper() == "TRUE"
    if stripped and stripped[0] in "+-.$0123456789":
        found = _number(stripped)
        found = _date(stripped) if found is None else found
        if found is not None:
            return found
    return text or None


def _number(text: str) -> Number | Formatted | None:
    if _PLAIN.fullmatch(text):
        return number(float(text))
    if _GROUPED.fullmatch(text):
        return Formatted(number(float(text.replace(",", ""))), text.lstrip("+"))
    if _SCIENTIFIC.fullmatch(text):
        value = float(text)
        return Formatted(number(value), f"{value:.2E}")
    if text.endswith("%") and _PLAIN.fullmatch(text[:-1]):
        return Formatted(number(float(text[:-1]) / 100), text.lstrip("+"))
    if text.startswith("$") and (_PLAIN.fullmatch(text[1:]) or _GROUPED.fullmatch(text[1:])):
        return Formatted(number(float(text[1:].replace(",", ""))), text)
    return None


def _date(text: str) -> Formatted | None:
    if match := _ISO_DATE.fullmatch(text):
        year, month, day = match[1], match[2], match[3]
    elif match := _US_DATE.fullmatch(text):
        month, day, year = match[1], match[2], match[3]
    else:
        return None
    hour, minute, second = (int(part or 0) for part in match.groups()[3:])
    try:
        moment = datetime(int(year), int(month), int(day), hour, minute, second)  # noqa: DTZ001 - as above
    except ValueError:
        return None
    since = moment - EPOCH
    return Formatted(number(since.days + since.seconds / 86400), text, is_date=True)


def as_json(cell: Cell | None) -> Any:
    """A cell for a state file: text, numbers and booleans as themselves."""
    if isinstance(cell, Formula):
        return {"formula": cell.text} if cell.value is None else {"formula": cell.text, "value": cell.value}
    if isinstance(cell, Formatted):
        return {"number": cell.value, "shown": cell.shown, "date": cell.is_date}
    return cell


def from_json(value: Any) -> Cell | None:
    """The cell that `as_json` wrote."""
    if isinstance(value, dict):
        if "formula" in value:
            return Formula(value["formula"], value.get("value"))
        return Formatted(value["number"], value["shown"], bool(value.get("date")))
    return raw(value) if value is not None else None
