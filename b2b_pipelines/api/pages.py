"""The contract manager's pages, rendered here: no script, no build step, nothing from elsewhere.

They show what the API shows, to a browser that signed in with a token.
"""

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.routing import APIRoute
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from b2b_pipelines.api import openapi, sheet_pages
from b2b_pipelines.api.contracts import masked_cell, seen_contract, seen_snapshot, shown_conflicts, visible
from b2b_pipelines.api.database import Db
from b2b_pipelines.api.errors import Problem
from b2b_pipelines.api.fields import LARGEST_ID
from b2b_pipelines.api.rendering import HERE, POLICY, render
from b2b_pipelines.api.sign_in import (
    MaybeSignedIn,
    OurForm,
    SignedIn,
    SignInNeeded,
    forget_session,
    keep_session,
    own_path,
    sign_in,
    sign_out,
)
from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Contract, CourseRun
from b2b_pipelines.contracts.rules import EdxState, spreadsheet_id
from b2b_pipelines.enrollment_codes import pages as code_pages
from b2b_pipelines.enrollment_codes.pages import Seats
from b2b_pipelines.errors import NotFound, Refused, TransientError
from b2b_pipelines.faults import store as fault_store
from b2b_pipelines.faults.status import lines as what_is_wrong
from b2b_pipelines.privacy import masked_anywhere
from b2b_pipelines.sheets import history
from b2b_pipelines.sheets import store as sheet_store
from b2b_pipelines.sheets.differences import Change, differences
from b2b_pipelines.sheets.history import LastSync
from b2b_pipelines.sheets.links import link
from b2b_pipelines.tokens.service import Caller

A_PAGE = 50
MOST_RUNS = 200
MOST_DIFFERENCES = 1000
SWAGGER_UI = Path(find_spec("fastapi_offline").origin or "").parent  # type: ignore[union-attr]
"""The package whose files Swagger UI comes from. Nothing of its Python is loaded."""
WITH_SWAGGER_UI = f"{POLICY}; script-src 'self'; connect-src 'self'; font-src data:".replace(
    "img-src 'self'", "img-src 'self' data:"
).replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""Swagger UI sets styles and draws icons by script; its scripts come from here alone."""


class PageRoute(APIRoute):
    """A route whose refusals are pages too, and which sends a stranger to sign in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        serve = super().get_route_handler()

        async def served(request: Request) -> Response:
            try:
                return await serve(request)
            except SignInNeeded as needed:
                return RedirectResponse(
                    f"{request.url_for('sign_in_page').path}?{urlencode({'next': needed.wanted})}", 303
                )
            except Problem as problem:
                return refusal(request, problem.status, problem.detail)
            except (NotFound, RequestValidationError):
                return refusal(request, 404, "There is no such page, or it is not yours to see.")
            except (Refused, TransientError, OperationalError, PoolTimeout):
                return refusal(request, 503, "The database does not answer. Please try again in a moment.")

        return served


router = APIRouter(route_class=PageRoute, include_in_schema=False)

PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]
SnapshotId = Annotated[int, Query(ge=1, le=LARGEST_ID)]


@dataclass(frozen=True, slots=True)
class Shown:
    """A contract as the pages show it. `sync` is of the sheet that it has now."""

    contract: Contract
    seats: Seats
    sync: LastSync | None
    state: str

    def was_right_at(self, moment: datetime) -> bool:
        """Whether its sheet was synced after that."""
        return self.sync is not None and self.sync.verified_at > moment

    @property
    def sheet_link(self) -> str | None:
        """Where the sheet opens; a bare id is completed."""
        url = self.contract.sheet_url
        if url is None or url.startswith(("https://", "http://")):
            return url
        return link(url)


@router.get("/", name="contracts_page")
def contracts_page(request: Request, db: Db, caller: SignedIn, page: PageNumber = 1) -> Response:
    with db.session() as session:
        mine = select(Contract).where(*visible(caller))
        count = session.scalar(select(func.count()).select_from(mine.subquery())) or 0
        found = session.scalars(
            mine.order_by(Contract.active.desc(), Contract.id.desc()).limit(A_PAGE).offset((page - 1) * A_PAGE)
        ).all()
        shown = _shown(session, found)
    return render(request, "contracts.html", caller, shown=shown, count=count, turning=_turning(page, count))


