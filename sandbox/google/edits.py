"""A person's edits as data: what the page sends, and what a test in another process sends."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError, validate_call

from sandbox.asked import AdminRefused, complaints
from sandbox.google.model import SheetError, Spreadsheet, Tab

OF_TAB = frozenset(
    (
        "type",
        "paste",
        "fill_down",
        "merge",
        "unmerge",
        "checkbox",
        "tick",
        "plain_text",
        "make_table",
        "filter",
        "remove_filter",
        "hide_rows",
        "show_rows",
        "clear",
        "sort",
        "insert_rows",
        "append_rows",
        "delete_rows",
        "move_rows",
        "duplicate_row",
        "insert_columns",
        "append_columns",
        "delete_columns",
        "move_columns",
        "shrink",
        "protect",
        "unprotect",
    )
)
OF_TAB_STRIP = frozenset(("rename_tab", "copy_tab", "delete_tab", "move_tab"))
OF_SPREADSHEET = frozenset(
    (
        "rename",
        "add_tab",
        "share",
        "unshare",
        "share_with_everyone",
        "trash",
        "restore_from_trash",
        "make_office_file",
    )
)


def apply_edit(spreadsheet: Spreadsheet, edit: Mapping[str, Any]) -> None:
    """Apply `{"op": …, …}`: a method of `Tab` or `Spreadsheet` by its name, with its arguments.

    The tab is `"tab"` (its title, or its place) or `"sheet_id"`; the first one if neither is there. Raises
    `AdminRefused` with nothing changed.
    """
    arguments = dict(edit)
    op = arguments.pop("op", None)
    if op in OF_TAB:
        method = getattr(_tab(spreadsheet, arguments), op)
    elif op in OF_TAB_STRIP:
        method = getattr(spreadsheet, op)
        arguments["which"] = _tab(spreadsheet, arguments).index
    elif op in OF_SPREADSHEET:
        method = getattr(spreadsheet, op)
    else:
        raise AdminRefused(f"no edit {op!r}: there are {', '.join(sorted(OF_TAB | OF_TAB_STRIP | OF_SPREADSHEET))}")
    try:
        validate_call(method)(**arguments)
    except ValidationError as error:
        raise AdminRefused(f"{op}: {complaints(error)}") from None
    except SheetError as error:
        raise AdminRefused(str(error)) from None


def _tab(spreadsheet: Spreadsheet, arguments: dict[str, Any]) -> Tab:
    sheet_id, which = arguments.pop("sheet_id", None), arguments.pop("tab", 0)
    try:
        return spreadsheet.tab(which) if sheet_id is None else spreadsheet.tab_by_id(sheet_id)
    except (KeyError, SheetError) as error:
        raise AdminRefused(str(error.args[0])) from None
