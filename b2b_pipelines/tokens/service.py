"""Issue, revoke and recognize tokens, and open browser sessions with them.

A token's text has 256 random bits, so its plain SHA-256 cannot be reversed and no slow password hash is needed.
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, Row, String, bindparam, delete, func, or_, select
from sqlalchemy.orm import Session

from b2b_pipelines.contracts.models import Organization
from b2b_pipelines.errors import InvalidInput, NotFound
from b2b_pipelines.privacy import masked, masked_anywhere
from b2b_pipelines.tokens.models import Token, TokenSession
from b2b_pipelines.tokens.rules import Scope

PREFIX = "b2b_"
SESSION_LIFETIME = timedelta(hours=12)


CALLER = """
SELECT token.organization_id, 'emails' = ANY(token.scopes) AS emails FROM token
WHERE token.text_hash = :text_hash AND token.revoked_at IS NULL AND :scope = ANY(token.scopes)
"""
"""The caller of a token that has the scope, for statements that check the token themselves; no row for any other."""

# Built once, because every request executes it.
_OF_TEXTS = select(*Token.__table__.c["text_hash", "id", "name", "scopes", "organization_id"]).where(
    Token.__table__.c.text_hash == func.any(bindparam("text_hashes", type_=ARRAY(String))),
    Token.__table__.c.revoked_at.is_(None),
)


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller that a token or a browser session stands for.

    `scopes` are its permissions, `organization_id` is the one organization it is bound to (None: all). A person has a
    `person_id`, and 0 as `token_id`.
    """

    token_id: int
    name: str
    scopes: frozenset[str]
    organization_id: int | None
    person_id: int | None = None

    @property
    def sees_emails(self) -> bool:
        return Scope.EMAILS in self.scopes

    @property
    def manages(self) -> bool:
        return Scope.MANAGE in self.scopes

    def address(self, email: str | None) -> str | None:
        """Return an e-mail address as the caller may see it."""
        return email if self.sees_emails else masked(email)

    def seen(self, value: Any) -> Any:
        """Return a JSON value with every e-mail address masked that the caller may not see."""
        return value if self.sees_emails else masked_anywhere(value)


@dataclass(frozen=True, slots=True)
class Listed:
    """A token in a listing, without its text."""

    token: Token
    organization: Organization | None


def create(session: Session, name: str, scopes: Iterable[str] = (), org_key: str | None = None) -> tuple[Listed, str]:
    """Create a token and return it with its text, which cannot be shown again.

    Without scopes it gets `read`. Raises `InvalidInput` for an unknown scope or an empty name, `NotFound` for an
    unknown org key.
    """
    if not name.strip():
        raise InvalidInput("a token needs a name that describes its purpose")
    granted = _scopes(scopes)
    organization = None if org_key is None else _organization(session, org_key)
    text = PREFIX + secrets.token_urlsafe(32)
    token = Token(
        name=name.strip(),
        text_hash=hash_of(text),
        organization_id=organization.id if organization else None,
        scopes=granted,
    )
    session.add(token)
    session.flush()
    return Listed(token, organization), text


def revoke(session: Session, token_id: int, now: datetime) -> Listed:
    """Revoke a token at once, with every browser session opened with it.

    Idempotent. Raises `NotFound`.
    """
    token = session.get(Token, token_id, with_for_update=True)
    if token is None:
        raise NotFound(f"no token {token_id}: `b2b token list` lists the tokens")
    token.revoked_at = token.revoked_at or now
    session.execute(delete(TokenSession).where(TokenSession.token_id == token_id))
    session.flush()
    organization = None if token.organization_id is None else session.get(Organization, token.organization_id)
    return Listed(token, organization)


def recognize(session: Session, text: str) -> Caller | None:
    """Return the caller of a token's text; None for a text that was never issued or is revoked."""
    return recognize_each(session, [text]).get(text)


def recognize_each(session: Session, texts: Iterable[str]) -> dict[str, Caller]:
    """Return the caller of each text, as `recognize` does; unknown and revoked ones are absent. One query."""
    by_hash = {hash_of(text): text for text in texts}
    rows = session.execute(_OF_TEXTS, {"text_hashes": list(by_hash)})
    return {by_hash[row.text_hash]: _caller(row) for row in rows}


def open_session(session: Session, caller: Caller, now: datetime) -> str:
    """Open a browser session for that caller, and return the secret for its cookie.

    Expired sessions are deleted at the same time.
    """
    session.execute(delete(TokenSession).where(TokenSession.expires_at <= now))
    secret = secrets.token_urlsafe(32)
    session.add(TokenSession(secret_hash=hash_of(secret), token_id=caller.token_id, expires_at=now + SESSION_LIFETIME))
    return secret


def recognize_session(session: Session, secret: str, now: datetime) -> Caller | None:
    """Return the caller of a browser's cookie.

    Return None after sign-out or expiry, or when the token is revoked.
    """
    row = session.execute(
        select(Token.id, Token.name, Token.scopes, Token.organization_id)
        .join(TokenSession, TokenSession.token_id == Token.id)
        .where(TokenSession.secret_hash == hash_of(secret), TokenSession.expires_at > now, Token.revoked_at.is_(None))
    ).first()
    return None if row is None else _caller(row)


def close_session(session: Session, secret: str) -> None:
    session.execute(delete(TokenSession).where(TokenSession.secret_hash == hash_of(secret)))


def _caller(row: Row[*tuple[Any, ...]]) -> Caller:
    return Caller(row.id, row.name, frozenset(row.scopes), row.organization_id)


def _scopes(names: Iterable[str]) -> list[str]:
    scopes = list(dict.fromkeys(names)) or [Scope.READ.value]
    unknown = [scope for scope in scopes if scope not in set(Scope)]
    if unknown:
        raise InvalidInput(f"unknown scope {', '.join(unknown)}: use {', '.join(Scope)}")
    if {Scope.EMAILS, Scope.MANAGE} & set(scopes) and Scope.READ not in scopes:
        scopes.insert(0, Scope.READ.value)
    return [str(scope) for scope in scopes]


def _organization(session: Session, org_key: str) -> Organization:
    organization = session.scalars(
        select(Organization)
        .where(or_(Organization.org_key == org_key, Organization.slug == org_key))
        .order_by((Organization.org_key == org_key).desc())
    ).first()
    if organization is None:
        raise NotFound(f"no organization with the org key {org_key}: `b2b_list organizations` shows them")
    return organization


def hash_of(text: str) -> str:
    """Return the hash under which a token or a browser's secret is stored."""
    return hashlib.sha256(text.encode()).hexdigest()
