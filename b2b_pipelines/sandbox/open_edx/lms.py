"""A stand-in of the LMS: tokens, and the enterprise endpoints that end enrollments and unlink learners."""

import re
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from json import JSONDecodeError
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from b2b_pipelines.sandbox.vendor import Vendor

CLIENT_ID = "b2b"
CLIENT_SECRET = "b2b-secret"
ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
MOST_AT_ONCE = 100
PAGE_SIZE = 10
PREFIX = "/enterprise/api/v1"


@dataclass(frozen=True)
class Unlinking:
    """An `unlink_users` request that was answered with 200."""

    customer: str
    addresses: tuple[str, ...]
    is_relinkable: bool


@dataclass(frozen=True)
class Expiration:
    """A bulk expiration that reached the LMS, and whether it was answered with 200."""

    licenses: tuple[str, ...]
    ignore_modified_after: str | None
    succeeded: bool


class Lms(Vendor):
    """Who may sign in (`clients`), who is linked to which customer, and which licenses' enrollments have ended.

    `refused` are addresses that are answered with 400 though they are well-formed; `stuck` are licenses of which some
    enrollment cannot be ended. What was asked is kept in `unlinkings` and `expirations`, in the order it came.
    """

    name = "lms"
    prefix = "/lms"

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self.clear()

    def clear(self) -> None:
        self.clients = {CLIENT_ID: CLIENT_SECRET}
        self.token_seconds = 3600
        self.refused: set[str] = set()
        self.stuck: set[str] = set()
        self.unlinkings: list[Unlinking] = []
        self.expirations: list[Expiration] = []
        self._tokens: dict[str, float] = {}
        self._linked: dict[str, dict[str, bool]] = {}

    def dump(self) -> Any:
        return {"linked": self._linked, "refused": sorted(self.refused), "stuck": sorted(self.stuck)}

    def load(self, state: Any) -> None:
        self._linked, self.refused, self.stuck = state["linked"], set(state["refused"]), set(state["stuck"])

    def link(self, customer: UUID | str, addresses: Iterable[str]) -> None:
        """Link learners to a customer, who is known from then on."""
        with self.world.lock:
            self._linked.setdefault(str(customer), {}).update({address.lower(): True for address in addresses})

    def linked(self, customer: UUID | str) -> set[str]:
        """The addresses of the learners who are linked to the customer now."""
        with self.world.lock:
            return {address for address, linked in self._linked.get(str(customer), {}).items() if linked}

    def ended(self) -> set[str]:
        """The licenses whose enrollments have ended."""
        with self.world.lock:
            return {uuid for expiration in self.expirations for uuid in expiration.licenses} - self.stuck

    def forget_tokens(self) -> None:
        """Let no token be good any more, however long it was to be."""
        with self.world.lock:
            self._tokens.clear()

    def knows(self, request: Request) -> bool:
        """Whether a request to any Open edX service bears a token that is good."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        with self.world.lock:
            return scheme == "JWT" and self._tokens.get(token, 0) > time.monotonic()

    def owns(self, path: str) -> bool:
        return path.startswith(f"{self.prefix}/")

    def kind(self, method: str, path: str) -> str:
        return "token" if path.startswith("/oauth2/") else super().kind(method, path)

    def routes(self) -> Sequence[BaseRoute]:
        licensed = f"{PREFIX}/licensed-enterprise-course-enrollment"
        return [
            Route("/oauth2/access_token", self._sign_in, methods=["POST"]),
            Route(f"{licensed}/bulk_licensed_enrollments_expiration/", self._expire, methods=["POST"]),
            Route(PREFIX + "/enterprise-customer/{customer}/unlink_users/", self._unlink, methods=["POST"]),
            Route(f"{PREFIX}/enterprise-learner/", self._list_learners, methods=["GET"]),
        ]

    async def _sign_in(self, request: Request) -> Response:
        form = await request.form()
        client, secret = str(form.get("client_id")), str(form.get("client_secret"))
        if form.get("grant_type") != "client_credentials" or form.get("token_type") != "jwt":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        if self.clients.get(client) != secret:
            return JSONResponse({"error": "invalid_client"}, 401)
        token = secrets.token_urlsafe(24)
        with self.world.lock:
            self._tokens[token] = time.monotonic() + self.token_seconds
        return JSONResponse(
            {"access_token": token, "expires_in": self.token_seconds, "token_type": "JWT", "scope": "read write"}
        )

    async def _expire(self, request: Request) -> Response:
        body, refusal = await self._body(request)
        if refusal:
            return refusal
        licenses, after = body.get("expired_license_uuids"), body.get("ignore_enrollments_modified_after")
        if not isinstance(licenses, list) or not 0 < len(licenses) <= MOST_AT_ONCE or not all(map(_is_uuid, licenses)):
            return JSONResponse({"detail": "expired_license_uuids must be 1 to 100 UUIDs"}, 400)
        if "ignore_enrollments_modified_after" not in body or not (after is None or _is_time(after)):
            return JSONResponse({"detail": "ignore_enrollments_modified_after must be null or a time"}, 400)
        with self.world.lock:
            failed = self.stuck.intersection(licenses)
            self.expirations.append(Expiration(tuple(licenses), after, not failed))
        if failed:
            return JSONResponse({"detail": f"{len(failed)} enrollments could not be terminated"}, 422)
        return Response(status_code=200)

    async def _unlink(self, request: Request) -> Response:
        body, refusal = await self._body(request)
        if refusal:
            return refusal
        customer, addresses = request.path_params["customer"], body.get("user_emails")
        if customer not in self._linked:
            return JSONResponse({"detail": "No EnterpriseCustomer matches the given query."}, 404)
        if not isinstance(addresses, list) or not 0 < len(addresses) <= MOST_AT_ONCE:
            return JSONResponse({"user_emails": ["Expected 1 to 100 items."]}, 400)
        wrong = {
            str(place): ["Enter a valid email address."]
            for place, address in enumerate(addresses)
            if not isinstance(address, str) or not ADDRESS.fullmatch(address) or address in self.refused
        }
        if wrong:
            return JSONResponse({"user_emails": wrong}, 400)
        with self.world.lock:
            self.unlinkings.append(Unlinking(customer, tuple(addresses), body.get("is_relinkable", False)))
            for address in addresses:
                if address.lower() in self._linked[customer]:
                    self._linked[customer][address.lower()] = False
        return Response(status_code=200)

    async def _list_learners(self, request: Request) -> Response:
        if not self.knows(request):
            return _unauthorized()
        customer, address = (
            request.query_params.get("enterprise_customer_uuid", ""),
            request.query_params.get("email", ""),
        )
        matching = sorted(each for each in self.linked(customer) if not address or each == address.lower())
        number = int(request.query_params.get("page", "1"))
        pages = max(-(-len(matching) // PAGE_SIZE), 1)
        if not 1 <= number <= pages:
            return JSONResponse({"detail": "Invalid page."}, 404)
        rows = matching[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
        return JSONResponse(
            {
                "count": len(matching),
                "next": str(request.url.include_query_params(page=number + 1)) if number < pages else None,
                "previous": str(request.url.include_query_params(page=number - 1)) if number > 1 else None,
                "results": [{"enterprise_customer": {"uuid": customer}, "user": {"email": each}} for each in rows],
            }
        )

    async def _body(self, request: Request) -> tuple[dict[str, Any], Response | None]:
        """The JSON object that was sent, or why there is none."""
        if not self.knows(request):
            return {}, _unauthorized()
        try:
            body = await request.json()
        except (JSONDecodeError, UnicodeDecodeError):
            return {}, JSONResponse({"detail": "JSON parse error"}, 400)
        return (body, None) if isinstance(body, dict) else ({}, JSONResponse({"detail": "Expected an object."}, 400))


def _unauthorized() -> Response:
    return JSONResponse({"detail": "Authentication credentials were not provided."}, 401)


def _is_uuid(value: object) -> bool:
    try:
        return UUID(str(value)) is not None
    except ValueError:
        return False


def _is_time(value: object) -> bool:
    try:
        return datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        return False
