"""Issuing, revoking and recognizing tokens, and the browser sessions opened with them.

A token's text has 256 random bits, so a plain SHA-256 of it cannot be turned back: no slow password hash is needed.
"""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete, or_, select
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import Organization
from b2b_pipelines.errors import InvalidInput, NotFound
from b2b_pipelines.tokens.models import Token, TokenSession
from b2b_pipelines.tokens.rules import Scope

PREFIX = "b2b_"
SESSION_LIFETIME = timedelta(hours=12)


# Made once, because it is asked for every request.
_OF_TEXT = select(*Token.__table__.c["id", "name", "scopes", "organization_id"]).where(
    Token.__table__.c.text_hash == bindparam("text_hash"), Token.__table__.c.revoked_at.is_(None)
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token or a browser's session stands for: what it may do, and the one organization it is bound to (None: all of
    them). A person has a `person_id`, and 0 as `token_id`."""

    token_id: int
    name: str
    scopes: frozenset[str]
    organization_id: int | None
    person_id: int | None = None

    @property
    def sees_emails(self) -> bool:
        return Scope.EMAILS in self.scopes


@dataclass(frozen=True, slots=True)
class Listed:
    """A token as it is shown: never its text."""

    token: Token
    organization: Organization | None


def create(session: Session, name: str, scopes: Iterable[str] = (), org_key: str | None = None) -> tuple[Listed, str]:
    """A new token and its text, which cannot be shown again. Without scopes it may `read`.

    Raises `InvalidInput` for a scope that does not exist or an empty name, `NotFound` for an unknown org key.
    """
    if not name.strip():
        raise InvalidInput("a token needs a name that says what it is for")
    granted = _scopes(scopes)
    organization = None if org_key is None else _organization(session, org_key)
    text = PREFIX + secrets.token_urlsafe(32)
    token = Token(
        name=name.strip(),
        text_hash=_hash(text),
        organization_id=organization.id if organization else None,
        scopes=granted,
    )
    session.add(token)
    session.flush()
    return Listed(token, organization), text


def every_token(session: Session) -> Sequence[Listed]:
    """All tokens, revoked ones too, in the order in which they were made."""
    query = select(Token, Organization).outerjoin(Organization, Organization.id == Token.organization_id)
    return [Listed(token, organization) for token, organization in session.execute(query.order_by(Token.id))]


def revoke(session: Session, token_id: int, now: datetime) -> Listed:
    """End a token at once, with every browser session opened with it. Revoking it again changes nothing.

    Raises `NotFound`.
    """
    token = session.get(Token, token_id, with_for_update=True)
    if token is None:
        raise NotFound(f"no token {token_id}: `b2b token list` shows the tokens there are")
    token.revoked_at = token.revoked_at or now
    session.execute(delete(TokenSession).where(TokenSession.token_id == token_id))
    session.flush()
    organization = None if token.organization_id is None else session.get(Organization, token.organization_id)
    return Listed(token, organization)


def recognize(session: Session, text: str) -> Caller | None:
    """Whom a token's text stands for; None for a text that was never issued, or is revoked."""
    row = session.execute(_OF_TEXT, {"text_hash": _hash(text)}).first()
    return None if row is None else Caller(row.id, row.name, frozenset(row.scopes), row.organization_id)


def open_session(session: Session, caller: Caller, now: datetime) -> str:
    """Let a browser in as that caller: the secret for its cookie. Sessions that ran out are cleared on the way."""
    session.execute(delete(TokenSession).where(TokenSession.expires_at <= now))
    secret = secrets.token_urlsafe(32)
    session.add(TokenSession(secret_hash=_hash(secret), token_id=caller.token_id, expires_at=now + SESSION_LIFETIME))
    return secret


def recognize_session(session: Session, secret: str, now: datetime) -> Caller | None:
    """Whom a browser's cookie stands for; None once it signed out or ran out, or its token is revoked."""
    row = session.execute(
        select(Token.id, Token.name, Token.scopes, Token.organization_id)
        .join(TokenSession, TokenSession.token_id == Token.id)
        .where(TokenSession.secret_hash == _hash(secret), TokenSession.expires_at > now, Token.revoked_at.is_(None))
    ).first()
    return None if row is None else Caller(row.id, row.name, frozenset(row.scopes), row.organization_id)


def close_session(session: Session, secret: str) -> None:
    session.execute(delete(TokenSession).where(TokenSession.secret_hash == _hash(secret)))


def _scopes(said: Iterable[str]) -> list[str]:
    wanted = list(dict.fromkeys(said)) or [Scope.READ.value]
    unknown = [scope for scope in wanted if scope not in set(Scope)]
    if unknown:
        raise InvalidInput(f"no scope {', '.join(unknown)}: there are {', '.join(Scope)}")
    if {Scope.EMAILS, Scope.MANAGE} & set(wanted) and Scope.READ not in wanted:
        wanted.insert(0, Scope.READ.value)
    return [str(scope) for scope in wanted]


def _organization(session: Session, org_key: str) -> Organization:
    found = session.scalars(
        select(Organization)
        .where(or_(Organization.org_key == org_key, Organization.slug == org_key))
        .order_by((Organization.org_key == org_key).desc())
    ).first()
    if found is None:
        raise NotFound(f"no organization with the org key {org_key}: `b2b_list organizations` shows them")
    return found


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
