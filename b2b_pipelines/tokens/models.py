"""Tables: tokens and the browser sessions opened with them."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from b2b_pipelines.db.base import Base


class Token(Base):
    """A token that admits a program or a person. Only the SHA-256 of its text is stored.

    A token with an organization sees and changes only that organization.
    """

    __tablename__ = "token"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    text_hash: Mapped[str] = mapped_column(String(64), unique=True)
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("organization.id"))
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(20)))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]


class TokenSession(Base):
    """A browser session opened with a token.

    It ends at sign-out, at `expires_at`, or when the token is revoked.

    Only the SHA-256 of the cookie is stored.
    """

    __tablename__ = "token_session"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    token_id: Mapped[int] = mapped_column(ForeignKey("token.id"))
    expires_at: Mapped[datetime] = mapped_column(index=True)