@router.get("/contracts/{slug}", name="contract_page")
def contract_page(request: Request, db: Db, caller: SignedIn, slug: str, page: PageNumber = 1) -> Response:
    with db.session() as session:
        contract = seen_contract(session, caller, slug)
        shown = _shown(session, [contract])[0]
        runs = _failed_first(contract_store.runs_of_contract(session, contract.id))
        count, snapshots = history.page(session, contract.id, A_PAGE, (page - 1) * A_PAGE)
        last = history.page(session, contract.id, 1, 0)[1] if shown.sync and page > 1 else snapshots[:1]
        conflicts = last[0].conflicts if shown.sync and last else []
        before = next(iter(sheet_store.before(session, contract.id)), None)
        faults = [each for each in fault_store.of_partition(session, slug) if not shown.was_right_at(each.since)]
    return render(
        request,
        "contract.html",
        caller,
        shown=shown,
        runs=runs[:MOST_RUNS],
        runs_count=len(runs),
        count=count,
        snapshots=snapshots,
        conflicts=shown_conflicts(conflicts, caller),
        codes=shown.sync and shown.sync.rows - sum(_is_no_code_of_ours(conflict) for conflict in conflicts),
        faults=faults,
        may_restore=sheet_pages.may_restore(caller),
        before=before,
        turning=_turning(page, count),
    )


@router.get("/contracts/{slug}/compare", name="compare_page")
def compare_page(
    request: Request, db: Db, caller: SignedIn, slug: str, *, earlier: SnapshotId, later: SnapshotId
) -> Response:
    """What differs between two snapshots, whichever was named first."""
    first, second = sorted((earlier, later))
    with db.session() as session:
        contract = seen_contract(session, caller, slug)
        before, after = (seen_snapshot(session, contract, number) for number in (first, second))
    changes = differences(before.rows, after.rows)
    return render(
        request,
        "compare.html",
        caller,
        contract=contract,
        before=before,
        after=after,
        counts=Counter(change.kind for change in changes),
        changes=[_as_seen(change, caller) for change in changes[:MOST_DIFFERENCES]],
        unshown=max(len(changes) - MOST_DIFFERENCES, 0),
    )


@router.get("/contracts/{slug}/restore", name="restore_page")
def restore_page(request: Request, db: Db, caller: SignedIn, slug: str, snapshot: SnapshotId) -> Response:
    """What a restore would write."""
    return sheet_pages.restored(request, db, caller, slug, number=snapshot, dry_run=True)


@router.post("/contracts/{slug}/restore", name="restore_form", dependencies=[OurForm])
def restore_form(
    request: Request, db: Db, caller: SignedIn, slug: str, snapshot: Annotated[int, Form(ge=1, le=LARGEST_ID)]
) -> Response:
    """Put back what a snapshot held."""
    return sheet_pages.restored(request, db, caller, slug, number=snapshot, dry_run=False)


@router.get("/contracts/{slug}/replace", name="replace_page")
def replace_page(request: Request, db: Db, caller: SignedIn, slug: str) -> Response:
    """What a sync would write and replace."""
    return sheet_pages.replaced(request, db, caller, slug, dry_run=True)


@router.post("/contracts/{slug}/replace", name="replace_form", dependencies=[OurForm])
def replace_form(request: Request, db: Db, caller: SignedIn, slug: str) -> Response:
    """Write the sheet, and agree that what a new target holds is replaced."""
    return sheet_pages.replaced(request, db, caller, slug, dry_run=False)


@router.get("/sign-in", name="sign_in_page")
def sign_in_page(
    request: Request, wanted: Annotated[str, Query(alias="next", max_length=2000)] = "/", failed: bool = False
) -> Response:
    return render(request, "sign_in.html", None, wanted=own_path(wanted), failed="token" if failed else "")


