"""The assumptions about Google that the live check tries in the scratch tab."""

import secrets
from collections.abc import Callable
from typing import Any

from b2b_pipelines.errors import B2BError, TransientError
from b2b_pipelines.sheets.live_probe import GRID, Finding, Probe, Reply, redacted
from b2b_pipelines.vendors.google_sheets import quoted, update_cells

ROWS, COLUMNS = 40, 12


def tried(name: str, attempt: Callable[[Probe], Finding], probe: Probe) -> Finding:
    """Return the finding of one attempt.

    An answer that lacks the requested part is a finding too.
    """
    try:
        finding = attempt(probe)
    except TransientError:
        raise
    except (B2BError, LookupError, TypeError, ValueError, AttributeError) as error:
        return Finding(name, "otherwise", f"Google's answer was not understood ({type(error).__name__})")
    return Finding(name, finding.verdict, finding.found, redacted(finding.evidence))


def _finding(name: str, holds: bool, found: str, evidence: Any) -> Finding:
    return Finding(name, "as assumed" if holds else "otherwise", found, evidence)


def _refused(name: str, what: str, reply: Reply) -> Finding:
    return Finding(name, "otherwise", f"{what} was refused: {reply.message}", reply.body)


def _merged_cells(probe: Probe) -> Finding:
    name = "merged_cells"
    reply = probe.write(
        {"mergeCells": {"range": probe.area(1, 3, 0, 2), "mergeType": "MERGE_ALL"}},
        probe.put(1, 0, "first", "covered"),
        probe.put(2, 0, "covered"),
    )
    if reply.is_refused:
        return _refused(name, "a write into covered cells", reply)
    covered = [probe.cell("B2"), probe.cell("A3")]
    if not any(cell.get("userEnteredValue") for cell in covered):
        return _finding(name, True, "nothing is kept", covered)
    return _finding(name, False, "a covered cell keeps what is written, and does not show it", covered)


def _plain_text_numbers(probe: Probe) -> Finding:
    name = "plain_text_numbers"
    text = {"userEnteredFormat": {"numberFormat": {"type": "TEXT"}}}
    column = probe.area(0, ROWS, 3, 4)
    reply = probe.write(
        {"repeatCell": {"range": column, "cell": text, "fields": "userEnteredFormat.numberFormat"}}, probe.put(5, 3, 7)
    )
    if reply.is_refused:
        return _refused(name, "a number in a plain-text column", reply)
    cell = probe.cell("D6")
    value = cell.get("effectiveValue", {})
    found = f"the number 7 reads back as {value or 'nothing'}"
    return _finding(name, value == {"stringValue": "7"}, found, cell)


def _filtered_rows(probe: Probe) -> Finding:
    name = "filtered_rows"
    hidden = {"range": probe.area(8, 11, 0, 1), "criteria": {"0": {"hiddenValues": ["hide"]}}}
    prepared = probe.write(
        update_cells(probe.tab[0], 8, 0, [["header"], ["hide"], ["show"]]), {"setBasicFilter": {"filter": hidden}}
    )
    if prepared.is_refused:
        return _refused(name, "a filter", prepared)
    reply = probe.write(probe.put(9, 1, "written"))
    cell = probe.cell("B10")
    probe.write({"clearBasicFilter": {"sheetId": probe.tab[0]}})
    if reply.is_refused:
        return _refused(name, "a write under a filter", reply)
    written = cell.get("effectiveValue") == {"stringValue": "written"}
    return _finding(name, written, "a row that a filter hides is left as it was", cell)


def _table(probe: Probe) -> Reply:
    columns = [
        {"columnIndex": 0, "columnName": "Code", "columnType": "TEXT"},
        {"columnIndex": 1, "columnName": "Number", "columnType": "DOUBLE"},
    ]
    name = f"check_{secrets.token_hex(3)}"
    table = {"name": name, "range": probe.area(14, 17, 5, 7), "columnProperties": columns}
    return probe.write(
        update_cells(probe.tab[0], 14, 5, [["Code", "Number"], ["one", 1], ["two", 2]]), {"addTable": {"table": table}}
    )


