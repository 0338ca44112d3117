"""Lists in pages: `{"count", "next", "previous", "results"}`, where next and previous are URLs or null.

The URLs begin with `B2B_PUBLIC_URL`; without it they are relative to the host.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field

from b2b_pipelines.api.hardening import link
from b2b_pipelines.reports.pages import Slice

DEFAULT_SIZE = 100
MAXIMUM = 1000
_FARTHEST = 2**62

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """A page of a list."""

    count: int = Field(description="Number of items on all pages.")
    next: str | None = Field(None, description="URL of the next page.")
    previous: str | None = Field(None, description="URL of the page before.")
    results: list[T]


@dataclass(frozen=True, slots=True)
class Window:
    """Which page was asked for. `limit` and `offset` are for the query; a page behind the last one is empty."""

    request: Request
    page: int
    size: int

    @property
    def limit(self) -> int:
        return self.size

    @property
    def offset(self) -> int:
        return min((self.page - 1) * self.size, _FARTHEST)

    @property
    def rows(self) -> Slice:
        return Slice(self.limit, self.offset)

    def envelope(self, count: int, results: Sequence[Any]) -> dict[str, Any]:
        """The page as its body, given how many there are in all."""
        last = max(-(-count // self.size), 1)
        return {
            "count": count,
            "next": self._url(self.page + 1) if self.page < last else None,
            "previous": self._url(min(self.page - 1, last)) if self.page > 1 else None,
            "results": results,
        }

    def json(self, count: int, results: str) -> Response:
        """Return the page as an answer, given the JSON array of its results."""
        head = json.dumps(self.envelope(count, ()) | {"results": None}, ensure_ascii=False)
        return Response(f"{head.removesuffix('null}')}{results}}}", media_type="application/json")

    def _url(self, page: int) -> str:
        url = self.request.url.include_query_params(page=page)
        return link(self.request.app.state.settings.public_url, url.path, url.query)


def window(maximum: int = MAXIMUM, default: int = DEFAULT_SIZE) -> Callable[..., Awaitable[Window]]:
    """A dependency: the page that `page` and `page_size` ask for; a size above the maximum is cut to it."""
    said = f"How many to a page; more than {maximum} is cut to {maximum}."

    async def asked(
        request: Request,
        page: Annotated[int, Query(ge=1, description="From 1. A page after the last is empty.")] = 1,
        page_size: Annotated[int, Query(ge=1, description=said)] = default,
    ) -> Window:
        return Window(request, page, min(page_size, maximum))

    return asked


Paging = Annotated[Window, Depends(window())]
