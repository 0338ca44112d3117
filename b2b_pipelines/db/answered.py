"""Requests answered under an `Idempotency-Key`: a retry gets the same answer."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, delete, func
from sqlalchemy.orm import Mapped, Session, mapped_column

from b2b_pipelines.db.base import Base
from b2b_pipelines.db.locks import transaction_lock
from b2b_pipelines.errors import Refused

KEPT = timedelta(days=30)


class AnsweredRequest(Base):
    """An answer with the key of its request.

    A key belongs to its caller and is kept for 30 days.

    `request_hash` is the SHA-256 of the request, `answer` the response body.
    """

    __tablename__ = "answered_request"

    caller: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    answer: Mapped[str]
    answered_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class KeyReused(Refused):
    """An idempotency key was reused with a different request."""

    code = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored answer: its status and its body."""

    status: int
    body: str


def answer_to(session: Session, caller: str, key: str, request: Mapping[str, Any]) -> Answer | None:
    """Return the answer that the key got before, or None.

    Concurrent requests with the key wait until the transaction ends. Raises `KeyReused` when the request differs.
    """
    transaction_lock(session, "idempotency key of", f"{caller} {key}")
    stored = session.get(AnsweredRequest, (caller, key))
    if stored is None:
        return None
    if stored.request_hash != request_hash(request):
        raise KeyReused("this Idempotency-Key was used for another request: use a new key for a new request")
    return Answer(stored.status, stored.answer)


def remember(session: Session, caller: str, key: str, request: Mapping[str, Any], answer: Answer) -> None:
    """Store an answer under its key, and delete answers older than 30 days."""
    session.execute(delete(AnsweredRequest).where(AnsweredRequest.answered_at < func.now() - KEPT))
    session.add(
        AnsweredRequest(
            caller=caller, key=key, request_hash=request_hash(request), status=answer.status, answer=answer.body
        )
    )


def request_hash(request: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a request, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()
