"""The customer's desk: the page in the browser, and the part of the admin API that is about Google Sheets.

| below `/sandbox/api` | |
|---|---|
| `GET, POST /spreadsheets` | all of them; a new one: `title, shared_with, public, locale, sheet_id, tabs` |
| `GET, DELETE /spreadsheets/{id}` | what it is; delete it |
| `POST /spreadsheets/{id}/edits` | `{"edits": [{"op": "type", "tab": "Sheet1", "where": "G2", "text": "a note"}, …]}`: edits.py |
| `GET /spreadsheets/{id}/tabs/{sheet_id}` | what a tab shows |
| `GET /spreadsheets/{id}/pulse?since=&sheet_id=` | the version, and the cells that the API changed since another one |
| `POST /faults/edit` | an edit that happens around a request: fields of a fault, `spreadsheet`, `edits` |
| `PUT /quota` | `{"reads": 60, "writes": 60, "window": 60}`, null for no limit |
| `POST /quota/exhausted` | `{"kind": "read", "seconds": 45}`: 429 until then |
| `POST /faults/refusal` | `{"reason": "SERVICE_DISABLED", "times": 1, "kind": null}`: a 403 of errors.py |
| `GET, PUT /hypotheses` | what Google does where no recording says so: `{"covered_cells": "hide"}`; regions.py |
| `POST /service-accounts`, `/authorized-users` | a key, or a refresh token, for `{"email": …}` |
| `DELETE /tokens` | every access token is past its time |
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.admin import API, FaultBody
from sandbox.asked import AdminRefused, Body, body_of, refusing
from sandbox.faults import Fault, When
from sandbox.google import switches
from sandbox.google.cells import Cell, Formatted, Formula, Spilled
from sandbox.google.edits import apply_edit
from sandbox.google.model import Spreadsheet, Tab
from sandbox.google.resource import grid_range, table_resource
from sandbox.google.tokens import SERVICE_ACCOUNT
from sandbox.google.workspace import Workspace

PAGE = Path(__file__).parent / "page"
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class NewSpreadsheet(Body):
    """A spreadsheet to be made; `tabs` are titles, or titles with rows."""

    title: str = "Codes"
    shared_with: list[str] = Field(default_factory=lambda: [SERVICE_ACCOUNT])
    public: bool = False
    locale: str = "en_US"
    sheet_id: int = Field(0, ge=0)
    tabs: dict[str, list[list[str | int | float | bool | None]]] | list[str] | None = None


class Edits(Body):
    """Edits, applied one after the other until one is refused."""

    edits: list[dict[str, Any]] = Field(min_length=1)


class EditFault(FaultBody):
    """Edits that a person makes just before or after a request is served."""

    act: Any = "call"
    when: When = "after"
    spreadsheet: str
    edits: list[dict[str, Any]] = Field(min_length=1)


class Account(Body):
    """An account of Google."""

    email: str = Field(min_length=3, pattern="@")


def routes(google: Workspace) -> list[BaseRoute]:
    """The page and the admin API of the spreadsheets."""

    def wanted(request: Request) -> Spreadsheet:
        try:
            return google.spreadsheet(request.path_params["id"])
        except KeyError:
            raise AdminRefused("no such spreadsheet", 404) from None

    async def spreadsheets(request: Request) -> Response:
        if request.method == "POST":
            body = await body_of(request, NewSpreadsheet)
            made = google.create_spreadsheet(**body.model_dump())
            return JSONResponse(_described(google, google.spreadsheet(made)), 201)
        return JSONResponse([_described(google, spreadsheet) for spreadsheet in google.spreadsheets()])

    async def spreadsheet(request: Request) -> Response:
        found = wanted(request)
        if request.method == "DELETE":
            google.delete_spreadsheet(found.spreadsheet_id)
        return JSONResponse(_described(google, found))

    async def edits(request: Request) -> Response:
        found = wanted(request)
        body = await body_of(request, Edits)
        with google.world.lock:
            for edit in body.edits:
                apply_edit(found, edit)
        return JSONResponse({"version": found.version})

    async def tab(request: Request) -> Response:
        found = wanted(request)
        with google.world.lock:
            for candidate in found.tabs:
                if str(candidate.sheet_id) == request.path_params["sheet_id"]:
                    return JSONResponse(_shown(candidate))
        raise AdminRefused("no such tab", 404)

    async def pulse(request: Request) -> Response:
        found = wanted(request)
        try:
            since = int(request.query_params.get("since", found.version))
            sheet_id = int(request.query_params.get("sheet_id", 0))
        except ValueError:
            raise AdminRefused("since and sheet_id are whole numbers") from None
        with google.world.lock:
            return JSONResponse(
                {
                    "version": found.version,
                    "title": found.title,
                    "tabs": [{"sheet_id": item.sheet_id, "title": item.title} for item in found.tabs],
                    "changed": found.changed_since(since, sheet_id),
                    "requests": google.world.log.counts(vendor=google.name, since=time.time() - 60),
                }
            )

    async def edit_fault(request: Request) -> Response:
        body = await body_of(request, EditFault)
        try:
            found = google.spreadsheet(body.spreadsheet)
        except KeyError:
            raise AdminRefused("no such spreadsheet", 404) from None

        def act() -> None:
            for edit in body.edits:
                apply_edit(found, edit)

        fields = body.model_dump(exclude={"spreadsheet", "edits", "act"})
        google.world.faults.add(Fault("call", call=act, **fields))
        return JSONResponse({})

    async def service_account(request: Request) -> Response:
        return JSONResponse(google.make_service_account((await body_of(request, Account)).email))

    async def authorized_user(request: Request) -> Response:
        return JSONResponse(google.make_authorized_user((await body_of(request, Account)).email))

    async def tokens(request: Request) -> Response:
        google.accounts.expire_tokens()
        return JSONResponse({})

    return [
        Route(f"{API}/spreadsheets", refusing(spreadsheets), methods=["GET", "POST"]),
        Route(f"{API}/spreadsheets/{{id}}", refusing(spreadsheet), methods=["GET", "DELETE"]),
        Route(f"{API}/spreadsheets/{{id}}/edits", refusing(edits), methods=["POST"]),
        Route(f"{API}/spreadsheets/{{id}}/tabs/{{sheet_id}}", refusing(tab)),
        Route(f"{API}/spreadsheets/{{id}}/pulse", refusing(pulse)),
        Route(f"{API}/faults/edit", refusing(edit_fault), methods=["POST"]),
        Route(f"{API}/service-accounts", refusing(service_account), methods=["POST"]),
        Route(f"{API}/authorized-users", refusing(authorized_user), methods=["POST"]),
        Route(f"{API}/tokens", tokens, methods=["DELETE"]),
        *switches.routes(google),
        Route("/sandbox/", _home),
        Route("/sandbox/sheets/{id}", _sheet_page(google)),
        Route("/spreadsheets/d/{id}/edit", _sheet_page(google)),
        Route("/sandbox/static/{name}", _static),
    ]


async def _home(request: Request) -> Response:
    return _file(PAGE / "home.html")


def _sheet_page(google: Workspace) -> Callable[[Request], Any]:
    async def page(request: Request) -> Response:
        there = any(each.spreadsheet_id == request.path_params["id"] for each in google.spreadsheets())
        return _file(PAGE / "sheet.html") if there else _file(PAGE / "missing.html", 404)

    return page


async def _static(request: Request) -> Response:
    path = PAGE / Path(request.path_params["name"]).name
    return _file(path) if path.is_file() else Response("not found", 404)


def _file(path: Path, status: int = 200) -> Response:
    return Response(path.read_bytes(), status, {"cache-control": "no-cache"}, _KINDS[path.suffix])


def _described(google: Workspace, spreadsheet: Spreadsheet) -> dict[str, Any]:
    with spreadsheet.lock:
        return {
            "id": spreadsheet.spreadsheet_id,
            "title": spreadsheet.title,
            "url": spreadsheet.url,
            "page": google.page(spreadsheet.spreadsheet_id),
            "owner": spreadsheet.owner,
            "shared_with": sorted(spreadsheet.shared_with),
            "viewers": sorted(spreadsheet.viewers),
            "public": spreadsheet.public,
            "trashed": spreadsheet.trashed,
            "office_file": spreadsheet.office_file,
            "version": spreadsheet.version,
            "tabs": [
                {
                    "sheet_id": tab.sheet_id,
                    "title": tab.title,
                    "url": spreadsheet.url_of(tab),
                    "row_count": tab.row_count,
                    "column_count": tab.column_count,
                    "used_rows": tab.used()[0],
                }
                for tab in spreadsheet.tabs
            ],
        }


def _shown(tab: Tab) -> dict[str, Any]:
    """A tab for the page. A cell is null, a text, a number or a boolean, or an object: shown, entered, number or not."""
    return {
        "version": tab.spreadsheet.version,
        "sheet_id": tab.sheet_id,
        "title": tab.title,
        "row_count": tab.row_count,
        "column_count": tab.column_count,
        "protected": [grid_range(tab.sheet_id, protection.area) for protection in tab.protections],
        "merges": [grid_range(tab.sheet_id, merge.area) for merge in tab.regions_of("merge")],
        "checkboxes": [grid_range(tab.sheet_id, region.area) for region in tab.regions_of("checkbox")],
        "hidden_rows": sorted(
            row
            for region in tab.regions_of("hidden_by_filter", "hidden_by_user")
            for row in range(*region.box(tab.row_count, tab.column_count)[0:3:2])
        ),
        "tables": [table_resource(tab, table) for table in tab.regions_of("table")],
        "rows": [
            [_shown_cell(tab, row, column, cell) for column, cell in enumerate(line)]
            for row, line in enumerate(tab.lines(tab.box))
        ],
    }


def _shown_cell(tab: Tab, row: int, column: int, cell: Cell | None) -> Any:
    if tab.is_covered(row, column):
        return None
    if isinstance(cell, Formula):
        value = tab.value_at(row, column)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return {"shown": tab.shown_at(row, column), "entered": cell.text, "number": number}
    if isinstance(cell, Formatted):
        return {"shown": cell.shown, "entered": cell.shown, "number": True}
    if isinstance(cell, Spilled):
        return {"shown": tab.shown_at(row, column), "entered": "", "number": isinstance(cell.value, int | float)}
    return cell
