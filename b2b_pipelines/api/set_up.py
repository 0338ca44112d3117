"""Whether a contract is set up (runs in edX, codes, sheet), trying again what is not, and its sheet."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from b2b_pipelines.api.auth import Manager, Reader
from b2b_pipelines.api.contracts import Slug, own_contract, seen_contract
from b2b_pipelines.api.database import Connection, Db, without_a_turn
from b2b_pipelines.api.errors import answers
from b2b_pipelines.api.fields import API, LARGEST_ID, Body
from b2b_pipelines.api.vendors import Vendors
from b2b_pipelines.api.writing import Asked, Posted, actor, remembered
from b2b_pipelines.delivery import set_up
from b2b_pipelines.delivery.attempts import restore_by_hand, sync_by_hand
from b2b_pipelines.sheets import service as sheets
from b2b_pipelines.tokens.service import Caller

router = APIRouter(prefix=API, tags=["set-up"])

State = Literal["done", "pending", "failed"]


class PartOut(BaseModel):
    """How far a part of the set-up is, and what to do about it."""

    state: State
    message: str
    error_code: str | None = None


class RunPartOut(BaseModel):
    courseware_id: str
    state: State
    message: str


class RunsPartOut(PartOut):
    runs: list[RunPartOut]


class SetUpOut(BaseModel):
    """The set-up of a contract. What failed is tried again with POST, and by itself with the next delivery."""

    contract: str
    revision: int
    runs: RunsPartOut
    codes: PartOut
    sheet: PartOut


class TargetOut(BaseModel):
    spreadsheet_id: str
    sheet_id: int
    tab: str
    url: str
    new: bool


class SheetConflictOut(BaseModel):
    model_config = ConfigDict(extra="allow")

    kind: str
    row: int | None
    code: str | None


class RestoreIn(Body):
    """The content to restore: our columns as a snapshot had them, or what A–F held before they were replaced."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"snapshot": 12}]})

    snapshot: Annotated[int, Field(strict=True, ge=1, le=LARGEST_ID)] | None = None
    before: bool = False

    @model_validator(mode="after")
    def _one_of_them(self) -> "RestoreIn":
        if self.before == (self.snapshot is not None):
            raise ValueError("choose one: before or a snapshot")
        return self


class RestoreOut(BaseModel):
    """The cells and rows that a restore wrote, or would write."""

    model_config = ConfigDict(extra="allow")

    contract: str
    target: dict[str, Any]
    snapshot: int
    kind: str
    cells: int
    rows: int
    reads: int
    writes: int
    dry_run: bool = False


class SyncOut(BaseModel):
    """The changes that a sync wrote, or would write. Counts are rows; `reads` and `writes` are requests to the Sheets API."""

    model_config = ConfigDict(extra="allow")

    contract: str
    target: TargetOut
    header: bool
    replaced: int = Field(description="Rows of the customer's in A–F that a new target replaces.")
    updated: int
    appended: int
    unchanged: int
    conflicts: list[SheetConflictOut]
    rows_added: list[int] = Field(description="Row numbers of the codes that were added.")
    needs_consent: bool = Field(description="A sync without `replace` is refused.")
    reads: int
    writes: int
    dry_run: bool = False


CONTRACT = answers(400, 401, 403, 404)
SYNCED = answers(400, 401, 403, 404, 409, 422)


@router.get(
    "/contracts/{slug}/set-up/",
    summary="The set-up of a contract",
    response_model=SetUpOut,
    responses=CONTRACT,
)
def get_set_up(db: Db, caller: Reader, slug: Slug) -> dict[str, Any]:
    """Runs in edX, codes and sheet: each `done`, `pending` or `failed` with its message."""
    with db.session() as session:
        contract = seen_contract(session, caller, slug)
        return set_up.of(session, contract).as_json()


