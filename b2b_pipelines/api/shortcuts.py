"""Shortcuts of busy routes: one prepared statement checks the token and reads the answer.

FastAPI's dependencies and validation take longer than the statement. So a shortcut answers a plainly written request,
and only with success. Any other request (an unusual spelling, every refusal) takes the ordinary way of its route, which
decides as if there were no shortcut.
"""

import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from anyio import to_thread
from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import Row

from b2b_pipelines.api.database import turn_to_read
from b2b_pipelines.api.pagination import DEFAULT_SIZE, MAXIMUM, Window
from b2b_pipelines.db.prepared import Prepared
from b2b_pipelines.tokens import service as tokens
from b2b_pipelines.tokens.rules import Scope

Shortcut = Callable[[Request], Awaitable[Response | None]]
"""Answers a request, or returns None when the ordinary way decides."""
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

CALLER_TYPES = {"text_hash": "text", "scope": "text"}
"""The parameters of `tokens.CALLER`, for the statement of a shortcut."""
_BEARER = re.compile(r"Bearer (\S+)")
_SLUG = re.compile(r"[a-z0-9-]{1,255}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


class Quick(APIRoute):
    """A route that tries the shortcut of its endpoint first."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        ordinary = super().get_route_handler()
        shortcut: Shortcut | None = getattr(self.endpoint, "shortcut", None)
        if shortcut is None:
            return ordinary

        async def served(request: Request) -> Response:
            answer = await shortcut(request)
            return await ordinary(request) if answer is None else answer

        return served


def with_shortcut(shortcut: Shortcut) -> Callable[[Endpoint], Endpoint]:
    """Give an endpoint of a `Quick` router its shortcut."""

    def given(endpoint: Endpoint) -> Endpoint:
        endpoint.shortcut = shortcut  # type: ignore[attr-defined]
        return endpoint

    return given


async def look_up(request: Request, statement: Prepared, scope: Scope, **given: Any) -> Row[*tuple[Any, ...]] | None:
    """Return the row for a caller who has that scope; None for any other caller, and when there is no row.

    The statement selects its caller by `tokens.CALLER`. Raises `Busy`.
    """
    bearer = _BEARER.fullmatch(request.headers.get("authorization", ""))
    if bearer is None:
        return None
    parameters = {"text_hash": tokens.hash_of(bearer[1]), "scope": scope.value, **given}
    async with turn_to_read(request) as database:
        return await to_thread.run_sync(database.first, statement, parameters)


def plain_slug(request: Request) -> str | None:
    """Return the slug in the path, if it is written plainly."""
    slug: str = request.path_params["slug"]
    return slug if _SLUG.fullmatch(slug) else None


def plain_window(request: Request) -> Window | None:
    """Return the page that the query asks for, if it has nothing but plain numbers for `page` and `page_size`."""
    asked = request.query_params.multi_items()
    numbers = dict(asked)
    if len(numbers) != len(asked) or not numbers.keys() <= {"page", "page_size"}:
        return None
    if not all(_NUMBER.fullmatch(number) for number in numbers.values()):
        return None
    return Window(request, int(numbers.get("page", 1)), min(int(numbers.get("page_size", DEFAULT_SIZE)), MAXIMUM))
