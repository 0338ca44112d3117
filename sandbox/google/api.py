"""The HTTP side: Sheets v4, the token endpoint, and the little of Drive v3 that goes with them."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.google import batch, masks
from sandbox.google.errors import MISSING_TOKEN, ApiError, bad_field, insufficient_scope, quota_exceeded
from sandbox.google.masks import BadMask
from sandbox.google.methods import SHEETS, Answer, Call, operation, read_mask, wants_pretty
from sandbox.google.model import SheetError, Spreadsheet
from sandbox.google.resource import spreadsheet_resource
from sandbox.google.tokens import TokenRefused
from sandbox.google.workspace import Workspace

FILES = "/drive/v3/files"
READING_VERBS = (":batchGet", ":batchGetByDataFilter", ":getByDataFilter", ":search")

_SCOPE = "https://www.googleapis.com/auth/"
_WRITING_SCOPES = frozenset(_SCOPE + name for name in ("spreadsheets", "drive", "drive.file"))
_READING_SCOPES = _WRITING_SCOPES | {_SCOPE + "spreadsheets.readonly", _SCOPE + "drive.readonly"}
_DRIVE_SCOPES = _READING_SCOPES - {_SCOPE + "spreadsheets", _SCOPE + "spreadsheets.readonly"} | {
    _SCOPE + "drive.metadata",
    _SCOPE + "drive.metadata.readonly",
}
COMPRESSED_FROM = 4096
SHEET_TYPE = "application/vnd.google-apps.spreadsheet"
OFFICE_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def routes(google: Workspace) -> list[BaseRoute]:
    """Return the routes of the stand-in: `/v4/spreadsheets…`, `/token`, `/drive/v3/files…`."""

    async def token(request: Request) -> Response:
        form = {name: found[-1] for name, found in parse_qs((await request.body()).decode()).items()}
        try:
            with google.world.lock:
                return JSONResponse(google.accounts.grant(form, f"{google.url}/token"))
        except TokenRefused as refused:
            return JSONResponse({"error": refused.error, "error_description": str(refused)}, refused.status)

    async def sheets(request: Request) -> Response:
        return _answered(request, lambda body: _sheets(google, request, body), await request.body())

    async def drive(request: Request) -> Response:
        return _answered(request, lambda _: _drive(google, request), b"", drive=True)

    return [
        Route("/token", token, methods=["POST"]),
        Route(SHEETS, sheets, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        Route(SHEETS + "/{rest:path}", sheets, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        Route(FILES, drive, methods=["GET"]),
        Route(FILES + "/{file_id}", drive, methods=["GET"]),
    ]


def _answered(request: Request, act: Callable[[bytes], Answer], body: bytes, *, drive: bool = False) -> Response:
    headers = {"vary": "Origin, X-Origin, Referer"}
    status = 200
    try:
        answer = act(body)
    except SheetError as error:
        status, answer = 400, ApiError(400, str(error)).body
    except ApiError as error:
        status, answer = error.status, error.drive_body if drive else error.body
        if status == 401:
            headers["www-authenticate"] = 'Bearer realm="https://accounts.google.com/", error="invalid_token"'
    query = parse_qs(request.scope["query_string"].decode(), keep_blank_values=True)
    content = masks.as_json(answer, pretty=wants_pretty(query)).encode()
    if len(content) >= COMPRESSED_FROM and "gzip" in request.headers.get("accept-encoding", ""):
        content = gzip.compress(content, 1)
        headers["content-encoding"] = "gzip"
    return Response(content, status, headers, "application/json; charset=UTF-8")


def _authorize(google: Workspace, request: Request, scopes: frozenset[str]) -> str:
    """The account that calls. Raises `ApiError` (401, 403)."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise ApiError(401, MISSING_TOKEN)
    token = google.accounts.token(text.strip())
    if token is None:
        raise ApiError(401)
    request.state.account = token.account
    if not token.scopes & scopes:
        raise insufficient_scope()
    return token.account


def _sheets(google: Workspace, request: Request, raw_body: bytes) -> Answer:
    raw_path = request.scope["raw_path"].decode()
    kind = google.kind(request.method, raw_path)
    with google.world.lock:
        account = _authorize(google, request, _READING_SCOPES if kind == "read" else _WRITING_SCOPES)
        if not google.quota.admits(account, kind):
            raise quota_exceeded(kind)
        query = parse_qs(request.scope["query_string"].decode(), keep_blank_values=True)
        if raw_path.rstrip("/") == SHEETS and request.method == "POST":
            return _create(google, query, _json(raw_body), account)
        spreadsheet_id, method = operation(request.method, raw_path)
        spreadsheet = google.opened(spreadsheet_id, account, writes=kind == "write")
        call = Call(query, _json(raw_body), account, spreadsheet)
        answer = method(call)
        mask = masks.parse(call.text("fields")) if call.text("fields") else None
        if mask is not None:
            picked: Answer = masks.pick(answer, mask)
            return picked
        return answer


def _json(raw_body: bytes) -> Any:
    if not raw_body:
        return {}
    try:
        return json.loads(raw_body)
    except ValueError:
        raise bad_field("Invalid JSON payload received. Unexpected token.") from None


def _create(google: Workspace, query: dict[str, list[str]], body: Any, account: str) -> Answer:
    found = masks.complaint(body, "Spreadsheet", skip=frozenset(("data",)))
    if found:
        raise bad_field(found)
    mask = read_mask(query.get("fields", [""])[-1], "Spreadsheet")
    spreadsheet = google.new(body.get("properties", {}).get("title") or "Untitled spreadsheet", owner=account)
    wanted = [sheet.get("properties", {}) for sheet in body.get("sheets", [])]
    if wanted:
        spreadsheet.tabs.clear()
        for properties in wanted:
            batch.add_tab(spreadsheet, properties)
    google.keep(spreadsheet)
    answer: Answer = masks.pick(spreadsheet_resource(spreadsheet, (), mask, include_grid_data=False), mask or {})
    return answer


def _drive(google: Workspace, request: Request) -> Answer:
    with google.world.lock:
        account = _authorize(google, request, _DRIVE_SCOPES)
        try:
            mask = masks.parse(request.query_params.get("fields") or "kind,id,name,mimeType,files,incompleteSearch")
        except BadMask as error:
            raise ApiError(400, f"Invalid field selection {error}") from None
        file_id = request.path_params.get("file_id")
        if file_id is not None:
            found: Answer = masks.pick(_file(google, google.file(file_id, account)), mask)
            return found
        files = [_file(google, spreadsheet) for spreadsheet in google.spreadsheets() if spreadsheet.opens_for(account)]
        listed: Answer = masks.pick({"kind": "drive#fileList", "incompleteSearch": False, "files": files}, mask)
        return listed


def _file(google: Workspace, spreadsheet: Spreadsheet) -> Answer:
    version, modified = google.as_drive_knows_it(spreadsheet)
    return {
        "kind": "drive#file",
        "id": spreadsheet.spreadsheet_id,
        "name": spreadsheet.title,
        "mimeType": OFFICE_TYPE if spreadsheet.office_file else SHEET_TYPE,
        "trashed": spreadsheet.trashed,
        "version": str(version),
        "modifiedTime": datetime.fromtimestamp(modified, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }
