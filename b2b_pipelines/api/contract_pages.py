"""Pages to read: the contracts, one contract, its history, and what differs between two snapshots."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from b2b_pipelines.api import wording
from b2b_pipelines.api.catalog import change_shown
from b2b_pipelines.api.contracts import masked_cell, seen_contract, seen_snapshot
from b2b_pipelines.api.database import Db
from b2b_pipelines.api.page_routes import Number, PageNumber, PageRoute, manages, slice_of, turning
from b2b_pipelines.api.rendering import render
from b2b_pipelines.api.sign_in import SignedIn
from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.delivery import set_up
from b2b_pipelines.delivery.deliver import is_delivered
from b2b_pipelines.faults import store as fault_store
from b2b_pipelines.privacy import masked_anywhere
from b2b_pipelines.reports import contracts as listed
from b2b_pipelines.reports import courseware, workplace
from b2b_pipelines.reports.workplace import Card, Order, SheetState, Wanted
from b2b_pipelines.sheets import history
from b2b_pipelines.sheets import store as sheet_store
from b2b_pipelines.sheets.differences import Change, differences
from b2b_pipelines.sheets.explained import explained
from b2b_pipelines.tokens.service import Caller

A_PAGE = 100
SNAPSHOTS_A_PAGE = 50
MOST_RUNS = 200
MOST_CONFLICTS = 100
MOST_DIFFERENCES = 1000
FEW_CHANGES = 5

router = APIRouter(route_class=PageRoute, include_in_schema=False)

Text = Annotated[str, Query(max_length=255)]


@router.get("/", name="contracts_page")
def contracts_page(
    *,
    request: Request,
    db: Db,
    caller: SignedIn,
    page: PageNumber = 1,
    search: Text = "",
    organization: Text = "",
    active: Text = "",
    integration: Annotated[str, Query(alias="type", max_length=10)] = "",
    state: Text = "",
    sort: Text = "",
) -> Response:
    """The contracts, failing ones first. A filter that is not known is ignored."""
    wanted = Wanted(
        search=search or None,
        organization=int(organization) if organization.isdecimal() and len(organization) < 16 else None,
        active={"yes": True, "no": False}.get(active),
        integration_type=_one_of(IntegrationType, integration),
        state=_one_of(SheetState, state),
        order=_one_of(Order, sort) or Order.ATTENTION,
        bound_to=caller.organization_id,
    )
    with db.session() as session:
        count, cards = workplace.cards(session, wanted, slice_of(page, A_PAGE))
        names = listed.organization_names(session, caller.organization_id)
    return render(
        request,
        "contracts.html",
        caller,
        cards=cards,
        count=count,
        wanted=wanted,
        filtered=any(
            (wanted.search, wanted.organization, wanted.active is not None, wanted.integration_type, wanted.state)
        ),
        organizations=names,
        states=wording.SHEET_STATES,
        may_manage=manages(caller),
        today=datetime.now(UTC).date(),
        turning=turning(request, page, count, A_PAGE),
    )


@router.get("/contracts/{slug}", name="contract_page")
def contract_page(request: Request, db: Db, caller: SignedIn, slug: str) -> Response:
    """A contract: its terms, courseware, sheet and last changes."""
    with db.session() as session:
        contract = seen_contract(session, caller, slug)
        card = card_of(session, contract)
        count, runs = courseware.runs(session, contract.id, slice_of(1, MOST_RUNS))
        last = _last_snapshot(session, contract, card)
        _, changes = listed.changes(session, contract.id, slice_of(1, FEW_CHANGES))
        faults = [
            fault
            for fault in fault_store.of_partition(session, slug)
            if card.verified_at is None or fault.since >= card.verified_at
        ]
        conflicts = explained(last, contract.sheet_url) if last else []
        values: dict[str, Any] = {
            "runs": sorted(runs, key=lambda run: run["edx_state"] != "failed"),
            "runs_count": count,
            "steps": set_up.of(session, contract),
            "conflicts": conflicts[:MOST_CONFLICTS],
            "conflicts_count": len(conflicts),
            "changes": [change_shown(row, caller) for row in changes],
            "faults": faults,
            "before": next(iter(sheet_store.before(session, contract.id)), None),
            "given": courseware.given(session, contract.id),
        }
    return contract_view(request, "contract.html", caller, contract, card, **values)


@router.get("/contracts/{slug}/history", name="history_page")
def history_page(request: Request, db: Db, caller: SignedIn, slug: str, page: PageNumber = 1) -> Response:
    """Show each change with its author and time, and what the syncs wrote."""
    with db.session() as session:
        contract = seen_contract(session, caller, slug)
        card = card_of(session, contract)
        rows = slice_of(page, SNAPSHOTS_A_PAGE)
        changes_count, changes = listed.changes(session, contract.id, rows)
        count, snapshots = history.page(session, contract.id, rows.limit, rows.offset)
        before = next(iter(sheet_store.before(session, contract.id)), None)
    return contract_view(
        request,
        "history.html",
        caller,
        contract,
        card,
        changes=[change_shown(row, caller) for row in changes],
        changes_count=changes_count,
        snapshots=snapshots,
        count=count,
        before=before,
        turning=turning(request, page, max(count, changes_count), SNAPSHOTS_A_PAGE),
    )


@router.get("/contracts/{slug}/compare", name="compare_page")
def compare_page(request: Request, db: Db, caller: SignedIn, slug: str, *, earlier: Number, later: Number) -> Response:
    """Show the differences between two snapshots, given in either order."""
    first, second = sorted((earlier, later))
    with db.session() as session:
        contract = seen_contract(session, caller, slug)
        before, after = (seen_snapshot(session, contract, number) for number in (first, second))
        card = card_of(session, contract)
    changes = differences(before.rows, after.rows)
    return contract_view(
        request,
        "compare.html",
        caller,
        contract,
        card,
        before=before,
        after=after,
        counts=Counter(change.kind for change in changes),
        changes=[_as_seen(change, caller) for change in changes[:MOST_DIFFERENCES]],
        unshown=max(len(changes) - MOST_DIFFERENCES, 0),
    )


def card_of(session: Session, contract: Contract) -> Card:
    """Return a contract at a glance."""
    return workplace.cards(session, Wanted(slug=contract.slug), slice_of(1, 1))[1][0]


def contract_view(
    request: Request, template: str, caller: Caller, contract: Contract, card: Card, *, status: int = 200, **values: Any
) -> Response:
    """Return a page of a contract, with its heading and its tabs."""
    return render(
        request,
        template,
        caller,
        status=status,
        contract=contract,
        card=card,
        today=datetime.now(UTC).date(),
        may_manage=manages(caller),
        states=wording.SHEET_STATES,
        words=wording,
        **values,
    )


def confirmation(
    request: Request,
    caller: Caller,
    contract: Contract,
    card: Card,
    *,
    title: str,
    lines: list[str],
    action: str,
    hidden: Mapping[str, str],
    button: str,
) -> Response:
    """Return the page that asks before a change, with its effects as `lines` and a form with `hidden` fields."""
    return contract_view(
        request,
        "confirm.html",
        caller,
        contract,
        card,
        title=title,
        lines=lines,
        action=action,
        hidden=hidden,
        button=button,
    )


def sheet_sentence(session: Session, contract: Contract) -> str:
    """Return when the sheet shows the change that was just made."""
    session.flush()
    current = contract_store.contract(session, contract.slug)
    return wording.sheet_follows(delivered=is_delivered(session, current), has_sheet=current.sheet_url is not None)


def _last_snapshot(session: Session, contract: Contract, card: Card) -> Any:
    """Return the last snapshot with its rows if it had conflicts that still hold for the contract's sheet."""
    if not card.conflicts:
        return None
    last = history.last_syncs(session, [contract.id]).get(contract.id)
    return history.snapshot(session, contract.id, last.snapshot_id) if last else None


def _one_of(kind: Any, text: str) -> Any:
    return kind(text) if text in set(kind) else None


def _as_seen(change: Change, caller: Caller) -> Change:
    """A change with its e-mail addresses masked, if the caller does not see them."""
    if caller.sees_emails:
        return change
    cells = tuple(
        (header, masked_cell(was), masked_cell(became))
        if header == "Redeemed By"
        else (header, masked_anywhere(was), masked_anywhere(became))
        for header, was, became in change.cells
    )
    return Change(masked_anywhere(change.code), change.row_before, change.row_after, cells)
