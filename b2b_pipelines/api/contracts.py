"""Contracts, their codes, and what their sheets held: for reading."""

from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from sqlalchemy.orm import Session

from b2b_pipelines.api.auth import Reader
from b2b_pipelines.api.database import Connection, Db
from b2b_pipelines.api.errors import answers
from b2b_pipelines.api.fields import API, LARGEST_ID, Text
from b2b_pipelines.api.pagination import Page, Paging
from b2b_pipelines.api.shortcuts import CALLER_TYPES, Quick, look_up, plain_slug, plain_window, with_shortcut
from b2b_pipelines.contracts import store as contract_store
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.rules import IntegrationType
from b2b_pipelines.db.prepared import Prepared
from b2b_pipelines.enrollment_codes import pages, reports, statements
from b2b_pipelines.errors import NotFound
from b2b_pipelines.privacy import masked_anywhere
from b2b_pipelines.reports import contracts as listed
from b2b_pipelines.reports.contracts import ContractFilter
from b2b_pipelines.sheets import history
from b2b_pipelines.sheets.explained import explained
from b2b_pipelines.sheets.layout import HEADERS
from b2b_pipelines.sheets.models import SheetSnapshot
from b2b_pipelines.tokens.rules import Scope
from b2b_pipelines.tokens.service import CALLER, Caller

router = APIRouter(prefix=API, tags=["contracts"], route_class=Quick)

Money = Annotated[
    Decimal,
    PlainSerializer(lambda amount: f"{amount:.2f}", return_type=str),
    Field(description="Major units, as text with two decimals.", json_schema_extra={"pattern": r"^\d+\.\d\d$"}),
]
Slug = Annotated[Text, Path(description="The contract's slug.", examples=["acme-2026"], max_length=255)]

CONTRACT_OF_CALLER = Prepared(statements.overview_for(CALLER), **CALLER_TYPES, slug="text")
PAGE_OF_CALLER = Prepared(pages.page_for(CALLER), **CALLER_TYPES, slug="text", limit="bigint", offset="bigint")


class ContractOut(BaseModel):
    """A contract. `start` and `end` are inclusive days; `codes` counts the active ones, `learners` the attached ones."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 7,
                    "slug": "acme-2026",
                    "name": "Acme 2026",
                    "organization": "Acme",
                    "organization_key": "ACME",
                    "integration_type": "non-sso",
                    "start": "2026-01-01",
                    "end": "2026-12-31",
                    "active": True,
                    "max_learners": 200,
                    "price": "199.00",
                    "codes": 4000,
                    "learners": 37,
                    "sheet_url": "https://docs.google.com/spreadsheets/d/1AbCdEfGhIjKlMnOp/edit",
                    "description": "",
                    "revision": 12,
                    "sheet_tab": None,
                }
            ]
        }
    )

    id: int
    slug: str
    name: str
    organization: str
    organization_key: str
    integration_type: Literal["sso", "non-sso"]
    start: date | None
    end: date | None
    active: bool
    max_learners: int | None
    price: Money | None
    codes: int
    learners: int
    sheet_url: str | None
    sheet_tab: str | None
    description: str
    revision: int = Field(description="Grows at every change; the `ETag` of the contract.")


class SheetLocation(BaseModel):
    """Where the customer's sheet held a code after the last sync. `row` counts from 1."""

    target: str = Field(description="The spreadsheet and the tab in it.")
    row: int


