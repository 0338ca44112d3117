"""Values as others give them: times with a zone, and texts that the database can hold."""

import re
from datetime import UTC, datetime

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
LONGEST_TEXT = 1500
"""Bytes of a text in an index, which takes at most 2,700 in a row; lower case may take half as much again."""


def utc(said: str) -> datetime:
    """The moment that an ISO 8601 text with a zone names, in UTC. Raises `ValueError`."""
    try:
        moment = datetime.fromisoformat(said.strip())
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("is not an ISO 8601 time with a zone, such as 2025-01-31T00:00:00Z")


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet take a text of a CSV file for a formula."""


def csv_cell(value: object) -> object:
    """Return a value for a cell of a CSV file; a text that a spreadsheet would run begins with an apostrophe.

    See https://owasp.org/www-community/attacks/CSV_Injection. Numbers stay as they are.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can keep that text: it refuses the character NUL and half characters (lone surrogates, which
    JSON's `\\ud800` and bytes of another encoding on the command line become)."""
    return UNSTORABLE.search(text) is None


def storable(text: str) -> str:
    """The text, when a column and its index can hold it. Raises `ValueError`, which repeats nothing of it."""
    if not is_storable(text):
        raise ValueError("holds a character that cannot be stored")
    if len(text.encode()) > LONGEST_TEXT:
        raise ValueError(f"is longer than {LONGEST_TEXT} bytes")
    return text
