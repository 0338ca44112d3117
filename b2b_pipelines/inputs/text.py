"""Texts that PostgreSQL can store, and slugs made of texts."""

import re
import unicodedata

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
LONGEST_TEXT = 1500
"""Bytes of a text in an index. A row of an index takes at most 2,700, and lower case may add half as much again."""


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


def as_slug(text: str, longest: int) -> str:
    """Return lower-case ASCII letters (accents folded) and digits of a text, with hyphens between them.

    The slug has at most `longest` characters; it is `""` when nothing is left.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:longest].strip("-")


def containing(value: str | None) -> str | None:
    """Return the LIKE pattern (escape character `\\`) for texts that contain this value. None for None and blanks."""
    wanted = (value or "").strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{wanted}%" if wanted else None
