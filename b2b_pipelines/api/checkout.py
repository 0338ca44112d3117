"""Checkout: quoting a basket, and checking it out once."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi import Body as InBody
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from b2b_pipelines.api.auth import Buyer
from b2b_pipelines.api.contracts import Money
from b2b_pipelines.api.database import Connection, Db, in_thread, takes_its_own_turn, turn_to_write
from b2b_pipelines.api.errors import Problem, answers
from b2b_pipelines.api.fields import API, NOT_BLANK, Body, Id, LearnerIn, Text, says_something
from b2b_pipelines.api.learners import person
from b2b_pipelines.api.writing import idempotency_key
from b2b_pipelines.checkout import service
from b2b_pipelines.checkout.rules import Reason
from b2b_pipelines.checkout.service import Basket, Checkout
from b2b_pipelines.db.answered import KeyReused
from b2b_pipelines.settings import Settings
from b2b_pipelines.tokens.service import Caller

router = APIRouter(prefix=API, tags=["checkout"])

MOST_LINES = 100


Reference = Annotated[Text, AfterValidator(says_something), Field(max_length=255, json_schema_extra=NOT_BLANK)]


class BasketIn(Body):
    """A learner, the products they want, and the codes they have. `payment_reference` says that it is paid."""

    learner: LearnerIn
    products: Annotated[list[Id], Field(max_length=MOST_LINES)]
    codes: list[Annotated[Text, Field(max_length=100)]] = Field(default_factory=list, max_length=MOST_LINES)
    payment_reference: Reference | None = None


class RefusalOut(BaseModel):
    """Why the basket is refused, and the product or code that it concerns."""

    error_code: Reason
    product: int | None = None
    code: str | None = None


class LineOut(BaseModel):
    product: int
    code: str | None
    amount: Money


class CheckoutOut(BaseModel):
    """The decision on a basket. A refused one has no lines; `order` is there once it is completed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "allowed": True,
                    "refusals": [],
                    "lines": [{"product": 11, "code": "f54438cb-93f7-43ed-86b1-2a793787c284", "amount": "0.00"}],
                    "total": "0.00",
                    "currency": "usd",
                    "payment_required": False,
                    "completed": True,
                    "order": "B2B-00000042",
                }
            ]
        }
    )

    allowed: bool
    refusals: list[RefusalOut]
    lines: list[LineOut]
    total: Money
    currency: str
    payment_required: bool
    completed: bool
    order: str | None


class CheckoutRefused(CheckoutOut):
    """The decision, with its reason as of every other refusal."""

    detail: str
    error_code: str


Wanted = Annotated[
    BasketIn,
    InBody(
        openapi_examples={
            "with a code": {
                "value": {
                    "learner": {"email": "jane@example.com", "name": "Jane"},
                    "products": [11],
                    "codes": ["f54438cb-93f7-43ed-86b1-2a793787c284"],
                }
            }
        }
    ),
]
Key = Annotated[
    str | None,
    idempotency_key(
        "A key of the client's for this one checkout. When it completed, the same key gets the same answer."
    ),
]


@router.post(
    "/checkout/quote/",
    summary="Decide on a basket",
    response_model=CheckoutOut,
    responses=answers(401, 403),
)
def quote_basket(request: Request, db: Db, caller: Buyer, basket: Wanted) -> JSONResponse:
    """Says whether the basket may be checked out and for how much; writes nothing. Refusals are part of the answer."""
    settings: Settings = request.app.state.settings
    with db.session() as session:
        decided = service.quote(session, _basket(basket), datetime.now(UTC), caller.organization_id)
    return JSONResponse(_answer(decided, settings.currency))


@router.post(
    "/checkout/",
    status_code=201,
    summary="Check out a basket",
    response_model=CheckoutOut,
    responses={
        200: {"model": CheckoutOut, "description": "This `Idempotency-Key` completed this checkout before."},
        **answers(401, 403, 422),
        402: {"model": CheckoutRefused, "description": "It costs something: call again with a payment reference."},
        409: {"model": CheckoutRefused, "description": "The basket is refused."},
    },
)
@takes_its_own_turn
async def check_out_basket(request: Request, db: Db, caller: Buyer, basket: Wanted, key: Key = None) -> Response:
    """Decides again, and completes at once what costs nothing or comes with a payment reference.

    A completed checkout is remembered under its `Idempotency-Key`; 402 and 409 change nothing, and leave the key free.
    A key that completed something else is refused with 422 `idempotency_key_reused`.
    """
    settings: Settings = request.app.state.settings
    contracts = await to_thread.run_sync(_contracts_of, db, _basket(basket))
    things = [("contract", contract) for contract in contracts] or [("checkout", caller.token_id)]
    async with turn_to_write(request, *things) as turn:
        return await in_thread(request, lambda: _check_out(turn, settings, caller, basket, key))


def _contracts_of(db: Connection, basket: Basket) -> set[int]:
    """Return the contracts that a checkout locks."""
    with db.reading() as session:
        return service.contracts_of(session, basket)


def _check_out(db: Connection, settings: Settings, caller: Caller, basket: BasketIn, key: str | None) -> Response:
    asked = basket.model_dump(mode="json")
    with db.session() as session:
        if key is not None and (before := _before(session, caller.token_id, key, asked)) is not None:
            return Response(before, 200, media_type="application/json")
        decided = service.checkout(
            session, _basket(basket), datetime.now(UTC), settings.currency, caller.organization_id
        )
        answer = _response(decided, _answer(decided, settings.currency))
        if decided.order is not None and key is not None:
            service.remember(session, caller.token_id, key, asked, bytes(answer.body).decode())
    return answer


def _before(session: Session, token_id: int, key: str, asked: dict[str, Any]) -> str | None:
    try:
        return service.answered_before(session, token_id, key, asked)
    except KeyReused as error:
        raise Problem(422, error.message, error.code) from None


def _basket(basket: BasketIn) -> Basket:
    codes = tuple(code.strip().lower() for code in basket.codes)
    return Basket(person(basket.learner), tuple(basket.products), codes, basket.payment_reference)


def _answer(decided: Checkout, currency: str) -> dict[str, Any]:
    body = CheckoutOut(
        allowed=decided.quote.allowed,
        refusals=[RefusalOut(**asdict(refusal)) for refusal in decided.quote.refusals],
        lines=[LineOut(**asdict(line)) for line in decided.quote.lines],
        total=decided.quote.total,
        currency=currency,
        payment_required=decided.payment_required,
        completed=decided.order is not None,
        order=decided.order,
    )
    answer = body.model_dump(mode="json")
    answer["refusals"] = [
        {key: value for key, value in refusal.items() if value is not None} for refusal in answer["refusals"]
    ]
    return answer


def _response(decided: Checkout, answer: dict[str, Any]) -> JSONResponse:
    if not decided.quote.allowed:
        reasons = [refusal.error_code.value for refusal in decided.quote.refusals]
        refused = {"detail": f"The basket is refused: {', '.join(dict.fromkeys(reasons))}.", "error_code": reasons[0]}
        return JSONResponse(answer | refused, 409)
    if decided.payment_required:
        words = f"{answer['total']} {answer['currency']} to be paid: call again with a payment reference."
        return JSONResponse(answer | {"detail": words, "error_code": "payment_required"}, 402)
    return JSONResponse(answer, 201)
