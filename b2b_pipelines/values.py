"""Values from outside: times with a zone, and texts that the database can store."""

import re
from datetime import UTC, datetime

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
LONGEST_TEXT = 1500
"""Bytes of a text in an index. A row of an index takes at most 2,700, and lower case may add half as much again."""


def utc(value: str) -> datetime:
    """Return the time of an ISO 8601 text with a zone, in UTC. Raises `ValueError`."""
    try:
        moment = datetime.fromisoformat(value.strip())
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("is not an ISO 8601 time with a zone, such as 2025-01-31T00:00:00Z")


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters with which a spreadsheet reads a CSV text as a formula."""


def csv_cell(value: object) -> object:
    """Return a value for a cell of a CSV file.

    An apostrophe precedes text that a spreadsheet would execute.

    See https://owasp.org/www-community/attacks/CSV_Injection. Numbers stay unchanged.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def is_storable(text: str) -> bool:
    """Return whether PostgreSQL can store that text.

    It refuses the character NUL and lone surrogates, which come from JSON's `\\ud800` and from bytes of another
    encoding on the command line.
    """
    return UNSTORABLE.search(text) is None


def storable(text: str) -> str:
    """Return the text if a column and its index can hold it.

    Raises `ValueError`, which does not quote it.
    """
    if not is_storable(text):
        raise ValueError("holds a character that cannot be stored")
    if len(text.encode()) > LONGEST_TEXT:
        raise ValueError(f"is longer than {LONGEST_TEXT} bytes")
    return text


def containing(value: str) -> str:
    """Return the LIKE pattern (escape character `\\`) for texts that contain this value."""
    return "%" + value.strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
