"""Checkout intents: a shop reserves and reads them, the provisioning side reports on them, events alone make them paid."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from b2b_pipelines.api.auth import InstallationBuyer, Provisioner
from b2b_pipelines.api.database import Db
from b2b_pipelines.api.errors import Problem, answers
from b2b_pipelines.api.fields import API, LARGEST_ID, NOT_BLANK, Body, LearnerIn, Text, says_something
from b2b_pipelines.api.learners import person
from b2b_pipelines.api.pagination import Page, Paging
from b2b_pipelines.intents import service, store
from b2b_pipelines.intents.models import CheckoutIntent
from b2b_pipelines.intents.rules import ERRORED, IntentState
from b2b_pipelines.intents.service import IntentErrored, PlaceTaken, Wish
from b2b_pipelines.learners.service import reporting_conflicts
from b2b_pipelines.tokens.service import Caller

router = APIRouter(prefix=f"{API}/checkout-intents", tags=["checkout intents"])


DEEPEST_TERMS = 20


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """Return the value if PostgreSQL can store it as JSON and every reader can parse it.

    Raise ValueError if it is nested too deeply or holds NaN, half characters or NUL.
    """
    if _is_deeper(value, DEEPEST_TERMS):
        raise ValueError(f"is nested more than {DEEPEST_TERMS} levels deep")
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        raise ValueError("holds something that JSON cannot carry") from None
    if _has_nul(value):
        raise ValueError("must not contain the character NUL")
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested in more than so many levels."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is not None and (levels == 0 or any(_is_deeper(each, levels - 1) for each in inner))


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any("\x00" in key or _has_nul(inner) for key, inner in value.items())
    return any(map(_has_nul, value)) if isinstance(value, list) else isinstance(value, str) and "\x00" in value


Short = Annotated[Text, StringConstraints(strip_whitespace=True, max_length=255)]
Terms = Annotated[dict[str, Any], AfterValidator(_storable)]
Reason = Annotated[
    Text,
    StringConstraints(strip_whitespace=True, max_length=2000),
    AfterValidator(says_something),
    Field(json_schema_extra=NOT_BLANK),
]
Quantity = Annotated[int, Field(strict=True, ge=1, le=LARGEST_ID)]


class IntentIn(Body):
    """The purchase that a learner intends to make. The caller cannot set its state."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "learner": {"email": "jane@example.com", "name": "Jane"},
                    "stripe_product_id": "prod_Q1w2E3r4",
                    "quantity": 1,
                    "country": "DE",
                    "terms_metadata": {"accepted": "2026-11-01"},
                }
            ]
        }
    )

    learner: LearnerIn
    stripe_product_id: Short | None = Field(
        None, description='The academy\'s product at Stripe; `""` is the Teams plan.'
    )
    enterprise_name: Short | None = None
    enterprise_slug: Short | None = Field(None, description="Comes with enterprise_name, or neither does.")
    quantity: Quantity | None = Field(None, description="1 if omitted.")
    country: Short | None = None
    terms_metadata: Terms | None = Field(
        None, description="Merged into what an open intent has; at most 20 levels deep, and 64 KiB in all."
    )


class IntentPatch(Body):
    """The fields of an intent that may be changed; terms are merged."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"country": "FR"}]})

    country: Short | None = None
    terms_metadata: Terms | None = None


class ErroredIn(Body):
    """How a paid intent went wrong."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"state": "errored_provisioning", "reason": "no subscription could be made"}]}
    )

    state: str = Field(json_schema_extra={"enum": [str(state) for state in sorted(ERRORED)]})
    reason: Reason


class LearnerOut(BaseModel):
    email: str = Field(description="Masked unless the token has the scope `emails`.")
    name: str
    lms_user_id: int | None


class PaymentOut(BaseModel):
    """The checkout session that paid. Amounts are in minor units of the currency."""

    session: str
    amount_total: int | None
    currency: str | None
    products: list[str] = Field(default=[], description="Stripe's products, as far as the session names them.")
    differences: list[str] = Field(default=[], description="How the session differs from what the intent was for.")
    at: datetime


class MoneyBackOut(BaseModel):
    """A refund, a dispute or a failed invoice. The amount is in minor units of the currency."""

    type: str = Field(description="Stripe's event type.")
    amount: int | None
    currency: str | None
    time: datetime


class IntentOut(BaseModel):
    """A learner's attempt to buy."""

    uuid: UUID
    learner: LearnerOut
    state: IntentState
    stripe_product_id: str
    enterprise_name: str
    enterprise_slug: str
    quantity: int
    country: str
    terms_metadata: dict[str, Any]
    stripe_checkout_session_id: str
    expires_at: datetime = Field(
        description="When the reservation of an intent that is not paid ends, unless a payment is pending."
    )
    pending_since: datetime | None = Field(
        description="Since when a slow payment (bank debit) is on its way: the intent holds its place without expiring."
    )
    payment: PaymentOut | None
    money_back: list[MoneyBackOut]
    last_error: str
    created_at: datetime
    state_changed_at: datetime


REFUSED = answers(400, 401, 403)
TYPED = ("enterprise_name", "country", "terms_metadata", "last_error")
"""Fields that hold what people typed."""


