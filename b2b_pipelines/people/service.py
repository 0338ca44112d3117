"""Add and remove people who may sign in; manage their links, passwords and browser sessions.

Secrets of links and sessions have 256 random bits, so their plain SHA-256 is stored; passwords are stored as Argon2id.
"""

import secrets
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from b2b_pipelines.errors import NotFound
from b2b_pipelines.learners.rules import email_address
from b2b_pipelines.people import rules
from b2b_pipelines.people.models import Person, PersonLink, PersonSession
from b2b_pipelines.people.rules import Role
from b2b_pipelines.tokens.rules import Scope
from b2b_pipelines.tokens.service import SESSION_LIFETIME, Caller, hash_of

LINK_LIFETIME = timedelta(days=3)
SCOPES: dict[Role, frozenset[str]] = {
    Role.VIEWER: frozenset({Scope.READ}),
    Role.MANAGER: frozenset({Scope.READ, Scope.EMAILS, Scope.MANAGE}),
}

HASHER = PasswordHasher()
_NO_PASSWORD = HASHER.hash(secrets.token_urlsafe(32))
"""Verified for unknown addresses, so that the response time does not reveal which addresses are known."""


def add(session: Session, email: str, role: Role, now: datetime) -> tuple[Person, str]:
    """Add a person, or give a known one a new role. Return the secret of a single-use link.

    The link sets their password and replaces their earlier links. Raises `InvalidInput` for a malformed address.
    """
    address = email_address(email)
    person = find(session, address)
    if person is None:
        person = Person(email=address, role=role)
        session.add(person)
        session.flush()
    person.role = role
    session.execute(delete(PersonLink).where((PersonLink.person_id == person.id) | (PersonLink.expires_at <= now)))
    secret = secrets.token_urlsafe(32)
    session.add(PersonLink(secret_hash=hash_of(secret), person_id=person.id, expires_at=now + LINK_LIFETIME))
    session.flush()
    return person, secret


def remove(session: Session, email: str) -> Person:
    """Remove a person; their sessions and links end at once. Raises `NotFound`."""
    person = find(session, email.strip())
    if person is None:
        raise NotFound("no person has that address: `b2b user list` lists the people")
    session.delete(person)
    session.flush()
    return person


def find(session: Session, email: str) -> Person | None:
    """Return the person of that address, ignoring case."""
    return session.scalars(select(Person).where(func.lower(Person.email) == func.lower(email))).first()


def person_of_link(session: Session, secret: str, now: datetime) -> Person | None:
    """Return the person whose link this is; None when it was used or has expired."""
    query = (
        select(Person)
        .join(PersonLink, PersonLink.person_id == Person.id)
        .where(PersonLink.secret_hash == hash_of(secret), PersonLink.expires_at > now)
    )
    return session.scalars(query).first()


def set_password(session: Session, secret: str, password: str, now: datetime) -> Person:
    """Set a person's password with their link, which then ends, as do their other sessions.

    Raises `NotFound` for a link that was used or has expired, `InvalidInput` for a password that is not accepted.
    """
    link = session.scalars(
        select(PersonLink)
        .where(PersonLink.secret_hash == hash_of(secret), PersonLink.expires_at > now)
        .with_for_update()
    ).first()
    person = None if link is None else session.get(Person, link.person_id)
    if link is None or person is None:
        raise NotFound("this link was used or has expired: ask for a new one")
    rules.check_password(password, person.email)
    person.password_hash = HASHER.hash(password)
    person.failures, person.blocked_until = 0, None
    session.delete(link)
    session.execute(delete(PersonSession).where(PersonSession.person_id == person.id))
    session.flush()
    return person


def check_password(session: Session, email: str, password: str, now: datetime) -> Person | None:
    """Return the person with this address and password; None when they do not match or are blocked.

    A wrong password is counted, so the caller commits in either case.
    """
    person = find(session, email.strip())
    if person is None or person.password_hash is None:
        _fits(_NO_PASSWORD, password)
        return None
    if person.blocked_until is not None and person.blocked_until > now:
        return None
    if not _fits(person.password_hash, password):
        person.failures += 1
        person.blocked_until = rules.blocked_until(person.failures, now)
        return None
    person.failures, person.blocked_until = 0, None
    if HASHER.check_needs_rehash(person.password_hash):
        person.password_hash = HASHER.hash(password)
    return person


def person_of_identity(session: Session, subject: str, email: str, *, verified: bool) -> Person | None:
    """Return the person whom an OpenID Connect provider identifies.

    None when they were not added.

    At the first sign-in the address decides, if the provider has verified it. From then on the subject decides, because
    an address can be given to another person.
    """
    known = session.scalars(select(Person).where(Person.oidc_subject == subject)).first()
    if known is not None:
        return known
    person = find(session, email) if verified else None
    if person is None or person.oidc_subject is not None:
        return None
    person.oidc_subject = subject
    session.flush()
    return person


def open_session(session: Session, person: Person, now: datetime) -> str:
    """Open a browser session for a person, and return the secret for its cookie.

    Expired sessions are deleted at the same time.
    """
    session.execute(delete(PersonSession).where(PersonSession.expires_at <= now))
    person.signed_in_at = now
    secret = secrets.token_urlsafe(32)
    session.add(PersonSession(secret_hash=hash_of(secret), person_id=person.id, expires_at=now + SESSION_LIFETIME))
    session.flush()
    return secret


def recognize_session(session: Session, secret: str, now: datetime) -> Caller | None:
    """Return the caller of a browser's cookie, with the permissions of their present role.

    One query.
    """
    row = session.execute(
        select(Person.id, Person.email, Person.role)
        .join(PersonSession, PersonSession.person_id == Person.id)
        .where(PersonSession.secret_hash == hash_of(secret), PersonSession.expires_at > now)
    ).first()
    return None if row is None else Caller(0, row.email, SCOPES[Role(row.role)], None, row.id)


def close_session(session: Session, secret: str) -> None:
    """End the session of a browser's cookie."""
    session.execute(delete(PersonSession).where(PersonSession.secret_hash == hash_of(secret)))


def _fits(password_hash: str, password: str) -> bool:
    if len(password) > rules.LONGEST_PASSWORD:
        return False
    try:
        return HASHER.verify(password_hash, password)
    except (Argon2Error, InvalidHashError):
        return False
