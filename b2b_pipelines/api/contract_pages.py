"""Pages to read: the contracts, one contract, its history, and what differs between two snapshots."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from b2b_pipelines.api import wording
from b2b_pipelines.api.catalog import change_shown
from b2b_pipelines.api.contracts import seen_cell, seen_contract, seen_snapshot
from b2b_pipelines.api.database import Db
from b2b_pipelines.api.page_routes import Number, PageNumber, PageRoute, slice_of, turning
from b2b_pipelines.api.rendering import render
from b2b_pipelines.api.sign_in import SignedIn
from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.delivery import set_up
from b2b_pipelines.delivery.deliver import is_delivered
from b2b_pipelines.faults import store as fault_store
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
        turning=turning(request, page, count, A_PAGE),
    )


@router.get("/contracts/{slug}", name="contract_page")
def contract_page(request: Request, db: Db, caller: SignedIn, slug: str) -> Response:
    """A contract: its terms, courseware, sheet and last changes."""
    with db.session() as session:
        view = view_of(request, session, caller, slug)
        contract, verified_at = view.contract, view.card.verified_at
        count, runs = courseware.runs(session, contract.id, slice_of(1, MOST_RUNS))
        _, changes = listed.changes(session, contract.id, slice_of(1, FEW_CHANGES))
        faults = fault_store.of_partition(session, slug)
        last = view.card.snapshot_id if view.card.conflicts else None
        conflicts = [] if last is None else explained(seen_snapshot(session, contract, last), contract.sheet_url)
        return view.page(
            "contract.html",
            runs=sorted(runs, key=lambda run: run["edx_state"] != "failed"),
            runs_count=count,
            steps=set_up.of(session, contract),
            conflicts=conflicts[:MOST_CONFLICTS],
            conflicts_count=len(conflicts),
            changes=[change_shown(row, caller) for row in changes],
            faults=[fault for fault in faults if verified_at is None or fault.since >= verified_at],
            before=next(iter(sheet_store.before(session, contract.id)), None),
        )


@router.get("/contracts/{slug}/history", name="history_page")
def history_page(request: Request, db: Db, caller: SignedIn, slug: str, page: PageNumber = 1) -> Response:
    """Show each change with its author and time, and what the syncs wrote."""
    with db.session() as session:
        view, rows = view_of(request, session, caller, slug), slice_of(page, SNAPSHOTS_A_PAGE)
        changes_count, changes = listed.changes(session, view.contract.id, rows)
        count, snapshots = history.page(session, view.contract.id, rows.limit, rows.offset)
        before = next(iter(sheet_store.before(session, view.contract.id)), None)
    return view.page(
        "history.html",
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
        view = view_of(request, session, caller, slug)
        before, after = (seen_snapshot(session, view.contract, number) for number in (first, second))
    changes = differences(before.rows, after.rows)
    return view.page(
        "compare.html",
        before=before,
        after=after,
        counts=Counter(change.kind for change in changes),
        changes=[_as_seen(change, caller) for change in changes[:MOST_DIFFERENCES]],
        unshown=max(len(changes) - MOST_DIFFERENCES, 0),
    )


@dataclass(frozen=True, slots=True)
class ContractView:
    """A contract at a glance, as the pages about it show it to one caller."""

    request: Request
    caller: Caller
    contract: Contract
    card: Card

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page of the contract, with its heading and its tabs."""
        return render(
            self.request, template, self.caller, status=status, contract=self.contract, card=self.card, **values
        )

    def confirmation(
        self, *, title: str, lines: list[str], action: str, hidden: Mapping[str, str], button: str
    ) -> Response:
        """Return the page that asks before a change, with its effects as `lines` and a form with `hidden` fields."""
        return self.page("confirm.html", title=title, lines=lines, action=action, hidden=hidden, button=button)


def view_of(request: Request, session: Session, caller: Caller, slug: str) -> ContractView:
    """Return the view of a contract. Raises `NotFound` also for one that is not the caller's to see."""
    contract = seen_contract(session, caller, slug)
    card = workplace.cards(session, Wanted(slug=contract.slug), slice_of(1, 1))[1][0]
    return ContractView(request, caller, contract, card)


def sheet_sentence(session: Session, contract: Contract) -> str:
    """Return when the sheet shows the change that was just made."""
    session.flush()
    current = contract_store.contract(session, contract.slug)
    return wording.sheet_follows(delivered=is_delivered(session, current), has_sheet=current.sheet_url is not None)


def _one_of(kind: Any, text: str) -> Any:
    return kind(text) if text in set(kind) else None


def _as_seen(change: Change, caller: Caller) -> Change:
    cells = tuple(
        (header, seen_cell(header, was, caller), seen_cell(header, became, caller))
        for header, was, became in change.cells
    )
    return replace(change, code=caller.seen(change.code), cells=cells)
