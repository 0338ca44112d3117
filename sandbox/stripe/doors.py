"""The admin API's doors to Stripe, below `/sandbox/api/stripe`.

| | |
|---|---|
| `GET, POST /prices` | the prices; `{"lookup_key", "unit_amount", "currency"?, "product"?}` makes one |
| `PUT /prices/{id}` | `{"unit_amount"?, "active"?, "lookup_key"?}` changes one |
| `GET, POST /sessions` | the checkout sessions; `{"client_reference_id"?, "amount_total"?, "currency"?, …}` opens one |
| `POST /sessions/{id}/{act}` | an act of `sessions.ACTS`: posts its signed event to the product, returns its answer |
| `GET, PUT /webhook` | `{"url"?, "secret"?}`: where events are posted, and the secret that signs them |
"""

from typing import TYPE_CHECKING, Any

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.asked import AdminRefused, Body, body_of, refusing
from sandbox.stripe.sessions import ACTS, EventNotTaken

if TYPE_CHECKING:
    from sandbox.stripe import Stripe

API = "/sandbox/api/stripe"


class PriceBody(Body):
    """A new price: monthly, per unit, active. The amount is in minor units."""

    lookup_key: str
    unit_amount: int = Field(ge=0)
    currency: str = "usd"
    product: str | None = None


class PriceChangeBody(Body):
    """Changes of a price; what is left out stays."""

    unit_amount: int | None = Field(None, ge=0)
    active: bool | None = None
    lookup_key: str | None = None


class SessionBody(Body):
    """A new checkout session. `client_reference_id` is the uuid of the checkout intent."""

    client_reference_id: str | None = None
    amount_total: int = Field(9900, ge=0)
    currency: str = "usd"
    mode: str = "subscription"
    metadata: dict[str, str] = Field(default_factory=dict)


class WebhookBody(Body):
    """Where events are posted; what is left out stays."""

    url: str | None = Field(None, pattern="^https?://")
    secret: str | None = Field(None, min_length=1)


def doors(stripe: "Stripe") -> list[BaseRoute]:
    """Routes to Stripe's prices and checkout sessions."""

    async def prices(request: Request) -> Response:
        if request.method == "POST":
            body = (await body_of(request, PriceBody)).model_dump(exclude_none=True)
            return JSONResponse(stripe.price(**body), 201)
        return JSONResponse({"prices": list(stripe.prices.values())})

    async def price(request: Request) -> Response:
        kept = stripe.prices.get(request.path_params["id"])
        if kept is None:
            raise AdminRefused("there is no such price: GET /prices lists them", 404)
        changed = (await body_of(request, PriceChangeBody)).model_dump(exclude_none=True)
        if "unit_amount" in changed:
            changed["unit_amount_decimal"] = str(changed["unit_amount"])
        with stripe.world.lock:
            kept.update(changed)
        return JSONResponse(kept)

    async def sessions(request: Request) -> Response:
        if request.method == "POST":
            return JSONResponse(stripe.till.open(**(await body_of(request, SessionBody)).model_dump()).as_json(), 201)
        return JSONResponse({"sessions": [each.as_json() for each in stripe.till.sessions.values()]})

    async def act(request: Request) -> Response:
        session, name = request.path_params["id"], request.path_params["act"]
        await body_of(request, Body)
        if session not in stripe.till.sessions:
            raise AdminRefused("there is no such session: GET /sessions lists them", 404)
        if name not in ACTS:
            raise AdminRefused(f"a session has no act {name!r}: use one of {', '.join(ACTS)}", 404)
        try:
            answer: dict[str, Any] = await run_in_threadpool(stripe.till.act, session, name)
        except EventNotTaken as error:
            raise AdminRefused(str(error), 502) from None
        except ValueError as error:
            raise AdminRefused(str(error), 409) from None
        return JSONResponse({"answer": answer, "session": stripe.till.sessions[session].as_json()})

    async def webhook(request: Request) -> Response:
        if request.method == "PUT":
            body = await body_of(request, WebhookBody)
            stripe.till.url, stripe.till.secret = body.url or stripe.till.url, body.secret or stripe.till.secret
        return JSONResponse({"url": stripe.till.url, "secret": stripe.till.secret})

    return [
        Route(f"{API}/prices", refusing(prices), methods=["GET", "POST"]),
        Route(API + "/prices/{id}", refusing(price), methods=["PUT"]),
        Route(f"{API}/sessions", refusing(sessions), methods=["GET", "POST"]),
        Route(API + "/sessions/{id}/{act}", refusing(act), methods=["POST"]),
        Route(f"{API}/webhook", refusing(webhook), methods=["GET", "PUT"]),
    ]
