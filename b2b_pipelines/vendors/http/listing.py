"""Read a listing page by page, and again until it is complete when its pages have no stable order.

A row can come twice, or slip from an unread page to a read one. A listing is complete when it has as many rows as it
counts; until then it is read again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from b2b_pipelines.vendors.http.client import HttpClient
from b2b_pipelines.vendors.http.errors import AnswerMalformed, ListUnsettled, VendorRefused


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


def pages(
    http: HttpClient, path: str, params: Mapping[str, object], *, private: Iterable[str] = ()
) -> Iterator[Mapping[str, Any]]:
    """Yield the pages of a listing, as Django REST writes them: `{count, next, results: […]}`.

    The address in `next` is not used, because only the vendor may be asked. Raises `ListUnsettled` when a later page
    has disappeared, and `AnswerMalformed` for an answer that is not a page, or when there are more pages than rows.
    `private` as of `HttpClient.request`.
    """
    for number in count(1):
        try:
            page = http.json("GET", path, params={**params, "page": number}, private=private)
        except VendorRefused as error:
            if error.status == httpx.codes.NOT_FOUND and number > 1:
                raise ListUnsettled(f"{http.vendor} lost page {number} of {path} while it was read") from None
            raise
        if not _is_page(page):
            raise AnswerMalformed(f"{http.vendor} answered GET {path} with something that is not a page of a list")
        yield page
        if not page["next"]:
            return
        if number >= page["count"]:
            raise AnswerMalformed(f"{http.vendor} has more pages of {path} than rows")


def _is_page(answer: Any) -> bool:
    return (
        isinstance(answer, Mapping)
        and isinstance(answer.get("results"), list)
        and isinstance(answer.get("count"), int)
        and "next" in answer
        and isinstance(answer["next"], str | None)
    )