def _table_appends(probe: Probe) -> Finding:
    name = "table_appends"
    made = _table(probe)
    if made.is_refused:
        return _refused(name, "addTable", made)
    table_id = made.body["replies"][1]["addTable"]["table"]["tableId"]
    rows = [{"values": [{"userEnteredValue": {"stringValue": "three"}}]}]
    reply = probe.write({"appendCells": {"tableId": table_id, "rows": rows, "fields": "userEnteredValue"}})
    if reply.is_refused:
        return _refused(name, "appendCells with a tableId", reply)
    tables = probe.read(ranges=[quoted(probe.tab[1])], fields=GRID).body["sheets"][0].get("tables", [])
    cell = probe.cell("F18")
    ends = [table.get("range", {}).get("endRowIndex") for table in tables]
    grew = 18 in ends and cell.get("effectiveValue") == {"stringValue": "three"}
    return _finding(name, grew, f"the table ends at row {ends}, and row 18 holds {cell or 'nothing'}", [tables, cell])


def _table_typed_columns(probe: Probe) -> Finding:
    name = "table_typed_columns"
    tables = probe.read(ranges=[quoted(probe.tab[1])], fields=GRID).body["sheets"][0].get("tables", [])
    if not tables:
        return Finding(name, "not tried", "the tab has no table: addTable was refused")
    reply = probe.write(probe.put(15, 6, "text"))
    if reply.is_refused:
        return _refused(name, "text in a column of numbers", reply)
    cell = probe.cell("G16")
    found = f"text in a column of numbers reads back as {cell.get('effectiveValue') or 'nothing'}"
    return _finding(name, cell.get("effectiveValue") == {"stringValue": "text"}, found, cell)


def _formulas_in_the_answer(probe: Probe) -> Finding:
    name = "formulas_in_the_answer"
    formula = {"userEnteredValue": {"formulaValue": '=IF(A22="","","given")'}}
    start = {"sheetId": probe.tab[0], "rowIndex": 21, "columnIndex": 7}
    probe.write({"updateCells": {"start": start, "rows": [{"values": [formula]}], "fields": "userEnteredValue"}})
    reply = probe.write(
        probe.put(21, 0, "a code"),
        includeSpreadsheetInResponse=True,
        responseRanges=[f"{quoted(probe.tab[1])}!H22"],
        responseIncludeGridData=True,
    )
    if reply.is_refused:
        return _refused(name, "a write beside a formula", reply)
    (sheet,) = reply.body["updatedSpreadsheet"]["sheets"]
    cell = sheet["data"][0]["rowData"][0]["values"][0]
    shown = {key: cell.get(key) for key in ("userEnteredValue", "effectiveValue")}
    found = f"the answer shows the formula as {cell.get('effectiveValue') or 'nothing'}"
    return _finding(name, cell.get("effectiveValue") == {"stringValue": "given"}, found, shown)


def _vanished_tab(probe: Probe) -> Finding:
    name = "vanished_tab"
    reply = probe.write(
        probe.put(25, 0, "applied"),
        includeSpreadsheetInResponse=True,
        responseRanges=[quoted(f"{probe.tab[1]} gone")],
        responseIncludeGridData=True,
    )
    applied = probe.cell("A26").get("effectiveValue") == {"stringValue": "applied"}
    evidence = {"status": reply.status, "applied": applied, "error": reply.body if reply.is_refused else None}
    found = f"the batch was {'refused' if reply.is_refused else 'accepted'} and {'' if applied else 'not '}applied"
    return _finding(name, reply.is_refused and not applied, found, evidence)


ATTEMPTS: dict[str, Callable[[Probe], Finding]] = {
    "merged_cells": _merged_cells,
    "plain_text_numbers": _plain_text_numbers,
    "filtered_rows": _filtered_rows,
    "table_appends": _table_appends,
    "table_typed_columns": _table_typed_columns,
    "formulas_in_the_answer": _formulas_in_the_answer,
    "vanished_tab": _vanished_tab,
}