@router.post(
    "/",
    summary="Reserve: make the learner's intent for a product, or update the open one",
    status_code=201,
    response_model=IntentOut,
    responses={
        **answers(400, 401, 403, 409, 422),
        200: {"description": "It existed: an open one is updated, a paid one unchanged.", "model": IntentOut},
    },
)
def reserve_intent(
    request: Request, response: Response, caller: InstallationBuyer, db: Db, wanted: IntentIn
) -> IntentOut:
    """201 when it is new. An open one is updated and its reservation renewed, a paid one comes back unchanged (200).
    While a payment is pending, quantity, slug and name stay as they are. 409 `learner_conflict` when another learner has
    the address of a known LMS user. 422 when the last attempt went wrong, or the slug or name is reserved by another."""
    wish = Wish(
        learner=person(wanted.learner),
        stripe_product_id=wanted.stripe_product_id or "",
        enterprise_name=wanted.enterprise_name or "",
        enterprise_slug=wanted.enterprise_slug or "",
        quantity=wanted.quantity,
        country=wanted.country,
        terms_metadata=wanted.terms_metadata or {},
    )
    reservation = timedelta(minutes=request.app.state.settings.intent_reservation_minutes)
    try:
        with reporting_conflicts(db) as session:
            intent, made = service.reserve(session, wish, datetime.now(UTC), reservation)
            shown = _shown(intent, caller)
    except (PlaceTaken, IntentErrored) as refusal:
        raise Problem(422, refusal.message, refusal.code) from None
    response.status_code = 201 if made else 200
    return shown


@router.get("/", summary="Intents, the newest first", response_model=Page[IntentOut], responses=REFUSED)
def list_intents(  # noqa: PLR0917 (FastAPI passes them by name)
    caller: InstallationBuyer,
    db: Db,
    window: Paging,
    learner: Annotated[Text | None, Query(description="An e-mail address.")] = None,
    stripe_product_id: Annotated[Text | None, Query(description='`""` is the Teams plan.')] = None,
    state: IntentState | None = None,
) -> dict[str, Any]:
    with db.session() as session:
        count, found = store.page(
            session,
            learner=learner.strip() if learner else None,
            stripe_product_id=stripe_product_id,
            state=state,
            limit=window.limit,
            offset=window.offset,
        )
        return window.envelope(count, [_shown(intent, caller) for intent in found])


@router.get(
    "/current/",
    summary="The learner's newest intent that is open or paid",
    response_model=IntentOut,
    responses=answers(400, 401, 403, 404),
)
def get_current_intent(
    caller: InstallationBuyer,
    db: Db,
    learner: Annotated[Text, Query(min_length=1, description="An e-mail address.")],
    stripe_product_id: Annotated[Text | None, Query(description='`""` is the Teams plan.')] = None,
    enterprise_slug: Annotated[Text | None, Query()] = None,
) -> IntentOut:
    """Created and not past its reservation, or paid."""
    with db.session() as session:
        found = store.for_user(
            session,
            learner.strip(),
            datetime.now(UTC),
            stripe_product_id=stripe_product_id,
            enterprise_slug=enterprise_slug.strip() if enterprise_slug else None,
        )
        if found is None:
            raise Problem(404, "The learner has no open intent like that.", "not_found")
        return _shown(found, caller)


@router.get("/{uuid:uuid}/", summary="An intent", response_model=IntentOut, responses=answers(400, 401, 403, 404))
def get_intent(caller: InstallationBuyer, db: Db, uuid: UUID) -> IntentOut:
    with db.session() as session:
        return _shown(service.find(session, uuid), caller)


@router.patch(
    "/{uuid:uuid}/",
    summary="Change an intent's country or terms",
    response_model=IntentOut,
    responses=answers(400, 401, 403, 404),
)
def update_intent(caller: InstallationBuyer, db: Db, uuid: UUID, changes: IntentPatch) -> IntentOut:
    """Any other field is refused, the state too: events alone change it."""
    with db.session() as session:
        intent = service.amend(session, uuid, country=changes.country, terms_metadata=changes.terms_metadata)
        return _shown(intent, caller)


@router.post(
    "/{uuid:uuid}/fulfilled/",
    summary="Report that a purchase was fulfilled",
    response_model=IntentOut,
    responses=answers(400, 401, 403, 404, 409),
)
def report_intent_fulfilled(caller: Provisioner, db: Db, uuid: UUID) -> IntentOut:
    """Mark a paid or errored intent as fulfilled. A repeated call changes nothing."""
    with db.session() as session:
        return _shown(service.fulfill(session, uuid, datetime.now(UTC)), caller)


@router.post(
    "/{uuid:uuid}/errored/",
    summary="Report that a paid intent went wrong",
    response_model=IntentOut,
    responses=answers(400, 401, 403, 404, 409),
)
def report_intent_errored(caller: Provisioner, db: Db, uuid: UUID, report: ErroredIn) -> IntentOut:
    with db.session() as session:
        return _shown(service.fail(session, uuid, report.state, report.reason, datetime.now(UTC)), caller)


def _shown(intent: CheckoutIntent, caller: Caller) -> IntentOut:
    """Return an intent as the caller may see it: anyone may have typed an address into its texts."""
    shown = IntentOut.model_validate(intent, from_attributes=True)
    learner = {"email": caller.address(shown.learner.email), "name": caller.seen(shown.learner.name)}
    typed = {name: caller.seen(getattr(shown, name)) for name in TYPED}
    return shown.model_copy(update={**typed, "learner": shown.learner.model_copy(update=learner)})
