"""Pages over everything: licenses and what is decided about them, the published academies, and what is wrong now."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from b2b_pipelines.academies import service as academies
from b2b_pipelines.academies import store as academy_store
from b2b_pipelines.alerts import outbox
from b2b_pipelines.api.database import Db
from b2b_pipelines.api.notes import answered
from b2b_pipelines.api.page_routes import Everywhere, Fields, PageNumber, PageRoute, slice_of, turning
from b2b_pipelines.api.rendering import render
from b2b_pipelines.api.sign_in import OurForm
from b2b_pipelines.errors import NotFound
from b2b_pipelines.faults import store as faults
from b2b_pipelines.licenses import brakes, service, store, verdicts
from b2b_pipelines.licenses.facts import Policy
from b2b_pipelines.licenses.rules import Decision
from b2b_pipelines.licenses.verdicts import Tally
from b2b_pipelines.reports import operations

A_PAGE = 100

DECISIONS = {
    Decision.HELD: "Held",
    Decision.RENEWED: "Renewed",
    Decision.PLAN_RENEWAL_PENDING: "Renewal pending",
    Decision.TERMINATE: "Enrollments end next",
    Decision.IN_GRACE: "In grace period",
    Decision.ALREADY_UNLINKED: "Unlinked",
    Decision.NO_EMAIL: "No address",
    Decision.REFUSED: "Refused by the LMS",
    Decision.PROTECTED: "Protected by another license",
    Decision.UNLINK_DISABLED: "Unlinking is off",
    Decision.UNLINK: "Unlinked next",
}

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass
class CustomerCard:
    """A customer with what is decided about its expired licenses, and how many people are unlinked on which day."""

    uuid: UUID
    name: str
    plans: int
    licenses: int
    expired_plans: int
    unlinking: bool
    decisions: dict[Decision, int] = field(default_factory=dict)
    ahead: list[tuple[date, int]] = field(default_factory=list)
    next: int = 0


@router.get("/licenses/", name="licenses_page")
def licenses_page(request: Request, db: Db, caller: Everywhere) -> Response:
    """The customers, what happens to their learners and when, and the plans that are held."""
    policy = service.policy(request.app.state.settings, datetime.now(UTC))
    with db.session() as session:
        counts = store.customer_counts(session)
        tallies = verdicts.tallies(session, policy)
        held = brakes.held_plans(session, policy.now, policy.hold)
    cards = _customers(counts, tallies, policy)
    return render(
        request,
        "licenses.html",
        caller,
        customers=cards,
        held=held,
        held_people=_held_people(tallies),
        names={card.uuid: card.name for card in cards},
        labels=DECISIONS,
    )


@router.get("/licenses/{customer}", name="decisions_page")
def decisions_page(
    *, request: Request, db: Db, caller: Everywhere, customer: UUID, page: PageNumber = 1, decision: str = ""
) -> Response:
    """A customer's expired licenses, each with its decision and the reason."""
    policy = service.policy(request.app.state.settings, datetime.now(UTC))
    wanted = Decision(decision) if decision in set(Decision) else None
    rows = slice_of(page, A_PAGE)
    with db.session() as session:
        name = store.agreements(session, customer)[0].shown_name
        found = verdicts.decide(
            session, policy, customer=customer, decision=wanted, limit=rows.limit, offset=rows.offset
        )
    return render(
        request,
        "decisions.html",
        caller,
        customer=customer,
        name=name,
        decisions=[(row.verdict, row.verdict.reason(policy), caller.address(row.address)) for row in found.decided],
        count=found.total,
        decision=wanted,
        labels=DECISIONS,
        turning=turning(request, page, found.total, A_PAGE),
    )


@router.post("/licenses/confirm", name="confirm_plan_form", dependencies=[OurForm])
def confirm_plan_form(request: Request, db: Db, caller: Everywhere, fields: Fields) -> Response:
    """End the hold of a plan: its moved expiration date is right."""
    if not caller.manages:
        raise NotFound("ending a hold needs the right to manage")
    policy = service.policy(request.app.state.settings, datetime.now(UTC))
    try:
        plan = UUID(fields.get("plan", ""))
    except ValueError:
        raise NotFound("no such plan") from None
    with db.session() as session:
        _, held = service.confirm_plan(session, plan, policy)
    page = request.url_for("licenses_page").path
    if held is None:
        return answered(request, page, f"Plan {plan} is not held. Nothing was changed.")
    return answered(
        request, page, f"Confirmed: plan {plan} ended {held.moved_to:%Y-%m-%d}. The next run acts on its licenses."
    )


@router.get("/academies/", name="academies_page")
def academies_page(request: Request, db: Db, caller: Everywhere) -> Response:
    """The list as it is published, what was refused and why, and what changed last."""
    with db.session() as session:
        last = academy_store.publication(session)
        published_at = last.published_at if last else None
        _, products, times = academy_store.shown(session)
        refused, unmatched = (last.refused, last.unmatched) if last else ([], [])
        changes = [
            (change.changed_at, change.kind, change.uuid, sorted(change.changes))
            for change in academy_store.changes(session, 20)
        ]
        names = {product.uuid: product.name for product in academy_store.products(session)}
    return render(
        request,
        "academies.html",
        caller,
        products=sorted(products, key=lambda product: (product.display_order, product.name, product.uuid)),
        times=times,
        published_at=published_at,
        refused=refused,
        unmatched=unmatched,
        notes=academies.notes_on(products),
        changes=changes,
        names=names,
    )


@router.get("/status/", name="status_page")
def status_page(request: Request, db: Db, caller: Everywhere) -> Response:
    """Show the current faults (since when, alert sent or not) and the numbers of `/metrics`."""
    settings = request.app.state.settings
    with db.session() as session:
        found = faults.current(session)
        facts = operations.facts(session, settings, datetime.now(UTC))
        unsent = outbox.waiting(session)[1]
    return render(
        request,
        "status.html",
        caller,
        lines=found,
        facts=facts,
        unsent=unsent,
        webhook=settings.alert_webhook_url is not None,
    )


def _customers(counts: Sequence[Any], tallies: Sequence[Tally], policy: Policy) -> list[CustomerCard]:
    """Return the customers by name, each with its decisions. `ahead` is empty where unlinking is off."""
    cards = {
        row.customer: CustomerCard(
            row.customer,
            row.name or str(row.customer),
            row.plans,
            row.licenses,
            row.expired_plans,
            row.customer in policy.unlinking,
        )
        for row in counts
    }
    ahead: dict[UUID, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for tally in tallies:
        card = cards[tally.customer]
        card.decisions[tally.decision] = card.decisions.get(tally.decision, 0) + tally.licenses
        day = tally.unlinked_on(policy)
        if card.unlinking and day is not None:
            ahead[tally.customer][day.date()] += tally.people
        if tally.decision == Decision.UNLINK:
            card.next += tally.people
    for customer, days in ahead.items():
        cards[customer].ahead = sorted(days.items())
    return list(cards.values())


def _held_people(tallies: Sequence[Tally]) -> dict[tuple[UUID, datetime], int]:
    """Return how many people a hold keeps, by customer and the moved expiration date."""
    people: dict[tuple[UUID, datetime], int] = defaultdict(int)
    for tally in tallies:
        if tally.decision == Decision.HELD:
            people[tally.customer, tally.expiration_date] += tally.people
    return people
