"""Targets that a sync does not write to, and the errors that say why."""

from sqlalchemy.orm import Session

from b2b_pipelines.cells import Area, area_name
from b2b_pipelines.contracts.models import Contract
from b2b_pipelines.contracts.rules import tab_number
from b2b_pipelines.errors import PermanentError, Refused
from b2b_pipelines.sheets import store
from b2b_pipelines.sheets.layout import Layout, Tab, find_layout, looks_like_code, typed
from b2b_pipelines.sheets.models import SheetSnapshot
from b2b_pipelines.vendors.google_sheets import TabInfo


class TargetNotEmpty(PermanentError):
    """The tab holds something that a new target would replace, and nobody agreed to that."""

    code = "target_not_empty"


class TargetTaken(PermanentError):
    """The tab holds our header over codes that this installation does not know: another one's."""

    code = "target_taken"


class AnotherTarget(Refused):
    """The snapshot was taken of another tab than the contract has now."""

    code = "another_target"


class SheetMerged(PermanentError):
    """Merged cells are in the way of the header or of the rows of a new target."""

    code = "sheet_merged"


class CellNotKept(PermanentError):
    """A cell does not keep what is written in it."""

    code = "cell_not_kept"


def is_named(contract: Contract) -> bool:
    """Whether a contract names its tab, by title, index or the number in the URL: that is the consent to replace it."""
    return contract.sheet_tab is not None or tab_number(contract.sheet_url or "") is not None


def refuse_other_installations(session: Session, contract: Contract, spreadsheet: str, info: TabInfo, tab: Tab) -> None:
    """Raise `TargetTaken` for a tab with our header over codes of which this installation knows none."""
    layout = find_layout(tab, (), None)
    if not isinstance(layout, Layout) or not layout.has_header:
        return
    texts = {typed(row[layout.code]) for row in tab.values if len(row) > layout.code}
    codes = {text for text in texts if looks_like_code(text)}
    if codes and not store.knows_any(session, spreadsheet, info.sheet_id, codes):
        raise TargetTaken(
            f"the tab {info.title!r} holds codes of another installation: give {contract.slug} another tab, or take this"
            f" one with `b2b sheet rebuild {contract.slug}`"
        )


def target_not_empty(contract: Contract, tab: str, replaced: int, tabs: str) -> TargetNotEmpty:
    """The error for a tab whose A-F hold so many rows of the customer's; `tabs` are those there are."""
    rows = f"{replaced} row" if replaced == 1 else f"{replaced} rows"
    return TargetNotEmpty(
        f"the tab {tab!r} holds {rows} in A-F that the codes would replace (there are {tabs}): name the tab with"
        f" `b2b_contract modify {contract.slug} --tab TITLE`, or agree with `b2b sheet sync {contract.slug} --replace`"
    )


def target_restored(contract: Contract, tab: str) -> TargetNotEmpty:
    """The error for a tab in which the customer's own cells were put back."""
    return TargetNotEmpty(
        f"the customer's own cells were put back in the tab {tab!r}: give {contract.slug} a sheet again, or replace them"
        f" with `b2b sheet sync {contract.slug} --replace`"
    )


def another_target(contract: Contract, snapshot: SheetSnapshot) -> AnotherTarget:
    """The error for a snapshot of a tab that the contract does not have now."""
    return AnotherTarget(
        f"the snapshot {snapshot.id} was taken of the tab {snapshot.title!r} of another sheet or tab than {contract.slug} has"
        " now: give the contract that one again first"
    )


def sheet_merged(tab: str, area: Area) -> SheetMerged:
    """The error for a merge that is in the way of a new target."""
    return SheetMerged(
        f"the cells {area_name(area)} of the tab {tab!r} are merged, where the header and the codes are to stand:"
        " unmerge them, or name another tab"
    )


def cell_not_kept(cells: list[tuple[int, int]]) -> CellNotKept:
    """The error for cells that do not read back as written after two writes."""
    names = [area_name(Area(row, column, row + 1, column + 1)) for row, column in cells[:5]]
    many = "" if len(cells) <= 5 else f" and {len(cells) - 5} more"
    verb = "does" if len(cells) == 1 else "do"
    return CellNotKept(
        f"{', '.join(names)}{many} {verb} not keep what is written: is it merged, or has it a format or a type of its own?"
    )
