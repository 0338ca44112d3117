"""`/academy-products/`: the public list of academies, from memory.

Public, so it has a throttle for each client instead of a token, and every answer counts, refusals too. Its refusals of
parameters have the form that its readers know: `{"parameter": ["complaint"]}`.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from b2b_pipelines.academies.feed import Feed, FeedUnavailable
from b2b_pipelines.academies.listing import MOST_PER_PAGE, Answer, Filters, Listing, page
from b2b_pipelines.academies.throttle import Rate
from b2b_pipelines.api import client
from b2b_pipelines.api.errors import ProblemBody
from b2b_pipelines.api.fields import API
from b2b_pipelines.api.pagination import Page, Window

RETRY_SECONDS = 5
LIST, ONE = "/academy-products", "/academy-products/{key}"
"""Answered without their slash too: a redirect would be an answer that does not count."""
CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag, Retry-After, X-Request-ID"}
"""The list is public: pages of any site may fetch it. No answer depends on cookies."""
CACHING = "public, max-age=0, must-revalidate"


@asynccontextmanager
async def _fed(app: FastAPI) -> AsyncIterator[None]:
    settings = app.state.settings
    rate, thumbnails = Rate.parse(settings.academy_throttle), settings.academy_thumbnail_base_url
    feed = Feed(app.state.reserved.open, rate, thumbnails, app.state.lanes.throttle)
    app.state.academy_feed = feed
    await to_thread.run_sync(feed.start)
    yield
    await to_thread.run_sync(feed.stop)


class Direct(APIRoute):
    """A route whose endpoint reads the request itself: FastAPI documents it, and prepares nothing for it.

    Every request counts towards the client's rate, and every answer may be read by pages of other sites.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def served(request: Request) -> Response:
            response: Response
            try:
                response = await _throttled(request) or await self.endpoint(request)
            except FeedUnavailable:
                body = {"error_code": FeedUnavailable.code, "detail": "Retry later."}
                response = JSONResponse(body, 503, {"Retry-After": str(RETRY_SECONDS)})
            except _Complaint as complaint:
                response = JSONResponse({complaint.parameter: [str(complaint)]}, 400)
            response.headers.update(CORS)
            return response

        return served


router = APIRouter(prefix=API, tags=["academies"], lifespan=_fed, route_class=Direct)


class Recurring(BaseModel):
    interval: str = Field(description="`day`, `week`, `month` or `year`.")
    interval_count: int = Field(description="How many intervals between two payments.")
    usage_type: str = Field(description="Always `licensed`.")


class AcademyPrice(BaseModel):
    """A price as Stripe has it."""

    id: str
    product: str = Field(description="Stripe's id of the product.")
    lookup_key: str
    currency: str = Field(description="Three letters in lower case.")
    unit_amount: int | None = Field(description="In minor units; null for an amount finer than those.")
    unit_amount_decimal: str = Field(description="In major units, with the digits of the currency or more: `99.00`.")
    recurring: Recurring | None


class AcademyProduct(BaseModel):
    """An academy that can be bought. Texts are `""` when unknown."""

    id: str = Field(description="The first of stripe_product_id, product_key, slug and uuid that is not empty.")
    name: str
    long_name: str
    description: str
    marketing_url: str
    thumbnail_url: str
    tags: list[str]
    stripe_product_id: str
    catalog_query_id: int | None
    edx_catalog_id: int | None = Field(description="The same as catalog_query_id.")
    prices: list[AcademyPrice] = Field(max_length=1)
    slug: str
    uuid: UUID
    prices_as_of: str | None = Field(
        description="When Stripe last confirmed the price.", json_schema_extra={"format": "date-time"}
    )
    stale: bool = Field(description="Stripe could not confirm the price in the last 24 hours, or when last asked.")


def _parameter(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


# Parameters are read from the request itself: their complaints, and their throttle, are this endpoint's own.
_KEY = {"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}
_CONDITION = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The ETag of an earlier answer: 304 while nothing changed.",
}
_FILTERS = [
    _parameter("tag", {"type": "array", "items": {"type": "string"}}, "Repeatable; all must be there. Without case."),
    _parameter("product_key", {"type": "string"}, "The product with this key."),
    _parameter("academy_uuid", {"type": "string", "format": "uuid"}, "The academy with this uuid."),
    _parameter("page", {"type": "integer", "minimum": 1, "default": 1}, "From 1. A page after the last is empty."),
    _parameter(
        "page_size",
        {"type": "integer", "minimum": 1, "default": MOST_PER_PAGE},
        f"How many to a page; more than {MOST_PER_PAGE} is cut to {MOST_PER_PAGE}.",
    ),
]
_COMPLAINT = {
    "description": 'A parameter cannot be used: `{"parameter": ["complaint"]}`; or the address is not text.',
    "content": {
        "application/json": {
            "schema": {
                "anyOf": [
                    {
                        "type": "object",
                        "minProperties": 1,
                        "additionalProperties": {"type": "array", "items": {"type": "string"}},
                    },
                    {"$ref": f"#/components/schemas/{ProblemBody.__name__}"},
                ]
            }
        }
    },
}
_SECONDS = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
_TAGGED = {
    "ETag": {"schema": {"type": "string"}, "description": "Of the list without `prices_as_of`."},
    "Cache-Control": {"schema": {"type": "string"}},
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"headers": _TAGGED},
    304: {"description": "Nothing has changed.", "headers": _TAGGED},
    405: {"description": "A method other than GET and HEAD.", "model": ProblemBody},
    429: {"description": "Too many requests of this client.", "model": ProblemBody, "headers": _SECONDS},
    503: {"description": "The database does not answer.", "model": ProblemBody, "headers": _SECONDS},
}


