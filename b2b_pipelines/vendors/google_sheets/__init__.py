"""Google Sheets over pygsheets and google-auth: sign in, read a tab, write a batch.

One request reads a tab with its properties, and the answer to a write contains the tab after it.

google-auth signs in and pygsheets makes the requests; its own retries are off, because it sleeps for 100 s on a 429.
This package adds the rest: every request is paced, counted and timed out; reads are retried, writes never by
themselves. A write that may or may not have been applied raises `WriteUnsettled`: the caller must read before it writes
again.
"""

from b2b_pipelines.vendors.google_sheets.accounts import SCOPES, Account, account
from b2b_pipelines.vendors.google_sheets.client import CountedSheets, GoogleSheets
from b2b_pipelines.vendors.google_sheets.errors import (
    GoogleRefused,
    GoogleUnavailable,
    SheetFull,
    SheetIsOfficeFile,
    SheetProtected,
    SheetUnshared,
    SheetViewOnly,
    SignInRefused,
    TabMoved,
    WriteUnsettled,
)
from b2b_pipelines.vendors.google_sheets.requests import (
    append_dimension,
    clear_cells,
    column_letters,
    quoted,
    update_cells,
    update_table,
)
from b2b_pipelines.vendors.google_sheets.tabs import (
    Kind,
    Pace,
    Requests,
    SpreadsheetInfo,
    TabContent,
    TabInfo,
)

__all__ = [
    "SCOPES",
    "Account",
    "CountedSheets",
    "GoogleRefused",
    "GoogleSheets",
    "GoogleUnavailable",
    "Kind",
    "Pace",
    "Requests",
    "SheetFull",
    "SheetIsOfficeFile",
    "SheetProtected",
    "SheetUnshared",
    "SheetViewOnly",
    "SignInRefused",
    "SpreadsheetInfo",
    "TabContent",
    "TabInfo",
    "TabMoved",
    "WriteUnsettled",
    "account",
    "append_dimension",
    "clear_cells",
    "column_letters",
    "quoted",
    "update_cells",
    "update_table",
]
