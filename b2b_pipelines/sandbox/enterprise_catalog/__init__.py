"""A stand-in of enterprise-catalog: academies and catalogs of customers, in pages without a stable order."""

import copy
import random
from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from b2b_pipelines.sandbox.open_edx import Lms
from b2b_pipelines.sandbox.vendor import Vendor

MOST_PER_PAGE = 100


class EnterpriseCatalog(Vendor):
    """What `GET /api/v1/academies/` and `/api/v1/enterprise-catalogs/` answer, for each customer.

    Each page of academies is cut from an order of its own (`unstable`), as a database without `ORDER BY` may do. Rows
    are answered as they were put in, sound or not. Only bearers of an Open edX token are let in. `asked` holds the
    parameters of every request, in their order.
    """

    name = "enterprise_catalog"
    prefix = "/enterprise-catalog"

    def __init__(self, world: Any, lms: Lms) -> None:
        super().__init__(world)
        self._lms = lms
        self.clear()

    def clear(self) -> None:
        self.unstable = True
        self.academies: dict[str, list[Any]] = {}
        self.catalogs: dict[str, list[Any]] = {}
        self.asked: list[dict[str, str]] = []
        self._random = random.Random(20261121)

    def dump(self) -> Any:
        return {"unstable": self.unstable, "academies": self.academies, "catalogs": self.catalogs}

    def load(self, state: Any) -> None:
        self.unstable, self.academies, self.catalogs = state["unstable"], state["academies"], state["catalogs"]

    def put(self, customer: UUID | str, academies: Sequence[Any], catalogs: Sequence[Any] = ()) -> None:
        """Let these be the customer's academies and catalogs."""
        with self.world.lock:
            self.academies[str(customer)] = copy.deepcopy(list(academies))
            self.catalogs[str(customer)] = copy.deepcopy(list(catalogs))

    def owns(self, path: str) -> bool:
        return path.startswith(f"{self.prefix}/")

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/api/v1/academies/", self._list_academies, methods=["GET"]),
            Route("/api/v1/enterprise-catalogs/", self._list_catalogs, methods=["GET"]),
        ]

    async def _list_academies(self, request: Request) -> Response:
        with self.world.lock:
            rows = list(self.academies.get(request.query_params.get("enterprise_customer", ""), []))
            if self.unstable:
                self._random.shuffle(rows)
        return self._page(request, rows, in_detail=True)

    async def _list_catalogs(self, request: Request) -> Response:
        with self.world.lock:
            rows = list(self.catalogs.get(request.query_params.get("enterprise_customer", ""), []))
        return self._page(request, rows, in_detail=False)

    def _page(self, request: Request, rows: list[Any], *, in_detail: bool) -> Response:
        self.asked.append(dict(request.query_params))
        if not self._lms.knows(request):
            return JSONResponse({"detail": "Authentication credentials were not provided."}, 401)
        try:
            number = int(request.query_params.get("page", "1"))
            size = min(int(request.query_params.get("page_size", "10")), MOST_PER_PAGE)
        except ValueError:
            number = 0
            size = 1
        pages = max(-(-len(rows) // size), 1)
        if not 1 <= number <= pages:
            return JSONResponse({"detail": "Invalid page."}, 404)
        start = (number - 1) * size
        answer = {
            "next": str(request.url.include_query_params(page=number + 1)) if number < pages else None,
            "previous": str(request.url.include_query_params(page=number - 1)) if number > 1 else None,
            "count": len(rows),
            "results": rows[start : start + size],
        }
        if in_detail:
            answer |= {"num_pages": pages, "current_page": number, "start": start}
        return JSONResponse(answer)


def academy(title: str, **fields: Any) -> dict[str, Any]:
    """A row of `/academies/` as every deployment sends it; `fields` replace or add to it."""
    return {
        "uuid": str(uuid5(NAMESPACE_URL, f"academy:{title}")),
        "title": title,
        "short_description": f"{title} in short",
        "long_description": f"{title} at length",
        "image": f"/media/academies/{title.lower().replace(' ', '-')}.png",
        "tags": [{"id": 1, "title": title.split(maxsplit=1)[0], "description": f"About {title}"}],
        **fields,
    }


def catalog(title: str, customer: UUID | str, **fields: Any) -> dict[str, Any]:
    """A row of `/enterprise-catalogs/`; `fields` replace or add to it."""
    return {
        "uuid": str(uuid5(NAMESPACE_URL, f"catalog:{title}")),
        "title": title,
        "enterprise_customer": str(customer),
        "catalog_query_uuid": str(uuid5(NAMESPACE_URL, f"query:{title}")),
        **fields,
    }


__all__ = ["EnterpriseCatalog", "academy", "catalog"]
