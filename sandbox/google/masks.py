"""Field masks: which parts of an answer the client asked for.

`sheets(properties.title,data/rowData)` becomes `{"sheets": {"properties": {"title": {}}, "data": {"rowData": {}}}}`;
an empty mask means everything below.
"""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from googleapiclient import discovery_cache

Mask = dict[str, Any]

_TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*|[*(),./])")


class BadMask(ValueError):
    """A field mask that cannot be read, or names what does not exist; the argument is the field."""


def parse(text: str) -> Mask:
    """The mask as a tree. Raises `BadMask`."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s", "", text):
        raise BadMask(text)
    mask, rest = _several(tokens)
    if rest:
        raise BadMask(text)
    return mask


def _several(tokens: list[str]) -> tuple[Mask, list[str]]:
    mask: Mask = {}
    while True:
        tokens = _one(tokens, mask)
        if not tokens or tokens[0] != ",":
            return mask, tokens
        tokens = tokens[1:]


def _one(tokens: list[str], into: Mask) -> list[str]:
    if not tokens or tokens[0] in "(),./":
        raise BadMask(tokens[0] if tokens else "")
    name, rest = tokens[0], tokens[1:]
    known = name in into
    below: Mask = into.setdefault(name, {})
    if rest and rest[0] in "./":
        if known and not below:
            return _one(rest[1:], {})
        return _one(rest[1:], below)
    if rest and rest[0] == "(":
        inner, rest = _several(rest[1:])
        if not rest or rest[0] != ")":
            raise BadMask(name)
        _merge(below, inner)
        return rest[1:]
    below.clear()
    return rest


def _merge(into: Mask, other: Mask) -> None:
    for name, below in other.items():
        if name in into:
            _merge(into[name], below)
        else:
            into[name] = below


class Prepared:
    """JSON text that stands in an answer as it is, made to the mask already: the many cells of a grid."""

    def __init__(self, text: str) -> None:
        self.text = text


def pick(answer: Any, mask: Mask) -> Any:
    """The parts of an answer that the mask names."""
    if not mask or "*" in mask or isinstance(answer, Prepared):
        return answer
    if isinstance(answer, list):
        return [pick(item, mask) for item in answer]
    if not isinstance(answer, dict):
        return answer
    return {name: pick(answer[name], below) for name, below in mask.items() if name in answer}


def as_json(answer: Any, *, pretty: bool) -> str:
    """The answer as JSON text, indented as Google does unless `prettyPrint=false` asks it not to.

    Source: https://cloud.google.com/apis/docs/system-parameters (`$prettyPrint`, by default true); every body in
    gspread's cassettes is indented by two blanks.
    """
    prepared: list[str] = []

    def stand_in(value: Any) -> str:
        if not isinstance(value, Prepared):
            raise TypeError(type(value).__name__)
        prepared.append(value.text)
        return "\0prepared\0"

    text = json.dumps(
        answer,
        ensure_ascii=False,
        indent=2 if pretty else None,
        separators=None if pretty else (",", ":"),
        default=stand_in,
    )
    if prepared:
        head, *tails = text.split('"\\u0000prepared\\u0000"')
        text = "".join([head, *(part for pair in zip(prepared, tails, strict=True) for part in pair)])
    return text + "\n" if pretty else text


def below(mask: Mask | None, *path: str) -> Mask | None:
    """The part of a mask at a path; None when the mask leaves it out. No mask, or `*`, names everything."""
    if mask is None:
        return {}
    for name in path:
        if not mask or "*" in mask:
            return {}
        if name not in mask:
            return None
        mask = mask[name]
    return mask


@cache
def schemas() -> dict[str, Any]:
    """Google's own description of the API: the discovery document that the installed google-api-python-client carries."""
    path = Path(discovery_cache.__file__).parent / "documents" / "sheets.v4.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))["schemas"]
    return found


def check_mask(mask: Mask, schema: str) -> None:
    """Raise `BadMask` if the mask names a field that Google's answer does not have."""
    properties = schemas()[schema].get("properties", {})
    for name, below in mask.items():
        if name == "*":
            continue
        if name not in properties:
            raise BadMask(name)
        described = properties[name].get("items", properties[name])
        if below and "$ref" in described:
            check_mask(below, described["$ref"])
        elif below:
            raise BadMask(next(iter(below)))


_TYPES: dict[str, type | tuple[type, ...]] = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "string": str,
}


def complaint(body: Any, schema: str, path: str = "", *, skip: frozenset[str] = frozenset()) -> str | None:
    """Return Google's complaint about a body (unknown name, value of the wrong type), or None.

    Fields in `skip` are not looked into.
    """
    if not isinstance(body, dict):
        return f"Invalid value at '{path or 'request'}' ({schema}), {body!r}"
    properties = schemas()[schema].get("properties", {})
    for name, value in body.items():
        if name not in properties:
            where = f" at '{path}'" if path else ""
            return f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
        if name in skip:
            continue
        described = properties[name]
        inside = f"{path}.{name}" if path else name
        if "$ref" in described:
            found = complaint(value, described["$ref"], inside, skip=skip)
        else:
            found = _wrong_value(value, described, inside, skip)
        if found:
            return found
    return None


def _wrong_value(value: Any, described: dict[str, Any], path: str, skip: frozenset[str]) -> str | None:
    kind = described.get("type")
    expected = _TYPES.get(str(kind))
    if expected and (not isinstance(value, expected) or (isinstance(value, bool) and kind in ("integer", "number"))):
        return f"Invalid value at '{path}' (TYPE_{str(kind).upper()}), {value!r}"
    if "enum" in described and value not in described["enum"]:
        return f"Invalid value at '{path}', {value!r}"
    reference = described.get("items", {}).get("$ref")
    for place, item in enumerate(value if reference else ()):
        found = complaint(item, reference, f"{path}[{place}]", skip=skip)
        if found:
            return found
    return None
