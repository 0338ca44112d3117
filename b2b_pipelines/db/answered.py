"""Requests that were answered under an `Idempotency-Key`: when one comes again, it gets the same answer."""

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
    """An answer with the key of its request. A key belongs to the caller who used it, and is kept for 30 days.

    `request_hash` is the SHA-256 of what was asked for, `answer` the body as it was sent.
    """

    __tablename__ = "answered_request"

    caller: Mapped[str] = mapped_column(String(40), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    answer: Mapped[str]
    answered_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class KeyReused(Refused):
    """An idempotency key came again with another request."""

    code = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was given: its status and its body."""

    status: int
    body: str


def answer_to(session: Session, caller: str, key: str, request: Mapping[str, Any]) -> Answer | None:
    """Return the answer that the key got before, or None. Another request with the key waits until the transaction ends.

    Raises `KeyReused` when the key came with another request.
    """
    transaction_lock(session, "idempotency key of", f"{caller} {key}")
    found = session.get(AnsweredRequest, (caller, key))
    if found is None:
        return None
    if found.request_hash != _hash(request):
        raise KeyReused("this Idempotency-Key came with another request: use a new key for a new one")
    return Answer(found.status, found.answer)


def remember(session: Session, caller: str, key: str, request: Mapping[str, Any], answer: Answer) -> None:
    """Keep an answer for when its key comes again, and forget those older than 30 days."""
    session.execute(delete(AnsweredRequest).where(AnsweredRequest.answered_at < func.now() - KEPT))
    session.add(
        AnsweredRequest(caller=caller, key=key, request_hash=_hash(request), status=answer.status, answer=answer.body)
    )


def _hash(request: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()
