"""Pages that write to a customer's sheet: a sync with consent, and a restore. Each shows its plan first."""

from collections.abc import Callable
from typing import Any

from fastapi import Request, Response

from b2b_pipelines.api.contracts import seen_contract
from b2b_pipelines.api.database import Connection
from b2b_pipelines.api.rendering import render
from b2b_pipelines.errors import B2BError, NotFound
from b2b_pipelines.sheets import service
from b2b_pipelines.sheets.connection import SheetsConnection
from b2b_pipelines.tokens.service import Caller
from b2b_pipelines.vendors.google_sheets import GoogleSheets

MANAGING = {"manage", "provisioning"}
"""Scopes with which a person may write to a sheet from the pages."""


def may_restore(caller: Caller) -> bool:
    """Whether a caller may write to a customer's sheet from the pages."""
    return not MANAGING.isdisjoint(caller.scopes)


def restored(request: Request, db: Connection, caller: Caller, slug: str, number: int, *, dry_run: bool) -> Response:
    """The page of a restore, or of what it would write."""
    with db.session() as session:
        snapshot = service.find_snapshot(session, _managed(db, caller, slug), number)
        session.expunge_all()

    def act(sheets: GoogleSheets) -> Any:
        return service.restore(db.open(), sheets, slug, snapshot, dry_run=dry_run)

    return _page(request, db, caller, slug, template="restore.html", act=act, done=not dry_run)


def replaced(request: Request, db: Connection, caller: Caller, slug: str, *, dry_run: bool) -> Response:
    """The page of a sync with consent, or of what it would write."""
    _managed(db, caller, slug)

    def act(sheets: GoogleSheets) -> Any:
        if dry_run:
            return service.plan(db.open(), sheets, slug)
        return service.sync(db.open(), sheets, slug, replace=True)

    return _page(request, db, caller, slug, template="replace.html", act=act, done=not dry_run)


def _managed(db: Connection, caller: Caller, slug: str) -> str:
    """The slug of a contract that the caller sees and may manage. Raises `NotFound`."""
    if not may_restore(caller):
        raise NotFound("writing to a sheet needs the right to manage contracts")
    with db.session() as session:
        return seen_contract(session, caller, slug).slug


def _page(
    request: Request,
    db: Connection,
    caller: Caller,
    slug: str,
    *,
    template: str,
    act: Callable[[GoogleSheets], Any],
    done: bool,
) -> Response:
    with db.session() as session:
        contract = seen_contract(session, caller, slug)
    result, error = None, None
    connection = SheetsConnection(request.app.state.settings, db.engine)
    try:
        result = act(connection.client())
    except B2BError as refused:
        error = refused.message
    finally:
        connection.close()
    status = 409 if error else 200
    return render(request, template, caller, status=status, contract=contract, result=result, error=error, done=done)
