"""A stand-in of enterprise-catalog: academies and catalogs of customers, in pages without a stable order.

Its answers are those recorded in `tests/recordings/enterprise-catalog.json`; comments name the exchange that a
behaviour comes from.
"""

import copy
import random
from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.asked import Body, body_of, refusing
from sandbox.open_edx import Lms
from sandbox.open_edx.callers import ADMIN_ROLE, CATALOG_ADMIN_ROLE, OPERATOR_ROLE, PROVISIONING_ROLE
from sandbox.open_edx.rest import Page, broken, forbidden, route, uuid_of
from sandbox.vendor import Vendor

PAGE_SIZE = 10
MOST_PER_PAGE = 100
CATALOG_ROLES = (OPERATOR_ROLE, CATALOG_ADMIN_ROLE, PROVISIONING_ROLE, ADMIN_ROLE)
API = "/sandbox/api/enterprise-catalog"


class RowsBody(Body):
    """A customer's academies and catalogs, as they are to be answered; what is left out stays."""

    academies: list[dict[str, Any]] | None = None
    catalogs: list[dict[str, Any]] | None = None


class EnterpriseCatalog(Vendor):
    """The answers of `GET /api/v1/academies/` and `/api/v1/enterprise-catalogs/`, for each customer.

    Each page of academies is cut from an order of its own (`unstable`), as a database without `ORDER BY` may do. Rows
    are answered as they were put in, sound or not. `asked` holds the parameters of every request, in their order.
    Every user may read academies; catalogs take a role.
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

    def routes(self) -> Sequence[BaseRoute]:
        return [
            route("/api/v1/academies/", get=self._list_academies),
            route("/api/v1/enterprise-catalogs/", get=self._list_catalogs),
        ]

    def admin_routes(self) -> Sequence[BaseRoute]:
        """`GET, PUT /sandbox/api/enterprise-catalog/{customer}`: a customer's academies and catalogs."""
        return [Route(API + "/{customer}", refusing(self._door), methods=["GET", "PUT"])]

    async def _door(self, request: Request) -> Response:
        customer = request.path_params["customer"]
        with self.world.lock:
            academies, catalogs = self.academies.get(customer, []), self.catalogs.get(customer, [])
        if request.method == "PUT":
            body = await body_of(request, RowsBody)
            academies = academies if body.academies is None else body.academies
            catalogs = catalogs if body.catalogs is None else body.catalogs
            self.put(customer, academies, catalogs)
        return JSONResponse({"academies": academies, "catalogs": catalogs})

    async def _list_academies(self, request: Request) -> Response:
        self.asked.append(dict(request.query_params))
        self._lms.accounts.caller(request)  # any signed-in user: academies-no-role
        customer = _customer(request)
        with self.world.lock:
            # Without enterprise_customer an EMPTY 200: academies-without-customer.
            rows = list(self.academies.get(customer or "", []))
            if self.unstable:
                self._random.shuffle(rows)
        page = Page(request, len(rows), size=PAGE_SIZE, most=MOST_PER_PAGE)
        return JSONResponse(page.in_detail(rows[page.start : page.end]))

    async def _list_catalogs(self, request: Request) -> Response:
        self.asked.append(dict(request.query_params))
        caller = self._lms.accounts.caller(request)
        if not caller.is_staff and not caller.holds(*CATALOG_ROLES):
            raise forbidden()
        customer = _customer(request)
        with self.world.lock:
            rows = [
                row
                for each, catalogs in self.catalogs.items()
                # Staff without a role, and another customer's admin, get an EMPTY 200.
                if customer in (None, each) and caller.reaches(each, *CATALOG_ROLES)
                for row in catalogs
            ]
        page = Page(request, len(rows), size=PAGE_SIZE, most=MOST_PER_PAGE)
        return JSONResponse(page.envelope(rows[page.start : page.end]))


def _customer(request: Request) -> str | None:
    customer = request.query_params.get("enterprise_customer")
    if customer and uuid_of(customer) is None:  # academies-bad-uuid, catalogs-bad-uuid
        raise broken()
    return customer or None


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
    """A row of `/enterprise-catalogs/` as today's servers send it; `fields` replace or add to it."""
    return {
        "uuid": str(uuid5(NAMESPACE_URL, f"catalog:{title}")),
        "title": title,
        "enterprise_customer": str(customer),
        "catalog_query_uuid": None,
        "content_last_modified": None,
        "catalog_modified": "2026-11-28T08:14:38.931555Z",
        "query_title": None,
        **fields,
    }


__all__ = ["EnterpriseCatalog", "academy", "catalog"]
