"""Signing a browser in with a token: a session in an HttpOnly cookie, and forms that only our own pages can send.

A form carries the value of a cookie that other sites can neither read nor have sent along (`SameSite=Strict`).
"""

import hmac
import secrets
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from b2b_pipelines.api.database import Connection, Db
from b2b_pipelines.api.errors import Problem
from b2b_pipelines.api.hardening import came_over_tls
from b2b_pipelines.errors import B2BError
from b2b_pipelines.people import service as people
from b2b_pipelines.tokens import service as tokens
from b2b_pipelines.tokens.rules import Scope
from b2b_pipelines.tokens.service import SESSION_LIFETIME, Caller

SESSION_COOKIE = "b2b_session"
FORM_COOKIE = "b2b_form"
OVER_TLS = "__Host-"
"""The prefix that makes a browser refuse a cookie of another host, or one that was not set over TLS."""


class SignInNeeded(Exception):
    """The browser is not signed in: it is sent to the sign-in page, and then on to `wanted`."""

    def __init__(self, wanted: str) -> None:
        super().__init__(wanted)
        self.wanted = wanted


def signed_in(request: Request, db: Db) -> Caller:
    """Return the caller that this browser signed in as. Raises `SignInNeeded`."""
    secret = session_secret(request)
    with db.reading() as session:
        caller = _recognized(session, secret) if secret else None
    if caller is None:
        query = f"?{request.url.query}" if request.url.query else ""
        raise SignInNeeded(request.url.path + query)
    request.state.caller = caller  # for a refusal, which is a page too
    return caller


def _recognized(session: Session, secret: str) -> Caller | None:
    """Return whom a browser's cookie stands for: a token or a person."""
    now = datetime.now(UTC)
    return tokens.recognize_session(session, secret, now) or people.recognize_session(session, secret, now)


def maybe_signed_in(request: Request, db: Db) -> Caller | None:
    """Return the caller that this browser signed in as, or None.

    Public pages use it, so it returns None without a database too.
    """
    try:
        return signed_in(request, db)
    except (SignInNeeded, B2BError, OperationalError, PoolTimeout):
        return None


def sign_in(db: Connection, text: str) -> str | None:
    """Return the secret of a new session for the token's owner; None when it is not known or may not read."""
    with db.session() as session:
        caller = tokens.recognize(session, text.strip())
        if caller is None or Scope.READ not in caller.scopes:
            return None
        return tokens.open_session(session, caller, datetime.now(UTC))


def go_on(request: Request, db: Connection, secret: str, wanted: str) -> Response:
    """Answer with the new session's cookie, after ending the session that the browser had."""
    sign_out(db, request)
    response = RedirectResponse(own_path(wanted), 303)
    keep_session(request, response, secret)
    return response


def sign_out(db: Connection, request: Request) -> None:
    """End this browser's session."""
    with db.session() as session:
        tokens.close_session(session, session_secret(request))
        people.close_session(session, session_secret(request))


def session_secret(request: Request) -> str:
    """Return the value of this browser's session cookie, `""` without one."""
    return request.cookies.get(_named(request, SESSION_COOKIE), "")


def keep_session(request: Request, response: Response, secret: str) -> None:
    """Give the browser its session. Behind a proxy that ends TLS the cookie is still marked for TLS only."""
    response.set_cookie(
        _named(request, SESSION_COOKIE),
        secret,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=came_over_tls(request),
    )


def forget_session(request: Request, response: Response) -> None:
    """Have the browser drop its session cookie."""
    name = _named(request, SESSION_COOKIE)
    response.delete_cookie(name, httponly=True, samesite="lax", secure=came_over_tls(request))


def form_secret(request: Request) -> str:
    """Return the secret that this browser's forms carry: the value of its cookie, or a new one."""
    return request.cookies.get(_named(request, FORM_COOKIE)) or secrets.token_urlsafe(24)


def keep_form_secret(request: Request, response: Response, secret: str) -> None:
    name = _named(request, FORM_COOKIE)
    if request.cookies.get(name) != secret:
        response.set_cookie(name, secret, httponly=True, samesite="strict", secure=came_over_tls(request))


async def from_our_form(request: Request, form: Annotated[str, Form(max_length=200)] = "") -> None:
    """A dependency: the form was one of ours. Raises 403."""
    if not form or not hmac.compare_digest(
        form.encode(), request.cookies.get(_named(request, FORM_COOKIE), "").encode()
    ):
        raise Problem(403, "This form has expired. Go back, load the page again, and try once more.", "stale_form")


def own_path(wanted: str) -> str:
    """A path of this site to go on to; the front page instead of anything that leads elsewhere."""
    parts = urlsplit(wanted)
    elsewhere = parts.scheme or parts.netloc or not wanted.startswith("/") or wanted.startswith("//")
    return "/" if elsewhere or "\\" in wanted or any(ord(letter) < 32 for letter in wanted) else wanted


def _named(request: Request, cookie: str) -> str:
    return OVER_TLS + cookie if came_over_tls(request) else cookie


SignedIn = Annotated[Caller, Depends(signed_in)]
MaybeSignedIn = Annotated[Caller | None, Depends(maybe_signed_in)]
OurForm = Depends(from_our_form)
