"""Read a listing whose pages have no stable order, until it is complete.

A row can come twice, or slip from an unread page to a read one. A listing is complete when it has as many rows as it
counts; until then it is read again.
"""

from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from typing import Any

from b2b_pipelines.vendors.http.errors import AnswerMalformed


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A listing that stayed incomplete: the rows that it counts, those that came, and the readings."""

    counted: int
    collected: int
    readings: int


def read_until_complete(
    collected: Sized, read: Callable[[], int], *, quiet_readings: int, most_readings: int | None = None
) -> Shortfall | None:
    """Read a listing until `collected` has all of its rows. Return None then, else what is missing.

    `read` reads the listing once into `collected`, and returns its count. `quiet_readings` without a new row, one after
    the other, end the attempt, and so do `most_readings`.
    """
    counted = readings = quiet = 0
    while quiet < quiet_readings and readings != most_readings:
        known = len(collected)
        counted, readings = read(), readings + 1
        if len(collected) >= counted:
            return None
        quiet = 0 if len(collected) > known else quiet + 1
    return Shortfall(counted, len(collected), readings)


def page_of(answer: Any, vendor: str, path: str) -> Mapping[str, Any]:
    """Return an answer that is a page of a listing: `{count, next, results: […]}`. Raises `AnswerMalformed`."""
    if (
        isinstance(answer, Mapping)
        and isinstance(answer.get("results"), list)
        and isinstance(answer.get("count"), int)
        and "next" in answer
        and isinstance(answer["next"], str | None)
    ):
        return answer
    raise AnswerMalformed(f"{vendor} answered GET {path} with something that is not a page of a list")