class CodeOut(BaseModel):
    """An enrollment code. `attached_by` and `enrolled_by` name the last learner; without the scope `emails` masked."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "f54438cb-93f7-43ed-86b1-2a793787c284",
                    "product": "course-v1:UAI_ACME+6.00+2026_C7",
                    "redemption_type": "one-time",
                    "amount": "199.00",
                    "active": True,
                    "attached_by": "j•••@example.com",
                    "enrolled_by": None,
                    "attached": 1,
                    "enrolled": 0,
                    "sheet_location": {"target": "1AbCdEfGhIjKlMnOp/0", "row": 2},
                }
            ]
        }
    )

    code: str
    product: str = Field(description="The courseware id of the run that it is for.")
    redemption_type: Literal["one-time", "unlimited"]
    amount: Money
    active: bool
    deactivated_at: datetime | None = None
    attached_by: str | None
    attached_at: datetime | None = None
    enrolled_by: str | None
    attached: int
    enrolled: int
    sheet_location: SheetLocation | None


class SnapshotOut(BaseModel):
    """A sync that wrote: counts of rows, and requests to the Sheets API. A sync that found nothing to do moves
    `verified_at`."""

    id: int
    taken_at: datetime
    verified_at: datetime
    spreadsheet_id: str
    sheet_id: int
    title: str
    rows: int
    updated: int
    appended: int
    unchanged: int
    conflicts: int
    reads: int
    writes: int
    run_id: str | None


class SnapshotRow(BaseModel):
    """The values of our columns in one row, counted from 1. `code` is the code that it is about."""

    row: int
    code: str
    cells: dict[str, str | int | float | bool | None] = Field(
        examples=[{"Enrollment Code": "…", "Use Type": "one-time"}]
    )


class ConflictOut(BaseModel):
    """A cell that a sync left alone: its address, its content, the meaning and the remedy. `url` opens the cell."""

    kind: str
    row: int | None
    code: str | None
    cell: str | None
    holds: str | None
    means: str
    do: str
    url: str | None


class SnapshotDetail(BaseModel):
    """A sync that wrote, with what our six columns held after it and the conflicts it met."""

    snapshot: SnapshotOut
    columns: dict[str, int] = Field(description="In which column each header was, counted from 0.")
    rows: list[SnapshotRow]
    conflicts: list[ConflictOut]


@router.get("/contracts/", summary="The contracts", response_model=Page[ContractOut], responses=answers(401, 403))
def list_contracts(
    *,
    db: Db,
    caller: Reader,
    paging: Paging,
    organization: Annotated[Text | None, Query(max_length=255, description="A name, a slug or an org key.")] = None,
    active: Annotated[bool | None, Query(description="Only active ones, or only those that are not.")] = None,
    integration_type: Annotated[IntegrationType | None, Query()] = None,
    search: Annotated[Text | None, Query(max_length=255, description="In name, slug and organization.")] = None,
) -> dict[str, Any]:
    """In the order of their ids; for a token bound to an organization, that organization's."""
    wanted = ContractFilter(organization, active, integration_type, search, caller.organization_id)
    with db.session() as session:
        count, found = listed.contracts(session, wanted, paging.rows)
    return paging.envelope(count, [shown_contract(dict(row), caller) for row in found])


async def contract_at_once(request: Request) -> Response | None:
    """The shortcut of `get_contract`."""
    slug = plain_slug(request)
    if slug is None or request.scope["query_string"]:
        return None
    row = await look_up(request, CONTRACT_OF_CALLER, Scope.READ, slug=slug)
    return None if row is None else _shown_alone(dict(row._mapping))


@router.get("/contracts/{slug}/", summary="A contract", response_model=ContractOut, responses=answers(401, 403, 404))
@with_shortcut(contract_at_once)
def get_contract(db: Db, caller: Reader, slug: Slug) -> Response:
    """The `ETag` is its revision, for the `If-Match` of a change."""
    with db.reading() as session:
        found = reports.contract_of_slug(session, slug, caller.organization_id, emails=caller.sees_emails)
    if found is None:
        raise NotFound("no such contract")
    return _shown_alone(found)


def _shown_alone(row: dict[str, Any]) -> Response:
    emails, address = row.pop("emails"), row["sheet_url"]
    shown = row if emails else row | {"sheet_url": masked_anywhere(address)}
    return Response(
        ContractOut.model_construct(**shown).model_dump_json(),
        media_type="application/json",
        headers={"ETag": f'"{row["revision"]}"'},
    )


async def codes_at_once(request: Request) -> Response | None:
    """The shortcut of `list_codes`."""
    slug, asked = plain_slug(request), plain_window(request)
    if slug is None or asked is None:
        return None
    row = await look_up(request, PAGE_OF_CALLER, Scope.READ, slug=slug, limit=asked.limit, offset=asked.offset)
    return None if row is None else asked.json(*row)


