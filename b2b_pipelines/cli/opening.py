"""The answer to a contract manager who gave a contract a sheet: its title, its tab, and the rows to be replaced."""

from __future__ import annotations

from typing import Any

from b2b_pipelines.cells import tab_name
from b2b_pipelines.cli import console
from b2b_pipelines.errors import B2BError, NotConfigured
from b2b_pipelines.plural import counted


def opened(slug: str, given: str | None, *, as_json: bool) -> dict[str, Any]:
    """Open the sheet that a contract was just given; `{}` if it was given none, or without Google credentials."""
    from b2b_pipelines.sheets import service
    from b2b_pipelines.sheets.connection import connect_sheets

    if given is None:
        return {}
    with console.surroundings() as here:
        try:
            with connect_sheets(here.settings, here.database.engine) as sheets:
                return {"sheet": service.preview(here.database, sheets, slug, ask=here.settings.sheet_replace == "ask")}
        except NotConfigured:
            if not as_json:
                console.warn("The sheet was not opened, because Google credentials are missing. See `b2b doctor`.")
            return {}
        except B2BError as error:
            return {"sheet": {"shared": None, "message": error.message, "error": error.code}}


def show(slug: str, sheet: dict[str, Any] | None) -> None:
    """Say whether the sheet opens, which tab it is, and how many rows are replaced."""
    if sheet is None:
        return
    if sheet.get("title"):
        tab = f", tab {tab_name(sheet['tab'])}" if sheet.get("tab") else ""
        console.say(f"The sheet opens: {tab_name(sheet['title'])}{tab}.")
    if sheet.get("replaced"):
        rows = counted(sheet["replaced"], "row")
        console.say(f"The codes will replace {rows} in A-F. `b2b sheet plan {slug}` shows the first ones.")
    if sheet.get("message"):
        console.say(f"Note: {sheet['message'].rstrip('.')}.")