@router.api_route(LIST, methods=["GET", "HEAD"], include_in_schema=False)
@router.head(f"{LIST}/", include_in_schema=False)
@router.get(
    f"{LIST}/",
    summary="The academies that can be bought",
    response_model=Page[AcademyProduct],
    responses={**_ANSWERS, 400: _COMPLAINT},
    openapi_extra={"parameters": [*_FILTERS, _CONDITION]},
)
async def list_academy_products(request: Request) -> Response:
    """In display order. Needs no token. Every answer counts towards the client's rate."""
    listing = _feed(request).listing()
    at_once = listing.whole if not request.scope["query_string"] else None
    return _answer(request, at_once or _page_asked_for(request, listing))


@router.api_route(ONE, methods=["GET", "HEAD"], include_in_schema=False)
@router.head(f"{ONE}/", include_in_schema=False)
@router.get(
    f"{ONE}/",
    summary="One of the academies",
    response_model=AcademyProduct,
    responses={**_ANSWERS, 404: {"description": "Not found, or not published.", "model": ProblemBody}},
    openapi_extra={"parameters": [_KEY, _CONDITION]},
)
async def get_academy_product(request: Request) -> Response:
    """By its uuid, slug, product_key or stripe_product_id, in this order of precedence."""
    found = _feed(request).listing().find(request.path_params["key"])
    return JSONResponse({"detail": "Not found."}, 404) if found is None else _answer(request, found)


async def method_not_allowed(request: Request) -> Response:
    allowed = {"Allow": "GET, HEAD, OPTIONS"}
    return JSONResponse({"detail": f'Method "{request.method}" not allowed.'}, 405, allowed)


async def preflight(request: Request) -> Response:
    """Answer the CORS preflight request that precedes a fetch by another site's page."""
    allowed = {
        "Access-Control-Allow-Methods": "GET, HEAD",
        "Access-Control-Allow-Headers": "If-None-Match",
        "Access-Control-Max-Age": "86400",
    }
    return Response(status_code=204, headers=allowed)


for path in (f"{LIST}/", f"{ONE}/", LIST, ONE):
    router.options(path, include_in_schema=False)(preflight)
    # An empty list of methods means every method, unknown ones included.
    router.api_route(path, methods=[], include_in_schema=False, operation_id="method_not_allowed")(method_not_allowed)


class _Complaint(Exception):
    """A parameter that cannot be used."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


def _feed(request: Request) -> Feed:
    feed: Feed = request.app.state.academy_feed
    return feed


async def _throttled(request: Request) -> Response | None:
    """Count the request. Return the answer for a client who sent too many. Raises `FeedUnavailable`."""
    address = client.address(request, request.app.state.settings.trusted_proxies)
    wait = await _feed(request).admit(client.network(address))
    if wait is None:
        return None
    detail = f"Request was throttled. Expected available in {wait} seconds."
    return JSONResponse({"detail": detail}, 429, {"Retry-After": str(wait)})


def _page_asked_for(request: Request, listing: Listing) -> Answer:
    asked = request.query_params
    if any(value.strip().lower() == "true" for value in asked.getlist("sync")):
        raise _Complaint("sync", "sync=true is not supported on this public endpoint.")
    filters = Filters(
        tags=frozenset(tag.strip().casefold() for tag in asked.getlist("tag") if tag.strip()),
        product_key=asked.get("product_key") or None,
        academy_uuid=_uuid(asked["academy_uuid"]) if "academy_uuid" in asked else None,
    )
    number = _positive("page", asked.get("page", "1"))
    size = min(_positive("page_size", asked.get("page_size", str(MOST_PER_PAGE))), MOST_PER_PAGE)
    items = listing.matching(filters)
    links = Window(request, number, size).envelope(len(items), ())
    return page(items, number, size, (links["next"], links["previous"]))


def _uuid(said: str) -> str:
    try:
        return str(UUID(said))
    except ValueError:
        raise _Complaint("academy_uuid", "Must be a valid UUID.") from None


def _positive(parameter: str, said: str) -> int:
    if not (said.isascii() and said.isdecimal() and len(said) < 1000 and int(said) > 0):
        raise _Complaint(parameter, "Must be a positive number.")
    return int(said)


def _answer(request: Request, answer: Answer) -> Response:
    headers = {"ETag": answer.etag, "Cache-Control": CACHING}
    if not {answer.etag, "*"}.isdisjoint(_known_tags(request)):
        return Response(status_code=304, headers=headers)
    return Response(answer.body, headers=headers, media_type="application/json")


def _known_tags(request: Request) -> set[str]:
    """The tags of `If-None-Match`, as weak ones: a comparison for GET does not tell weak from strong. `*` is any."""
    lines = request.headers.getlist("if-none-match")
    tags = {tag.strip().removeprefix("W/") for line in lines for tag in line.split(",")}
    return {tag if tag == "*" else f"W/{tag}" for tag in tags}
