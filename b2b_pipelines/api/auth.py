"""Authentication and authorization of API calls: `Authorization: Bearer <token>`.

401 without a token or with a wrong one, 403 without the scope. A token bound to an organization does not see others:
what is theirs is answered with 404 by the routes, through `Caller.organization_id`. What concerns the installation as
a whole (licenses, checkout intents) is refused to such tokens with 403.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from anyio import to_thread
from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from b2b_pipelines.api.database import Connection, Db
from b2b_pipelines.api.errors import Problem
from b2b_pipelines.tokens import service as tokens
from b2b_pipelines.tokens.rules import Scope
from b2b_pipelines.tokens.service import Caller

bearer = HTTPBearer(auto_error=False, scheme_name="token", description="A token made with `b2b token create`.")


async def bearer_text(credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]) -> str:
    """Return the text of the bearer token. Raises 401 without one."""
    if credentials is None:
        raise _unknown("Authorization: Bearer <token> is missing.")
    return credentials.credentials


BearerText = Annotated[str, Depends(bearer_text)]


async def identified(db: Db, text: BearerText) -> Caller:
    """Return the caller that the bearer token stands for. Raises 401."""
    return await to_thread.run_sync(caller_of, db, text)


def known(caller: Caller | None) -> Caller:
    """Return the caller. Raises 401 when the token is not known."""
    if caller is None:
        raise _unknown("The token is not known, or was revoked.")
    return caller


def caller_of(db: Connection, text: str) -> Caller:
    """Return the caller that this token stands for. Raises 401."""
    with db.reading() as session:
        return known(tokens.recognize(session, text))


def allowed(scope: Scope, *, whole_installation: bool = False) -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency: the caller, who has that scope and, with `whole_installation`, is bound to no organization."""

    async def authorized(caller: Annotated[Caller, Depends(identified)]) -> Caller:
        require(caller, scope, whole_installation=whole_installation)
        return caller

    return authorized


def require(caller: Caller, scope: Scope, *, whole_installation: bool = False) -> None:
    """Raise 403 unless the caller has that scope (and is bound to no organization)."""
    if scope not in caller.scopes:
        raise Problem(403, f"The token lacks the scope {scope}.", "missing_scope")
    if whole_installation and caller.organization_id is not None:
        raise Problem(403, "The token is bound to an organization, and this concerns all of them.", "bound_token")


def _unknown(detail: str) -> Problem:
    return Problem(401, detail, "unauthenticated", {"WWW-Authenticate": "Bearer"})


Reader = Annotated[Caller, Depends(allowed(Scope.READ))]
Manager = Annotated[Caller, Depends(allowed(Scope.MANAGE))]
InstallationManager = Annotated[Caller, Depends(allowed(Scope.MANAGE, whole_installation=True))]
Attacher = Annotated[Caller, Depends(allowed(Scope.ATTACH))]
Buyer = Annotated[Caller, Depends(allowed(Scope.CHECKOUT))]
InstallationReader = Annotated[Caller, Depends(allowed(Scope.READ, whole_installation=True))]
InstallationBuyer = Annotated[Caller, Depends(allowed(Scope.CHECKOUT, whole_installation=True))]
Provisioner = Annotated[Caller, Depends(allowed(Scope.PROVISIONING, whole_installation=True))]
