"""People sign in: with an address and a password, with the link that sets one, or through OpenID Connect."""

import warnings
from datetime import UTC, datetime
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, FastAPI, Form, Path, Query, Request, Response
from httpx import HTTPError
from joserfc.errors import JoseError
from starlette.middleware.sessions import SessionMiddleware

from b2b_pipelines.api.database import Connection, Db
from b2b_pipelines.api.errors import Problem
from b2b_pipelines.api.page_routes import PageRoute
from b2b_pipelines.api.rendering import render
from b2b_pipelines.api.sign_in import OurForm, go_on, own_path
from b2b_pipelines.errors import InvalidInput, NotFound
from b2b_pipelines.people import service
from b2b_pipelines.settings import Settings

SIGNING_IN_SECONDS = 600
NAME = "oidc"

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Secret = Annotated[str, Path(max_length=100)]
Wanted = Annotated[str, Form(alias="next", max_length=2000)]


def install(app: FastAPI, settings: Settings) -> None:
    """Register the OpenID Connect provider, if one is set. Its state is kept in a signed cookie of ten minutes."""
    app.state.oidc = None
    if settings.oidc_issuer is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Authlib prefers a successor of httpx that nothing else here uses
        from authlib.integrations.starlette_client import OAuth
    secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else ""
    oauth = OAuth()
    oauth.register(
        NAME,
        client_id=settings.oidc_client_id,
        client_secret=secret,
        server_metadata_url=f"{settings.oidc_issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email", "code_challenge_method": "S256", "timeout": 10},
    )
    app.state.oidc = oauth.create_client(NAME)
    app.add_middleware(
        SessionMiddleware,
        secret_key=f"b2b sign-in {secret}",
        session_cookie="b2b_oidc",
        max_age=SIGNING_IN_SECONDS,
        same_site="lax",
        https_only=(settings.public_url or "").startswith("https://"),
    )


@router.post("/sign-in/password", name="password_form", dependencies=[OurForm])
def password_form(
    request: Request,
    db: Db,
    email: Annotated[str, Form(max_length=320)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    wanted: Wanted = "/",
) -> Response:
    now = datetime.now(UTC)
    with db.session() as session:
        person = service.check_password(session, email, password, now)
        secret = None if person is None else service.open_session(session, person, now)
    if secret is None:
        return render(request, "sign_in.html", None, status=401, wanted=own_path(wanted), failed="password")
    return go_on(request, db, secret, wanted)


@router.get("/welcome/{secret}", name="welcome_page")
def welcome_page(request: Request, db: Db, secret: Secret) -> Response:
    with db.session() as session:
        person = service.person_of_link(session, secret, datetime.now(UTC))
        email = None if person is None else person.email
    if email is None:
        raise Problem(404, "This link was used or has expired. Ask for a new one.")
    return render(request, "welcome.html", None, secret=secret, email=email, problem="")


@router.post("/welcome/{secret}", name="welcome_form", dependencies=[OurForm])
def welcome_form(
    request: Request,
    db: Db,
    secret: Secret,
    password: Annotated[str, Form(max_length=1000)] = "",
    again: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    now = datetime.now(UTC)
    problem = "" if password == again else "The two passwords differ."
    try:
        with db.session() as session:
            known = service.person_of_link(session, secret, now)
            email = "" if known is None else known.email
            opened = None
            if not problem:
                opened = service.open_session(session, service.set_password(session, secret, password, now), now)
    except InvalidInput as error:
        problem = f"{error.message[:1].upper()}{error.message[1:]}."
    except NotFound:
        raise Problem(404, "This link was used or has expired. Ask for a new one.") from None
    if problem or opened is None:
        return render(request, "welcome.html", None, status=400, secret=secret, email=email, problem=problem)
    return go_on(request, db, opened, "/")


@router.get("/sign-in/oidc", name="oidc_start")
async def oidc_start(request: Request, wanted: Annotated[str, Query(alias="next", max_length=2000)] = "/") -> Response:
    """Send the browser to the provider."""
    client = _provider(request)
    request.session["next"] = own_path(wanted)
    try:
        sent: Response = await client.authorize_redirect(request, _callback(request))
    except HTTPError:
        raise Problem(503, "The sign-in provider does not answer. Please try again in a moment.") from None
    return sent


@router.get("/sign-in/oidc/callback", name="oidc_callback")
async def oidc_callback(request: Request) -> Response:
    """Take the provider's answer: Authlib checks state, nonce, PKCE and the signature of the ID token."""
    from authlib.integrations.base_client.errors import OAuthError

    client = _provider(request)
    try:
        token: dict[str, Any] = await client.authorize_access_token(request)
    except (OAuthError, JoseError):
        raise Problem(403, "The sign-in was not completed. Please try again.", "sign_in_refused") from None
    except HTTPError:
        raise Problem(503, "The sign-in provider does not answer. Please try again in a moment.") from None
    claims = token.get("userinfo") or {}
    wanted = request.session.pop("next", "/")
    connection: Connection = request.app.state.connection
    secret = await to_thread.run_sync(_open, connection, claims)
    if secret is None:
        raise Problem(403, "You may not sign in here. Ask for `b2b user add` with your address.", "sign_in_refused")
    return await to_thread.run_sync(go_on, request, connection, secret, wanted)


def _open(db: Connection, claims: dict[str, Any]) -> str | None:
    now = datetime.now(UTC)
    subject, email = str(claims.get("sub") or ""), str(claims.get("email") or "")
    if not subject:
        return None
    with db.session() as session:
        verified = claims.get("email_verified") is True
        person = service.person_of_identity(session, subject, email, verified=verified)
        return None if person is None else service.open_session(session, person, now)


def _provider(request: Request) -> Any:
    client = request.app.state.oidc
    if client is None:
        raise Problem(404, "OpenID Connect is off: B2B_OIDC_ISSUER is not set.", "not_configured")
    return client


def _callback(request: Request) -> str:
    public = request.app.state.settings.public_url
    path = request.url_for("oidc_callback").path
    return f"{public}{path}" if public else str(request.url_for("oidc_callback"))