@router.post(
    "/contracts/{slug}/set-up/",
    summary="Retry the set-up of a contract",
    response_model=SetUpOut,
    responses=SYNCED,
)
@without_a_turn
def retry_set_up(request: Request, db: Db, caller: Manager, slug: Slug, asked: Posted) -> Response:
    """Asks Studio for missing runs, brings the codes in line and syncs the sheet. What fails again is part of the answer."""
    vendors: Vendors = request.app.state.vendors

    def work() -> dict[str, Any]:
        own_contract(db, caller, slug)
        if asked.dry_run:
            with db.session() as session:
                return set_up.of(session, seen_contract(session, caller, slug)).as_json()
        return vendors.set_up(db.open(), slug).as_json()

    return remembered(db, caller, asked, work)


@router.post(
    "/contracts/{slug}/sheet/plan/",
    summary="Preview a sync of the sheet",
    response_model=SyncOut,
    responses=SYNCED,
)
@without_a_turn
def plan_sheet(request: Request, db: Db, caller: Manager, slug: Slug, asked: Posted) -> Response:
    """Reads the sheet and writes nothing."""
    return _work(request, db, caller, slug, asked=Asked(asked.request, True, asked.key), what="plan")


@router.post(
    "/contracts/{slug}/sheet/sync/",
    summary="Sync the sheet",
    response_model=SyncOut,
    responses=SYNCED,
)
@without_a_turn
def sync_sheet(
    *,
    request: Request,
    db: Db,
    caller: Manager,
    slug: Slug,
    asked: Posted,
    replace: Annotated[bool, Query(description="Consent to replacing the contents of A–F of a new target.")] = False,
) -> Response:
    """Brings the sheet in line with the contract's codes. Conflicts are listed and do not stop the rest."""
    return _work(request, db, caller, slug, asked=asked, what="replace" if replace else "sync")


@router.post(
    "/contracts/{slug}/sheet/rebuild/",
    summary="Rebuild the sheet",
    response_model=SyncOut,
    responses=SYNCED,
)
@without_a_turn
def rebuild_sheet(request: Request, db: Db, caller: Manager, slug: Slug, asked: Posted) -> Response:
    """Writes the header and our columns at A–F, in place of what they hold; `dry_run` shows the plan."""
    return _work(request, db, caller, slug, asked=asked, what="rebuild")


@router.post(
    "/contracts/{slug}/sheet/restore/",
    summary="Restore a snapshot",
    response_model=RestoreOut,
    responses=SYNCED,
)
@without_a_turn
def restore_sheet(*, request: Request, db: Db, caller: Manager, slug: Slug, asked: Posted, body: RestoreIn) -> Response:
    """In our six columns only. The present contents are kept as a snapshot first, so that a restore can be undone.

    After `before` nothing is written to the tab until the contract is given a sheet again.
    """
    vendors: Vendors = request.app.state.vendors

    def work() -> dict[str, Any]:
        with db.session() as session:
            seen_contract(session, caller, slug)
            snapshot = sheets.find_snapshot(session, slug, body.snapshot, before=body.before)
            session.expunge(snapshot)
        if asked.dry_run:
            done = sheets.restore(db.open(), vendors.sheets(), slug, snapshot, dry_run=True)
        else:
            done = restore_by_hand(db.open(), vendors.sheets(), slug, snapshot, actor(caller))
        return _masked(done.as_json(), caller) | {"dry_run": asked.dry_run}

    return remembered(db, caller, asked, work, body.model_dump())


def _work(request: Request, db: Connection, caller: Caller, slug: str, *, asked: Asked, what: str) -> Response:
    vendors: Vendors = request.app.state.vendors

    def work() -> dict[str, Any]:
        own_contract(db, caller, slug)
        database, client, rebuild = db.open(), vendors.sheets(), what == "rebuild"
        if asked.dry_run:
            planned = sheets.plan(database, client, slug, rebuild=rebuild, ask=vendors.asks)
            return _masked(planned.as_json(), caller) | {"dry_run": True}
        done = sync_by_hand(
            database,
            client,
            slug,
            actor(caller),
            rebuild=rebuild,
            replace=what == "replace",
            ask=vendors.asks,
            alert=vendors.alerts,
        )
        return _masked(done.as_json(), caller)

    return remembered(db, caller, asked, work)


def _masked(shown: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Mask addresses that stand where a code should, for callers who do not see any."""
    return shown | {"conflicts": caller.seen(shown["conflicts"])}
