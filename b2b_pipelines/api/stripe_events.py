"""`/stripe/events/`: what Stripe tells of payments. Signed instead of a token."""

import logging
from datetime import UTC, datetime
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, BackgroundTasks, Header, Request
from pydantic import BaseModel, Field

from b2b_pipelines.alerts import outbox
from b2b_pipelines.alerts.webhook import style_of
from b2b_pipelines.api.database import Connection, ReservedDb
from b2b_pipelines.api.errors import answers
from b2b_pipelines.api.fields import API
from b2b_pipelines.errors import NotConfigured
from b2b_pipelines.intents import payments
from b2b_pipelines.intents.payments import EventOutcome
from b2b_pipelines.intents.rules import Effect
from b2b_pipelines.settings import Settings
from b2b_pipelines.vendors.stripe import verified_event

router = APIRouter(prefix=API, tags=["checkout intents"])

REPLAYED = "replayed"

log = logging.getLogger(__name__)


class EventReceived(BaseModel):
    """The event is recorded."""

    effect: str = Field(
        description=f"{', '.join(f'`{effect}`' for effect in Effect)}, or `replayed`: the event id came before."
    )


@router.post(
    "/stripe/events/",
    summary="Receive an event of Stripe",
    response_model=EventReceived,
    responses=answers(400, 404, 413),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
    },
)
async def receive(
    request: Request,
    db: ReservedDb,
    background: BackgroundTasks,
    stripe_signature: Annotated[str | None, Header(description="Stripe's signature of the raw body.")] = None,
) -> EventReceived:
    """The signature over the raw body must be Stripe's, and its time within five minutes of ours (400). Each event has
    its effect once, however often it is delivered, and the order of events does not matter."""
    settings: Settings = request.app.state.settings
    body = await request.body()
    outcome = await to_thread.run_sync(
        _receive, db, settings, body, stripe_signature, limiter=request.app.state.lanes.stripe
    )
    if settings.alert_webhook_url is not None:
        background.add_task(_tell, db, settings)
    return EventReceived(effect=outcome.effect or REPLAYED)


def _receive(db: Connection, settings: Settings, body: bytes, signature: str | None) -> EventOutcome:
    if settings.stripe_webhook_secret is None:
        raise NotConfigured("events of Stripe are off: set B2B_STRIPE_WEBHOOK_SECRET")
    event = verified_event(body, signature, settings.stripe_webhook_secret.get_secret_value())
    with db.session() as session:
        return payments.receive_event(session, event, datetime.now(UTC))


def _tell(db: Connection, settings: Settings) -> None:
    """Send what waits; what is not taken now, Dagster's sensors send."""
    try:
        outbox.send(db.open(), settings.alert_webhook_url, style_of(settings))
    except outbox.AlertNotTaken as error:
        log.warning("%s", error.message)
