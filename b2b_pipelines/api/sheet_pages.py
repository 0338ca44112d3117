"""Pages that ask Google: preview, sync, rebuild, restore, and set-up again. What takes something away shows its plan first."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response

from b2b_pipelines.api import wording
from b2b_pipelines.api.contract_pages import view_of
from b2b_pipelines.api.contracts import own_contract, seen_contract
from b2b_pipelines.api.database import Connection, Db, without_a_turn
from b2b_pipelines.api.fields import LARGEST_ID
from b2b_pipelines.api.notes import answered
from b2b_pipelines.api.page_routes import Managing, Number, PageRoute, sentence
from b2b_pipelines.api.sign_in import OurForm
from b2b_pipelines.api.vendors import Vendors
from b2b_pipelines.api.writing import actor
from b2b_pipelines.delivery.attempts import NAMES_THE_ACCOUNT, restore_by_hand, sync_by_hand
from b2b_pipelines.errors import B2BError
from b2b_pipelines.set_up_state import State
from b2b_pipelines.sheets import service
from b2b_pipelines.sheets.refusals import TargetNotEmpty
from b2b_pipelines.sheets.results import LayoutIsLost
from b2b_pipelines.tokens.service import Caller

router = APIRouter(route_class=PageRoute, include_in_schema=False)

SnapshotNumber = Annotated[int, Form(alias="snapshot", ge=1, le=LARGEST_ID)]


@router.get("/contracts/{slug}/replace", name="replace_page")
@without_a_turn
def replace_page(request: Request, db: Db, caller: Managing, slug: str) -> Response:
    """Show the cells that a sync would write and replace."""
    return _planned(request, db, caller, slug, rebuild=False)


@router.post("/contracts/{slug}/replace", name="replace_form", dependencies=[OurForm])
@without_a_turn
def replace_form(request: Request, db: Db, caller: Managing, slug: str) -> Response:
    """Write the sheet, and agree that what a new target holds is replaced."""
    return _synced(request, db, caller, slug, replace=True)


@router.post("/contracts/{slug}/sync", name="sync_form", dependencies=[OurForm])
@without_a_turn
def sync_form(request: Request, db: Db, caller: Managing, slug: str) -> Response:
    """Sync the sheet; the preview asks for consent when a new target holds something."""
    return _synced(request, db, caller, slug)


@router.get("/contracts/{slug}/rebuild", name="rebuild_page")
@without_a_turn
def rebuild_page(request: Request, db: Db, caller: Managing, slug: str) -> Response:
    """Show the cells that a rebuild would write."""
    return _planned(request, db, caller, slug, rebuild=True)


@router.post("/contracts/{slug}/rebuild", name="rebuild_form", dependencies=[OurForm])
@without_a_turn
def rebuild_form(request: Request, db: Db, caller: Managing, slug: str) -> Response:
    """Write the header and our columns again."""
    return _synced(request, db, caller, slug, rebuild=True)


@router.get("/contracts/{slug}/restore", name="restore_page")
@without_a_turn
def restore_page(request: Request, db: Db, caller: Managing, slug: str, snapshot: Number) -> Response:
    """Show the cells that a restore would write."""
    return _restored(request, db, caller, slug, number=snapshot, dry_run=True)


@router.post("/contracts/{slug}/restore", name="restore_form", dependencies=[OurForm])
@without_a_turn
def restore_form(request: Request, db: Db, caller: Managing, slug: str, snapshot: SnapshotNumber) -> Response:
    """Restore a snapshot."""
    return _restored(request, db, caller, slug, number=snapshot, dry_run=False)


@router.post("/contracts/{slug}/set-up", name="retry_form", dependencies=[OurForm])
@without_a_turn
def retry_form(request: Request, db: Db, caller: Managing, slug: str) -> Response:
    """Ask Studio for missing runs, bring the codes in line and sync the sheet."""
    vendors: Vendors = request.app.state.vendors
    own_contract(db, caller, slug)
    reached = vendors.set_up(db.open(), slug)
    parts = (("Runs in edX", reached.of_runs), ("Codes", reached.codes), ("Sheet", reached.sheet))
    lines = [f"{name}: {wording.with_buttons(part.message)}." for name, part in parts]
    good = all(part.state is not State.FAILED for _, part in parts)
    return answered(request, _contract(request, slug), *caller.seen(lines), good=good)


def _planned(request: Request, db: Connection, caller: Caller, slug: str, *, rebuild: bool) -> Response:
    vendors: Vendors = request.app.state.vendors

    def act() -> Any:
        return service.plan(db.open(), vendors.sheets(), slug, rebuild=rebuild, ask=vendors.asks)

    return _page(request, db, caller, slug, template="replace.html", act=act, rebuild=rebuild)


def _synced(
    request: Request, db: Connection, caller: Caller, slug: str, *, rebuild: bool = False, replace: bool = False
) -> Response:
    vendors: Vendors = request.app.state.vendors
    own_contract(db, caller, slug)
    page = _contract(request, slug)
    try:
        done = sync_by_hand(
            db.open(),
            vendors.sheets(),
            slug,
            actor(caller),
            rebuild=rebuild,
            replace=replace,
            ask=vendors.asks,
            alert=vendors.alerts,
        )
    except TargetNotEmpty as error:
        return answered(request, request.url_for("replace_page", slug=slug).path, sentence(error), good=False)
    except LayoutIsLost as error:
        return answered(request, page, sentence(error), "Rebuild does it, too.", good=False)
    except B2BError as error:
        return answered(request, page, _refusal(error, caller), good=False)
    return answered(request, page, "Rebuilt." if rebuild else "Synced.", *caller.seen(wording.synced(done)))


def _restored(request: Request, db: Connection, caller: Caller, slug: str, *, number: int, dry_run: bool) -> Response:
    vendors: Vendors = request.app.state.vendors
    with db.session() as session:
        seen_contract(session, caller, slug)
        snapshot = service.find_snapshot(session, slug, number)
        session.expunge_all()

    if dry_run:

        def act() -> Any:
            return service.restore(db.open(), vendors.sheets(), slug, snapshot, dry_run=True)

        return _page(request, db, caller, slug, template="restore.html", act=act)
    try:
        done = restore_by_hand(db.open(), vendors.sheets(), slug, snapshot, actor(caller))
    except B2BError as error:
        return answered(request, _contract(request, slug), _refusal(error, caller), good=False)
    cells, rows = wording.counted(done.cells, "cell"), wording.counted(done.rows, "row")
    after = "Nothing is written to this tab until you sync it again with Preview." if done.pauses else ""
    return answered(request, _contract(request, slug), f"Restored: {cells} in {rows} written.", after)


def _page(
    request: Request, db: Connection, caller: Caller, slug: str, *, template: str, act: Any, **values: Any
) -> Response:
    """Return the page of a plan, or why there is none."""
    with db.session() as session:
        view = view_of(request, session, caller, slug)
    result, problem = None, None
    try:
        result = act()
    except B2BError as refused:
        problem = _refusal(refused, caller)
    return view.page(template, status=409 if problem else 200, result=result, problem=problem, **values)


def _refusal(error: B2BError, caller: Caller) -> str:
    """Return a refusal as the caller may see it. The installation's own account is shown: the sheet is shared with it."""
    return sentence(error) if isinstance(error, NAMES_THE_ACCOUNT) else str(caller.seen(sentence(error)))


def _contract(request: Request, slug: str) -> str:
    return request.url_for("contract_page", slug=slug).path
