"""Which tab a contract's codes go to, and that no other contract's do."""

from sqlalchemy.orm import Session

from b2b_pipelines.cells import tab_name
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.rules import same_tab, spreadsheet_id, tab_number
from b2b_pipelines.db.engine import Database
from b2b_pipelines.errors import Conflict, PermanentError
from b2b_pipelines.sheets import store
from b2b_pipelines.sheets.models import SheetSnapshot, SheetTarget
from b2b_pipelines.vendors.google_sheets import CountedSheets, SpreadsheetInfo, TabContent, TabInfo, TabMoved

USUAL_TITLE = "Sheet1"
MODIFY = "`b2b_contract modify … --tab`"
TAB_HELP = f"name the tab with {MODIFY}"


class TabMissing(PermanentError):
    """The spreadsheet has no such tab; the message lists those it has."""

    code = "tab_missing"


def read_tab(
    sheets: CountedSheets, contract: Contract, target: SheetTarget | None, *, text_columns: int = 0
) -> TabContent:
    """Return the tab that the contract means, with all its contents.

    One read, or two if the tab moved. That is the tab found before, under any title, as long as the contract names the
    same; else the result of `tab_meant`. With `text_columns` the content has the texts that the first columns show.
    Raises `TabMissing`.
    """
    address = contract.sheet_url or ""
    spreadsheet, reference = spreadsheet_id(address), contract.sheet_tab
    number = tab_number(address) if reference is None else None
    content = None
    if still_says_so(contract, target):
        assert target is not None
        content = sheets.read(spreadsheet, target.title, target.sheet_id, text_columns=text_columns)
    elif number is not None:
        content = sheets.read_number(spreadsheet, number, text_columns=text_columns)
    elif reference is not None and not reference.strip().isdecimal():
        content = sheets.read(spreadsheet, reference.strip(), text_columns=text_columns)
    if content is None:
        found = sheets.open(spreadsheet)
        tab = tab_meant(found, address, reference)
        if tab is None:
            raise tab_missing(address, reference, found)
        content = sheets.read(spreadsheet, tab.title, tab.sheet_id, text_columns=text_columns)
    if content is None:
        raise TabMoved("the tab was renamed or deleted while it was looked for: try again")
    return content


def read_again(sheets: CountedSheets, spreadsheet: str, seen: TabContent) -> TabContent:
    """Return the same tab, read again. Raises `TabMissing` if it was deleted meanwhile."""
    tab = seen.info
    columns = max(map(len, seen.texts), default=1) if seen.texts is not None else 0
    content = sheets.read(spreadsheet, tab.title, tab.sheet_id, text_columns=columns)
    if content is None:
        raise tab_missing("", tab.title, sheets.open(spreadsheet))
    return content


def still_says_so(contract: Contract, target: SheetTarget | None) -> bool:
    """Return whether the contract still names the sheet and tab of the last look-up."""
    return target is not None and (target.requested_url, target.requested_tab) == (
        contract.sheet_url,
        contract.sheet_tab,
    )


def is_of(thing: SheetTarget | SheetSnapshot, spreadsheet: str, tab: TabInfo) -> bool:
    """Return whether a target or a snapshot belongs to that tab."""
    return (thing.spreadsheet_id, thing.sheet_id) == (spreadsheet, tab.sheet_id)


def is_claimed(contract: Contract, target: SheetTarget | None, tab: TabInfo) -> bool:
    """Return whether the contract has the tab already, by the title it has now."""
    return (
        target is not None
        and is_of(target, spreadsheet_id(contract.sheet_url or ""), tab)
        and still_says_so(contract, target)
        and target.title == tab.title
    )


def tab_meant(spreadsheet: SpreadsheetInfo, address: str, reference: str | None) -> TabInfo | None:
    """Return the tab that a contract means by its URL and its tab.

    The first of: the named title or index; the number in the URL; the only tab; `Sheet1`.
    """
    if reference is not None:
        return tab_named(spreadsheet, reference)
    number = tab_number(address)
    if number is not None:
        return next((tab for tab in spreadsheet.tabs if tab.sheet_id == number), None)
    return spreadsheet.tabs[0] if len(spreadsheet.tabs) == 1 else tab_named(spreadsheet, USUAL_TITLE)


def tab_named(spreadsheet: SpreadsheetInfo, reference: str) -> TabInfo | None:
    """Return the tab of that title or else, for a whole number, the tab at that place from 0."""
    titled = next((tab for tab in spreadsheet.tabs if same_tab(tab.title, reference)), None)
    if titled is None and reference.strip().isdecimal():
        return next((tab for tab in spreadsheet.tabs if tab.index == int(reference)), None)
    return titled


def tab_missing(address: str, reference: str | None, spreadsheet: SpreadsheetInfo) -> TabMissing:
    """Make the error for a tab that the spreadsheet lacks; it lists the existing tabs."""
    there = titles_of(spreadsheet)
    number = tab_number(address)
    if reference is not None:
        missing = f"no tab {tab_name(reference)}"
    elif number is not None:
        missing = f"no tab with the number of the address (gid={number})"
    else:
        missing = f"several tabs, none of them named {tab_name(USUAL_TITLE)}"
    return TabMissing(f"the spreadsheet has {missing}, but {there}: {TAB_HELP}")


def titles_of(spreadsheet: SpreadsheetInfo) -> str:
    """Return the titles of the tabs for a message."""
    return ", ".join(tab_name(tab.title) for tab in spreadsheet.tabs) or "no tab with cells"


def refuse_if_taken(database: Database, sheets: CountedSheets, contract: Contract, tab: TabInfo) -> None:
    """Raise `Conflict`, naming it, if another contract has the tab and still means it."""
    spreadsheet = spreadsheet_id(contract.sheet_url or "")
    with database.session() as session:
        target = store.claimed_by(session, spreadsheet, tab.sheet_id)
        other = session.get(Contract, target.contract_id) if target else None
    if target is None or other is None or other.id == contract.id or other.sheet_url is None:
        return
    if not still_says_so(other, target):
        if spreadsheet_id(other.sheet_url) != spreadsheet:
            return
        named = tab_meant(sheets.open(spreadsheet), other.sheet_url, other.sheet_tab)
        if named is None or named.sheet_id != tab.sheet_id:
            return
    raise Conflict(f"the tab {tab_name(tab.title)} belongs to the contract {other.slug}: name another with {MODIFY}")


def claim(session: Session, contract: Contract, tab: TabInfo) -> None:
    """Make a tab the contract's.

    A contract that had it before and means another tab by now loses it.
    """
    spreadsheet = spreadsheet_id(contract.sheet_url or "")
    target = store.target_of(session, contract.id)
    same = target is not None and is_of(target, spreadsheet, tab)
    store.release(session, spreadsheet, tab.sheet_id, but_for=contract.id)
    store.claim(
        session,
        {
            "contract_id": contract.id,
            "spreadsheet_id": spreadsheet,
            "sheet_id": tab.sheet_id,
            "title": tab.title,
            "requested_url": contract.sheet_url,
            "requested_tab": contract.sheet_tab,
            "written_at": target.written_at if same and target else None,
            "synced_revision": target.synced_revision if same and target else 0,
            "restored_at": target.restored_at if same and still_says_so(contract, target) and target else None,
        },
    )
