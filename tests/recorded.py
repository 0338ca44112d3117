"""The recorded answers of the Open edX services, in `tests/recordings`: what the stand-ins and clients are held to."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

RECORDINGS = Path(__file__).parent / "recordings"


@dataclass(frozen=True)
class Recorded:
    """One exchange. `place` is its place in the file, for later ones see what earlier ones did."""

    file: str
    place: int
    name: str
    request: dict[str, Any]
    response: dict[str, Any]
    trimmed: bool

    @property
    def status(self) -> int:
        return int(self.response["status"])

    @property
    def body(self) -> Any:
        return self.response["body"]

    @property
    def headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.response["headers"].items()}

    @property
    def raw(self) -> str:
        """The body as it went over the wire."""
        is_json = self.headers.get("content-type") == "application/json" and self.body != ""
        return json.dumps(self.body) if is_json else str(self.body)


@cache
def exchanges(file: str) -> tuple[Recorded, ...]:
    recorded = json.loads((RECORDINGS / f"{file}.json").read_text("utf-8"))
    return tuple(
        Recorded(file, place, each["name"], each["request"], each["response"], bool(each.get("trimmed")))
        for place, each in enumerate(recorded["exchanges"])
    )


def named(file: str, name: str) -> Recorded:
    (found,) = [each for each in exchanges(file) if each.name == name]
    return found


def each_of(*files: str, left_out: dict[str, str] | None = None) -> list[Any]:
    """The exchanges as parameters; those that are left out are skipped, with the reason."""
    reasons = left_out or {}
    everything = [each for file in files for each in exchanges(file)]
    unknown = reasons.keys() - {each.name for each in everything}
    assert not unknown, f"left out, but not recorded: {sorted(unknown)}"
    return [
        pytest.param(
            each, id=each.name, marks=[pytest.mark.skip(reason=reasons[each.name])] if each.name in reasons else []
        )
        for each in everything
    ]
