"""Values as others give them: times with a zone, and texts that the database can hold."""

from datetime import UTC, datetime

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


def storable(text: str) -> str:
    """The text, when a column and its index can hold it. Raises `ValueError`, which repeats nothing of it."""
    if not text.isprintable() and any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds a character that cannot be stored")
    if len(text.encode()) > LONGEST_TEXT:
        raise ValueError(f"is longer than {LONGEST_TEXT} bytes")
    return text
