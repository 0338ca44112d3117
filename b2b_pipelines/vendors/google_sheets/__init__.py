"""Google Sheets over pygsheets and google-auth: sign in, look at a spreadsheet, read a tab, write a batch.

A tab is read with its properties in one request, and the answer to a write brings the tab as it then is.

google-auth signs in and pygsheets makes the requests; its own retries are off, because it sleeps for 100 s on a 429.
What it lacks is here: every request is paced, counted and timed out; reads are tried again, writes never by themselves.
A write that may or may not have been applied raises `WriteUnsettled`: whoever wrote reads before writing again.
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
