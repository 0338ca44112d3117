"""Targets that a sync refuses to write to, with the errors."""

from sqlalchemy.orm import Session

from b2b_pipelines.cells import Area, area_name, tab_name
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.rules import tab_number
from b2b_pipelines.errors import PermanentError, Refused
from b2b_pipelines.sheets import store
from b2b_pipelines.sheets.columns import find_layout
from b2b_pipelines.sheets.layout import Layout, Tab, looks_like_code, typed
from b2b_pipelines.sheets.models import SheetSnapshot
from b2b_pipelines.vendors.google_sheets import TabInfo


class TargetNotEmpty(PermanentError):
    """The tab holds cells that a new target would replace, without a person's consent."""

    code = "target_not_empty"


class TargetTaken(PermanentError):
    """The tab has our header over codes of another installation."""

    code = "target_taken"


class AnotherTarget(Refused):
    """The snapshot was taken of another tab than the contract has now."""

    code = "another_target"


class SheetMerged(PermanentError):
    """Merged cells are in the way of the header or of the rows of a new target."""

    code = "sheet_merged"


class CellNotKept(PermanentError):
    """A cell loses the value that was written to it."""

    code = "cell_not_kept"


def is_named(contract: Contract) -> bool:
    """Return whether a contract names its tab, which is the consent to replace it.

    A title, an index and the URL's number count.
    """
    return contract.sheet_tab is not None or tab_number(contract.sheet_url or "") is not None


def refuse_other_installations(session: Session, contract: Contract, spreadsheet: str, info: TabInfo, tab: Tab) -> None:
    """Raise `TargetTaken` for a tab with codes that are all unknown to this installation.

    They are under the codes' header.
    """
    layout = find_layout(tab, (), None)
    if not isinstance(layout, Layout) or not layout.has_header:
        return
    texts = {typed(row[layout.code]) for row in tab.values if len(row) > layout.code}
    codes = {text for text in texts if looks_like_code(text)}
    if codes and not store.knows_any(session, spreadsheet, info.sheet_id, codes):
        raise TargetTaken(
            f"the tab {tab_name(info.title)} holds codes of another installation: give {contract.slug} another tab, or take this"
            f" one with `b2b sheet rebuild {contract.slug}`"
        )


def target_not_empty(contract: Contract, tab: str, replaced: int, tabs: str) -> TargetNotEmpty:
    """Make the error for a tab whose A-F hold `replaced` rows of the customer's.

    `tabs` are all tabs.
    """
    rows = f"{replaced} row" if replaced == 1 else f"{replaced} rows"
    return TargetNotEmpty(
        f"the tab {tab_name(tab)} holds {rows} in A-F that the codes would replace (there are {tabs}): name the tab with"
        f" `b2b_contract modify {contract.slug} --tab TITLE`, or agree with `b2b sheet sync {contract.slug} --replace`"
    )


def target_restored(contract: Contract, tab: str) -> TargetNotEmpty:
    """Make the error for a tab in which the customer's own cells were restored."""
    return TargetNotEmpty(
        f"the customer's own cells were put back in the tab {tab_name(tab)}: give {contract.slug} a sheet again, or replace them"
        f" with `b2b sheet sync {contract.slug} --replace`"
    )


def another_target(contract: Contract, snapshot: SheetSnapshot) -> AnotherTarget:
    """Make the error for a snapshot of another tab than the contract has now."""
    return AnotherTarget(
        f"snapshot {snapshot.id} is of the tab {tab_name(snapshot.title)}, and {contract.slug} has another sheet or tab now:"
        " give the contract that one again first"
    )


def sheet_merged(tab: str, area: Area) -> SheetMerged:
    """Make the error for a merge in the area of a new target."""
    return SheetMerged(
        f"the cells {area_name(area)} of the tab {tab_name(tab)} are merged, and the header and the codes need them:"
        " unmerge them, or name another tab"
    )


def cell_not_kept(cells: list[tuple[int, int]]) -> CellNotKept:
    """Make the error for cells that differ from their written values after two writes."""
    names = [area_name(Area(row, column, row + 1, column + 1)) for row, column in cells[:5]]
    many = "" if len(cells) <= 5 else f" and {len(cells) - 5} more"
    verb = "does" if len(cells) == 1 else "do"
    return CellNotKept(
        f"{', '.join(names)}{many} {verb} not keep the written value: remove a merge, a filter, a format or a column type there"
    )
