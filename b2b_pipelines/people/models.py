"""Tables: people, the links with which they set a password, and their browser sessions."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from b2b_pipelines.db.base import Base
from b2b_pipelines.people.rules import Role


class Person(Base):
    """A person who may sign in. The address is stored as given and compared without case.

    `password_hash` is Argon2id. A person without one signs in through OpenID Connect, whose subject is stored at the
    first sign-in. `failures` counts wrong passwords in a row; sign-ins are refused until `blocked_until`.
    """

    __tablename__ = "person"
    __table_args__ = (
        Index("uq_person_lower_email", text("lower(email)"), unique=True),
        CheckConstraint("role IN ('viewer', 'manager')", name="role_is_known"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(320))
    role: Mapped[Role] = mapped_column(String(10))
    password_hash: Mapped[str | None]
    oidc_subject: Mapped[str | None] = mapped_column(unique=True)
    failures: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    blocked_until: Mapped[datetime | None]
    signed_in_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class PersonLink(Base):
    """A single-use link that sets a password, valid until `expires_at`.

    Only the SHA-256 of its secret is stored.
    """

    __tablename__ = "person_link"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class PersonSession(Base):
    """A browser session of a person, valid until `expires_at`.

    Only the SHA-256 of the cookie is stored.
    """

    __tablename__ = "person_session"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