@router.post("/sign-in", dependencies=[OurForm])
def sign_in_form(
    request: Request,
    db: Db,
    token: Annotated[str, Form(max_length=200)] = "",
    wanted: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    secret = sign_in(db, request, token) if token.isascii() else None
    if secret is None:
        return render(request, "sign_in.html", None, status=401, wanted=own_path(wanted), failed="token")
    response = RedirectResponse(own_path(wanted), 303)
    keep_session(request, response, secret)
    return response


@router.post("/sign-out", name="sign_out_form", dependencies=[OurForm])
def sign_out_form(request: Request, db: Db) -> Response:
    sign_out(db, request)
    response = RedirectResponse(request.url_for("sign_in_page").path, 303)
    forget_session(request, response)
    return response


@router.get("/status/", name="status_page")
def status_page(request: Request, db: Db, caller: SignedIn) -> Response:
    """What is wrong now; for callers that are not bound to an organization."""
    if caller.organization_id is not None:
        raise NotFound("there is no such page")
    with db.session() as session:
        return render(request, "status.html", caller, lines=what_is_wrong(session))


@router.get("/docs", name="docs_page")
def docs_page(request: Request, caller: MaybeSignedIn) -> Response:
    """The OpenAPI document, to be tried out: Swagger UI, from a package's files."""
    return render(request, "try.html", caller, policy=WITH_SWAGGER_UI)


@router.get("/docs/reference", name="reference_page")
def reference_page(request: Request, caller: MaybeSignedIn) -> Response:
    """The OpenAPI document, for people, without scripts."""
    return render(request, "docs.html", caller, api=openapi.readable(request.app))


@router.get("/static/{name}", name="static_file")
def static_file(
    name: Literal["pages.css", "icon.svg", "try.js", "swagger-ui.css", "swagger-ui-bundle.js"],
) -> Response:
    folder = SWAGGER_UI if name.startswith("swagger-ui") else HERE
    return FileResponse(folder / "static" / name, headers={"Cache-Control": "max-age=3600"})


def refusal(request: Request, status: int, words: str) -> Response:
    caller = getattr(request.state, "caller", None)
    return render(request, "refusal.html", caller, status=status, words=words)


def _shown(session: Session, contracts: Sequence[Contract]) -> list[Shown]:
    """Contracts with their seats and last syncs, in two queries."""
    seats = code_pages.seats(session, contracts)
    syncs = history.last_syncs(session, [contract.id for contract in contracts])
    today = datetime.now(UTC).date()
    return [
        Shown(contract, seats[contract.id], _of_its_sheet(contract, syncs.get(contract.id)), _state(contract, today))
        for contract in contracts
    ]


def _failed_first(runs: Sequence[CourseRun]) -> list[CourseRun]:
    return sorted(runs, key=lambda run: run.edx_state != EdxState.FAILED)


def _of_its_sheet(contract: Contract, sync: LastSync | None) -> LastSync | None:
    """The sync, unless the contract was given another sheet since."""
    if sync and contract.sheet_url and spreadsheet_id(contract.sheet_url) != sync.spreadsheet_id:
        return None
    return sync


def _is_no_code_of_ours(conflict: Mapping[str, Any]) -> bool:
    """Whether a row that a snapshot holds for its conflict shows no code of its own. Row 1 is the header's."""
    return conflict["kind"] in ("unknown_code", "duplicate") and conflict["row"] > 1


def _state(contract: Contract, today: date) -> str:
    if not contract.active:
        return "inactive"
    if contract.starts_on and today < contract.starts_on:
        return f"opens {contract.starts_on}"
    if contract.ends_on and contract.ends_on < today:
        return f"ended {contract.ends_on}"
    return "open"


def _turning(page: int, count: int) -> tuple[int | None, int | None]:
    """The pages before and behind this one, as far as there are any. Raises `NotFound` behind the last one."""
    last = max(-(-count // A_PAGE), 1)
    if page > last:
        raise NotFound(f"there is no page {page}")
    return page - 1 if page > 1 else None, page + 1 if page < last else None


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
