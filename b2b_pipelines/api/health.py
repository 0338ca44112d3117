"""Is the process there, is its database there, and how much it does."""

import asyncio
from typing import Annotated, Literal

from anyio import CapacityLimiter, move_on_after, to_thread
from fastapi import APIRouter, Query, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from b2b_pipelines.api import client, dagster_health
from b2b_pipelines.api.auth import bearer, bearer_text, caller_of, require
from b2b_pipelines.api.database import Connection, ReservedDb
from b2b_pipelines.api.errors import answers
from b2b_pipelines.api.observability import Metrics
from b2b_pipelines.db import schema
from b2b_pipelines.db.engine import DatabaseUnavailable
from b2b_pipelines.tokens.rules import Scope

READY_SECONDS = 3.0

router = APIRouter(tags=["health"])


class Healthy(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("/healthz", summary="Liveness")
async def healthz() -> Healthy:
    """Does not ask the database: see `/readyz`."""
    return Healthy()


@router.get(
    "/readyz", summary="Readiness: the database answers and has the tables of this version", responses=answers()
)
async def readyz(
    request: Request,
    db: ReservedDb,
    dagster: Annotated[str | None, Query(include_in_schema=False)] = None,
) -> Healthy:
    """Answers 503 if the database is silent for three seconds. `/readyz?dagster` also answers 503 when Dagster's
    daemon has not reported for two and a half minutes, when a schedule or sensor fails, or a run waits for half an hour."""
    await _require_ready(request, db)
    if dagster is not None:
        await to_thread.run_sync(lambda: dagster_health.require_well(db), limiter=request.app.state.lanes.health)
    return Healthy()


async def _require_ready(request: Request, db: Connection) -> None:
    """Ask the database once for all callers, so that a frozen server blocks only one thread."""
    state = request.app.state
    asked: asyncio.Task[None] | None = getattr(state, "asked_ready", None)
    if asked is None or asked.done():
        asked = state.asked_ready = asyncio.create_task(_ask(request.app.state.lanes.health, db))
        asked.add_done_callback(lambda task: task.cancelled() or task.exception())  # all callers may have timed out
    if not (await asyncio.wait((asked,), timeout=READY_SECONDS))[0]:
        raise DatabaseUnavailable("PostgreSQL does not answer")
    if (error := asked.exception()) is not None:
        raise error


async def _ask(limiter: CapacityLimiter, db: Connection) -> None:
    await to_thread.run_sync(lambda: schema.require_current(db.engine), abandon_on_cancel=True, limiter=limiter)


@router.get(
    "/metrics",
    summary="Counts and durations, for Prometheus",
    response_class=Response,
    openapi_extra={"security": [{}]},
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **answers(401, 403)},
)
async def metrics(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
) -> Response:
    """Open to this machine; others need a token with the scope `metrics`."""
    if not client.is_local(request):
        await _require_scope(request, credentials)
    counted: Metrics = request.app.state.metrics
    connection: Connection = request.app.state.reserved
    dagster = dagster_health.unreadable()
    with move_on_after(READY_SECONDS):
        dagster = await to_thread.run_sync(
            lambda: dagster_health.gauges(connection, request.app.state.settings),
            abandon_on_cancel=True,
            limiter=request.app.state.lanes.health,
        )
    return Response(generate_latest(counted.registry) + generate_latest(dagster), media_type=CONTENT_TYPE_LATEST)


async def _require_scope(request: Request, credentials: HTTPAuthorizationCredentials | None) -> None:
    connection: Connection = request.app.state.reserved
    text = await bearer_text(credentials)
    caller = await to_thread.run_sync(lambda: caller_of(connection, text), limiter=request.app.state.lanes.health)
    require(caller, Scope.METRICS, whole_installation=True)
