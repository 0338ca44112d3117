"""How routes write: once for each `Idempotency-Key`, or not at all with `?dry_run=true`, and never over an unseen change."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from b2b_pipelines.api.database import Connection
from b2b_pipelines.api.errors import Problem
from b2b_pipelines.db import answered
from b2b_pipelines.db.answered import Answer, KeyReused
from b2b_pipelines.delivery import Actor
from b2b_pipelines.delivery.history import ActorKind
from b2b_pipelines.delivery.rehearsal import rehearsal
from b2b_pipelines.tokens.service import Caller


def idempotency_key(description: str) -> Any:
    """Return the header `Idempotency-Key` as a parameter."""
    return Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern="^[!-~]+$", description=description)


Key = Annotated[
    str | None,
    idempotency_key(
        "A key of the client's for this one request: when it comes again, the answer is the same. Kept 30 days."
    ),
]
DryRun = Annotated[bool, Query(description="Answer what would change, and write nothing.")]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=100,
        pattern=r'^(\*|(W/)?"?[0-9]{1,15}"?)$',
        description="The `ETag` (the revision) that was seen: 412 when the terms were changed since.",
    ),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """How a write is asked for."""

    request: Request
    dry_run: bool
    key: str | None = None

    def content(self, body: object) -> dict[str, Any]:
        """Return what the key stands for: another request with the same key is a mistake."""
        return {"method": self.request.method, "path": self.request.url.path, "body": jsonable_encoder(body)}


async def posted(request: Request, dry_run: DryRun = False, key: Key = None) -> Asked:
    return Asked(request, dry_run, key)


async def written(request: Request, dry_run: DryRun = False) -> Asked:
    return Asked(request, dry_run)


Posted = Annotated[Asked, Depends(posted)]
Written = Annotated[Asked, Depends(written)]


def actor(caller: Caller) -> Actor:
    """Return who a change is noted for."""
    if caller.person_id is not None:
        return Actor(ActorKind.PERSON, caller.name, caller.person_id)
    return Actor(ActorKind.TOKEN, caller.name, caller.token_id)


def revision(if_match: str | None) -> int | None:
    """Return the revision that an `If-Match` names; None for `*` and for none."""
    digits = (if_match or "").removeprefix("W/").strip('"')
    return int(digits) if digits.isdecimal() else None


def once(
    db: Connection,
    caller: Caller,
    asked: Asked,
    body: object,
    work: Callable[[Session], Mapping[str, Any]],
    *,
    contract: int | None = None,
    status: int = 200,
) -> Response:
    """Do the work in one transaction and answer with what it returns; a key that was answered gets its answer again.

    A dry run is rolled back, answers 200 and leaves the key free; `contract` is the id of the contract that it changes. The
    work may say the status itself, as `status` among what it returns.
    """
    owner = _owner(caller)
    if asked.dry_run:
        with rehearsal(db.open(), contract) as session:
            return _json({**work(session), "dry_run": True} | {"status": 200})
    with db.session() as session:
        if asked.key is not None and (before := _before(session, owner, asked, body)) is not None:
            return _replayed(before)
        answer = _json({"status": status, **work(session)})
        if asked.key is not None:
            kept = Answer(answer.status_code, bytes(answer.body).decode())
            answered.remember(session, owner, asked.key, asked.content(body), kept)
    return answer


def remembered(
    db: Connection, caller: Caller, asked: Asked, work: Callable[[], Mapping[str, Any]], body: object = None
) -> Response:
    """Like `once`, for work that asks Google between transactions of its own. It bears being done twice."""
    owner = _owner(caller)
    if asked.key is not None and not asked.dry_run:
        with db.session() as session:
            if (before := _before(session, owner, asked, body)) is not None:
                return _replayed(before)
    answer = _json({"status": 200, **work()})
    if asked.key is not None and not asked.dry_run:
        with db.session() as session:
            if _before(session, owner, asked, body) is None:
                kept = Answer(200, bytes(answer.body).decode())
                answered.remember(session, owner, asked.key, asked.content(body), kept)
    return answer


def _owner(caller: Caller) -> str:
    by = actor(caller)
    return f"{by.kind} {by.id}"


def _replayed(before: Answer) -> Response:
    return Response(before.body, before.status, {"Idempotent-Replayed": "true"}, "application/json")


def _before(session: Session, owner: str, asked: Asked, body: object) -> Answer | None:
    assert asked.key is not None
    try:
        return answered.answer_to(session, owner, asked.key, asked.content(body))
    except KeyReused as error:
        raise Problem(422, error.message, error.code) from None


def _json(answer: Mapping[str, Any]) -> JSONResponse:
    headers = {"ETag": f'"{answer["revision"]}"'} if "revision" in answer else None
    content = {name: value for name, value in answer.items() if name != "status"}
    return JSONResponse(jsonable_encoder(content), answer["status"], headers)
