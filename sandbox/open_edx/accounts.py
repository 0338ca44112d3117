"""Signing in to Open edX: OAuth clients, the users behind them, and tokens that every service accepts."""

import secrets
import time
from threading import RLock
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.open_edx.callers import OPERATOR, Caller
from sandbox.open_edx.rest import Refusal

CLIENT_ID = "b2b"
CLIENT_SECRET = "b2b-secret"
OPAQUE_SECONDS = 36000


class Accounts:
    """`clients` are OAuth clients with their secrets, `users` the user behind each (the operator unless set)."""

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._tokens: dict[str, tuple[Caller, float]] = {}
        self.clear()

    def clear(self) -> None:
        self.clients = {CLIENT_ID: CLIENT_SECRET}
        self.users: dict[str, Caller] = {}
        self.token_seconds = 3600
        self._tokens.clear()

    def act_as(self, caller: Caller, client: str = CLIENT_ID) -> None:
        """Let this user be behind the client, also for the tokens that are out."""
        with self._lock:
            before = self.users.get(client, OPERATOR)
            self.users[client] = caller
            for token, (user, good_until) in list(self._tokens.items()):
                if user == before:
                    self._tokens[token] = (caller, good_until)

    def token_for(self, caller: Caller, seconds: float = 3600) -> str:
        """Return a JWT of that user; with negative seconds one that has expired."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens[token] = (caller, time.monotonic() + seconds)
        return token

    def expire_tokens(self) -> None:
        """Let every token expire now."""
        with self._lock:
            self._tokens = {token: (caller, 0.0) for token, (caller, _) in self._tokens.items()}

    def caller(self, request: Request, expired: str = "Token has expired.") -> Caller:
        """Return who sends a request to any Open edX service. Raises `Refusal` (401)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        with self._lock:
            caller, good_until = self._tokens.get(token, (None, 0.0))
        if scheme != "JWT" or caller is None:
            raise Refusal(401, {"detail": "Authentication credentials were not provided."})
        if good_until <= time.monotonic():
            raise Refusal(401, {"detail": expired})
        request.state.account = caller.name
        return caller

    async def sign_in(self, request: Request) -> Response:
        """`POST /oauth2/access_token`, as django-oauth-toolkit answers (recorded: token-…)."""
        form = await request.form()
        client, grant = str(form.get("client_id")), form.get("grant_type")
        if grant is None:
            raise Refusal(400, {"error": "unsupported_grant_type"})
        if self.clients.get(client) != str(form.get("client_secret")):
            raise Refusal(401, {"error": "invalid_client"})
        if grant != "client_credentials":
            raise Refusal(400, {"error": "invalid_grant", "error_description": "Invalid credentials given."})
        scope = {"scope": "read write email profile"}
        if form.get("token_type") != "jwt":
            # An opaque token, which no other service can read.
            opaque = {"access_token": secrets.token_urlsafe(24), "expires_in": OPAQUE_SECONDS, "token_type": "Bearer"}
            return JSONResponse({**opaque, **scope})
        token = self.token_for(self.users.get(client, OPERATOR), self.token_seconds)
        answer: dict[str, Any] = {"access_token": token, "expires_in": self.token_seconds, "token_type": "JWT"}
        return JSONResponse({**answer, **scope})
