"""A JSON text whose errors name lines.

The standard decoder parses it. A line is looked up only when an error names it: that reads the text again up to the
place, one value after the other.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from b2b_pipelines.errors import InvalidInput

Path = tuple[str | int, ...]
"""Keys of objects and places in lists that lead to a value."""

_value_at: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().raw_decode


def parse(content: str) -> Any:
    """Return the document. Raises `InvalidInput`, which names the offending line."""
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"line {error.lineno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise InvalidInput("this JSON is nested too deeply") from None


@dataclass(frozen=True, slots=True)
class Place:
    """A value in a JSON text, or a word after the beginning of that value. As text: `line 7: `."""

    content: str = ""
    path: Path | None = None
    word: str | None = None

    def __str__(self) -> str:
        """Return `line 7: `, or an empty text for a value that is not in a text."""
        if self.path is None or not self.content:
            return ""
        offset = _offset(self.content, self.path)
        if self.word is not None:
            offset = max(self.content.find(json.dumps(self.word), offset), offset)
        return f"line {self.content.count(chr(10), 0, offset) + 1}: "


def _offset(content: str, path: Path) -> int:
    """Return the offset of the value at a path of a valid JSON text."""
    offset = _after_blanks(content, 0)
    for step in path:
        inner = _after_blanks(content, offset + 1)
        offset = _of_key(content, inner, step) if isinstance(step, str) else _of_item(content, inner, step)
    return offset


def _of_item(content: str, offset: int, place: int) -> int:
    for _ in range(place):
        offset = _after_blanks(content, _after_blanks(content, _value_at(content, offset)[1]) + 1)
    return offset


def _of_key(content: str, offset: int, key: str) -> int:
    """Return the offset of the last value of this key, the one that the decoder keeps."""
    last = offset
    while True:
        found, end = _value_at(content, offset)
        offset = _after_blanks(content, _after_blanks(content, end) + 1)
        if found == key:
            last = offset
        offset = _after_blanks(content, _value_at(content, offset)[1])
        if content[offset] == "}":
            return last
        offset = _after_blanks(content, offset + 1)


def _after_blanks(content: str, offset: int) -> int:
    while content[offset] in " \t\n\r":
        offset += 1
    return offset