@router.get(
    "/contracts/{slug}/codes/",
    summary="A contract's enrollment codes",
    response_model=Page[CodeOut],
    responses=answers(401, 403, 404),
)
@with_shortcut(codes_at_once)
def list_codes(db: Db, caller: Reader, slug: Slug, paging: Paging) -> Response:
    """Every code, in the order of their ids, with its redemptions and where the customer's sheet holds it."""
    with db.reading() as session:
        page = pages.codes(
            session, slug, caller.organization_id, paging.limit, paging.offset, emails=caller.sees_emails
        )
    if page is None:
        raise NotFound("no such contract")
    return paging.json(page.count, page.results)


@router.get(
    "/contracts/{slug}/sheet-snapshots/",
    summary="The snapshots of a contract's sheet",
    response_model=Page[SnapshotOut],
    responses=answers(401, 403, 404),
)
def list_snapshots(db: Db, caller: Reader, slug: Slug, paging: Paging) -> dict[str, Any]:
    """The newest first."""
    with db.session() as session:
        contract_id = seen_contract(session, caller, slug).id
        count, found = history.page(session, contract_id, paging.limit, paging.offset)
    return paging.envelope(count, [_summary(snapshot) for snapshot in found])


@router.get(
    "/contracts/{slug}/sheet-snapshots/{snapshot_id}/",
    summary="A snapshot of a sheet",
    responses=answers(401, 403, 404),
)
def get_snapshot(
    db: Db, caller: Reader, slug: Slug, snapshot_id: Annotated[int, Path(ge=1, le=LARGEST_ID)]
) -> SnapshotDetail:
    """Our six columns, row by row. E-mail addresses are masked unless the token has the scope `emails`."""
    with db.session() as session:
        contract = seen_contract(session, caller, slug)
        found = seen_snapshot(session, contract, snapshot_id)
    conflicts = [asdict(conflict) for conflict in explained(found, contract.sheet_url)]  # of cells that people typed in
    return SnapshotDetail(
        snapshot=_summary(found),
        columns=dict(zip(HEADERS, found.columns, strict=True)),
        rows=[
            SnapshotRow(
                row=row,
                code=caller.seen(code),
                cells={header: seen_cell(header, cell, caller) for header, cell in zip(HEADERS, cells, strict=True)},
            )
            for row, code, cells in found.rows
        ],
        conflicts=[ConflictOut(**conflict) for conflict in caller.seen(conflicts)],
    )


def seen_contract(session: Session, caller: Caller, slug: str) -> Contract:
    """The contract of that slug. Raises `NotFound` also for one that is not the caller's to see."""
    found = contract_store.contract_of(session, slug, caller.organization_id)
    if found is None:
        raise NotFound("no such contract")
    return found


def own_contract(db: Connection, caller: Caller, slug: str) -> int:
    """Return the id of the contract of that slug, for a change. Raises `NotFound` like `seen_contract`."""
    with db.session() as session:
        return seen_contract(session, caller, slug).id


def seen_snapshot(session: Session, contract: Contract, snapshot_id: int) -> SheetSnapshot:
    """A snapshot of what a sync of that contract wrote. Raises `NotFound`."""
    found = history.snapshot(session, contract.id, snapshot_id)
    if found is None:
        raise NotFound("no such snapshot of this contract")
    return found


def shown_contract(row: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Return a contract as the caller may see it: the link to its sheet can name an account."""
    return row | {"sheet_url": caller.seen(row["sheet_url"])}


def seen_cell(header: str, cell: Any, caller: Caller) -> Any:
    """Return a cell of our columns as the caller may see it. What names a redeemer is masked whole."""
    if header == "Redeemed By" and isinstance(cell, str) and cell:
        return caller.address(cell)
    return caller.seen(cell)


def _summary(snapshot: SheetSnapshot) -> SnapshotOut:
    counts = {"rows": snapshot.row_count, "conflicts": len(snapshot.conflicts)}
    same = (name for name in SnapshotOut.model_fields if name not in counts)
    return SnapshotOut(**counts, **{name: getattr(snapshot, name) for name in same})
