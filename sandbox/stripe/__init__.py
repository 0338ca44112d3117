"""A stand-in of Stripe: prices by lookup key, in Stripe's pages, and events signed as Stripe signs them."""

import re
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.stripe.events import checkout_event, money_back_event, signed, thin_event
from sandbox.stripe.sessions import WEBHOOK_SECRET, Till
from sandbox.vendor import Vendor

API_KEY = "sk_test_sandbox"
"""The API key in the sandbox's settings."""
MOST_KEYS = 10
MOST_PER_PAGE = 100
LIST_PARAMETERS = frozenset(
    ("active", "currency", "ending_before", "expand", "limit", "lookup_keys", "product", "starting_after")
)


class Stripe(Vendor):
    """Prices and products of one account. `keys` are the secret keys it knows; None: whatever begins with `sk_` or `rk_`.

    `asked` holds the parameters of every listing that was let in, in their order. `till` has the checkout sessions.
    """

    name = "stripe"
    prefix = "/stripe"

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self.clear()

    def clear(self) -> None:
        self.keys: set[str] | None = None
        self.prices: dict[str, dict[str, Any]] = {}
        self.asked: list[dict[str, list[str]]] = []
        self.till = Till()
        self._made = 0

    def dump(self) -> Any:
        return {"prices": self.prices, "made": self._made, "till": self.till.dump()}

    def load(self, state: Any) -> None:
        self.prices, self._made = state["prices"], state["made"]
        if "till" in state:
            self.till.load(state["till"])

    def error_body(self, status: int) -> Any:
        return _error("api_error" if status >= 500 else "invalid_request_error", f"error {status}")

    def price(
        self, lookup_key: str, unit_amount: int | None = 9900, currency: str = "usd", **fields: Any
    ) -> dict[str, Any]:
        """Make a price: active, per unit, licensed, monthly. `fields` replace or add to that."""
        with self.world.lock:
            self._made += 1
            made = {
                "id": f"price_{self._made:06}",
                "object": "price",
                "active": True,
                "billing_scheme": "per_unit",
                "created": 1_760_000_000 + self._made,
                "currency": currency,
                "livemode": False,
                "lookup_key": lookup_key,
                "metadata": {},
                "product": f"prod_{self._made:06}",
                "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed", "meter": None},
                "type": "recurring",
                "unit_amount": unit_amount,
                "unit_amount_decimal": None if unit_amount is None else str(unit_amount),
                **fields,
            }
            self.prices[made["id"]] = made
            return made

    def tiered(self, lookup_key: str, **fields: Any) -> dict[str, Any]:
        """Make a price in tiers: it has no amount of its own."""
        return self.price(lookup_key, None, billing_scheme="tiered", tiers_mode="graduated", **fields)

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/v1/prices", self._list_prices, methods=["GET"])]

    async def _list_prices(self, request: Request) -> Response:
        if refusal := self._stranger(request):
            return refusal
        asked = _parameters(request)
        self.asked.append(asked)
        keys = asked.get("lookup_keys", [])
        limit = asked.get("limit", ["10"])[0]
        unknown = sorted(set(asked) - LIST_PARAMETERS)
        if unknown or len(keys) > MOST_KEYS or not limit.isdecimal() or not 1 <= int(limit) <= MOST_PER_PAGE:
            complaint = f"Received unknown parameter: {unknown[0]}" if unknown else "Invalid array or limit"
            return JSONResponse(_error("invalid_request_error", complaint), 400)
        with self.world.lock:
            rows = sorted(self.prices.values(), key=lambda price: (price["created"], price["id"]), reverse=True)
        if keys:
            rows = [row for row in rows if row["lookup_key"] in keys]
        if "active" in asked:
            rows = [row for row in rows if str(row["active"]).lower() == asked["active"][0]]
        if after := asked.get("starting_after"):
            ids = [row["id"] for row in rows]
            if after[0] not in ids:
                return JSONResponse(_error("invalid_request_error", f"No such price: '{after[0]}'"), 400)
            rows = rows[ids.index(after[0]) + 1 :]
        page = rows[: int(limit)]
        if "data.product" in asked.get("expand", []):
            page = [{**row, "product": _product(row["product"])} for row in page]
        return JSONResponse({"object": "list", "url": "/v1/prices", "has_more": len(rows) > int(limit), "data": page})

    def _stranger(self, request: Request) -> Response | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer" and (key in self.keys if self.keys is not None else key.startswith(("sk_", "rk_"))):
            return None
        return JSONResponse(_error("invalid_request_error", "Invalid API Key provided"), 401)


def _parameters(request: Request) -> dict[str, list[str]]:
    """The query, lists gathered: `lookup_keys[]=a`, `lookup_keys[0]=a`."""
    gathered: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        gathered.setdefault(re.sub(r"\[\d*\]$", "", name), []).append(value)
    return gathered


def _product(product: Any) -> Any:
    return (
        product if isinstance(product, dict) else {"id": product, "object": "product", "active": True, "name": product}
    )


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message}}


__all__ = [
    "API_KEY",
    "WEBHOOK_SECRET",
    "Stripe",
    "checkout_event",
    "money_back_event",
    "signed",
    "thin_event",
]
