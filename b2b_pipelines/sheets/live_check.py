"""Check, on a throw-away spreadsheet of a real account, the assumptions about Google that only a live account settles.

Neither a recording nor Google's documentation answers these questions. The check adds a tab, tries each of them in it,
and deletes the tab. Everything that Google answered goes into a report that can be attached to a bug report.
"""

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from googleapiclient.errors import HttpError

from b2b_pipelines.errors import B2BError, PermanentError, TransientError
from b2b_pipelines.vendors.google_sheets import GoogleSheets, Kind, Requests, quoted, update_cells

Verdict = Literal["as assumed", "otherwise", "not tried"]

ROWS, COLUMNS = 40, 12
READS_OVER_THE_LIMIT = 75
LONGEST_REFUSAL = 120.0
LONGEST_EVIDENCE = 4000
GRID = "sheets(properties.sheetId,merges,tables,data.rowData.values(userEnteredValue,effectiveValue))"
_EMAIL = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+\.[a-zA-Z]{2,}")

ASSUMED = {
    "merged_cells": "A write into a cell that a merge covers is not kept.",
    "plain_text_numbers": "A number written into a plain-text column reads back as its text.",
    "filtered_rows": "A row that a filter hides is written like any other row.",
    "table_appends": "appendCells with a tableId adds the row to the table.",
    "table_typed_columns": "Text written into a table's column of numbers is kept.",
    "formulas_in_the_answer": "The answer to a write shows formulas with the values that follow from it.",
    "vanished_tab": "A batch whose responseRanges name a missing tab is refused as a whole.",
    "viewer": 'A viewer reads, and a write is refused with 403 "The caller does not have permission".',
    "quota": "The 61st read in a minute is refused with 429 and RATE_LIMIT_EXCEEDED, without Retry-After, for up to 60 s.",
}
"""Each assumption by its name in the report, in the order in which they are tried."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one assumption; `evidence` is the part of Google's answers that shows it."""

    name: str
    verdict: Verdict
    found: str
    evidence: Any = None

    @property
    def assumed(self) -> str:
        return ASSUMED[self.name]

    @property
    def line(self) -> str:
        """The finding as a person reads it."""
        if self.verdict == "as assumed":
            return f"as assumed: {self.assumed}"
        return f"{self.verdict}: {self.found}"


@dataclass(slots=True)
class Report:
    """The findings of one check; `leftover` is the title of the tab if it could not be deleted."""

    spreadsheet: str
    checked_at: str
    findings: list[Finding] = field(default_factory=list)
    leftover: str | None = None
    requests: Requests = field(default_factory=Requests)

    def as_json(self) -> dict[str, Any]:
        checks = [asdict(finding) | {"assumed": finding.assumed} for finding in self.findings]
        return {
            "spreadsheet": self.spreadsheet,
            "checked_at": self.checked_at,
            "checks": checks,
            "leftover_tab": self.leftover,
            "reads": self.requests.reads,
            "writes": self.requests.writes,
        }


@dataclass(frozen=True, slots=True)
class Reply:
    """Google's answer to one request: its JSON, and the status and the `Retry-After` if it was refused."""

    body: Any
    status: int = 200
    retry_after: str | None = None

    @property
    def is_refused(self) -> bool:
        return self.status >= 400

    @property
    def message(self) -> str:
        """Google's own words for a refusal."""
        error = self.body.get("error", {}) if isinstance(self.body, dict) else {}
        words = error.get("message", self.body) if isinstance(error, dict) else error
        return f"{self.status} {_EMAIL.sub('(address)', str(words))[:300]}"


def check(
    sheets: GoogleSheets,
    spreadsheet: str,
    *,
    quota: bool = False,
    poll_seconds: float = 2.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """Try every assumption on a spreadsheet that its owner shared with our account. Deletes the tab that it adds.

    With `quota` it also makes reads until Google refuses one, and waits until reads are served again. Raises what
    `vendors.google_sheets` raises if the spreadsheet cannot be read, or Google stops answering.
    """
    report = Report(spreadsheet, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    probe = Probe(sheets, spreadsheet, report.requests)
    opened = probe.read(fields="properties.title,sheets.properties")
    if opened.is_refused:
        raise probe.refusal or PermanentError(f"Google refuses to open the spreadsheet: {opened.message}")
    title = f"b2b check {secrets.token_hex(3)}"
    added = probe.write({"addSheet": {"properties": {"title": title, "gridProperties": _SIZE}}})
    if added.is_refused:
        report.findings = list(_of_a_viewer(added))
    else:
        probe.tab = (added.body["replies"][0]["addSheet"]["properties"]["sheetId"], title)
        try:
            report.findings = [_tried(name, attempt, probe) for name, attempt in ATTEMPTS.items()]
        except B2BError as error:
            if _remove(probe, title):
                raise type(error)(f"{error.message}. Delete the tab {title!r} in the spreadsheet") from error
            raise
        report.leftover = _remove(probe, title)
        untried = "share a spreadsheet for viewing only, and check that one"
        report.findings.append(Finding("viewer", "not tried", untried))
    report.findings.append(
        _quota(probe, poll_seconds, sleep) if quota else Finding("quota", "not tried", "ask for it with --quota")
    )
    return report


_SIZE = {"rowCount": ROWS, "columnCount": COLUMNS}


class Probe:
    """Requests to one spreadsheet whose refusals are answers, not errors. `tab` is the scratch tab: number and title."""

    def __init__(self, sheets: GoogleSheets, spreadsheet: str, requests: Requests) -> None:
        self.sheets, self.spreadsheet, self.requests = sheets, spreadsheet, requests
        self.tab = (0, "")
        self.refusal: B2BError | None = None

    def read(self, *, has_turn: bool = False, **parameters: Any) -> Reply:
        """Read the spreadsheet. With `has_turn` outside of the pace that the installation keeps."""
        return self._send("read", lambda api: api.get(spreadsheetId=self.spreadsheet, **parameters), has_turn=has_turn)

    def write(self, *changes: Mapping[str, Any], **more: Any) -> Reply:
        body = {"requests": list(changes), **more}
        return self._send("write", lambda api: api.batchUpdate(spreadsheetId=self.spreadsheet, body=body))

    def cells(self, area: str) -> list[list[Any]]:
        """The cells of an area of the scratch tab, as `CellData`."""
        reply = self.read(ranges=[f"{quoted(self.tab[1])}!{area}"], includeGridData=True, fields=GRID)
        (data,) = reply.body["sheets"][0]["data"]
        return [row.get("values", []) for row in data.get("rowData", [])]

    def cell(self, where: str) -> dict[str, Any]:
        """One cell of the scratch tab; `{}` if nothing is in it."""
        rows = self.cells(where)
        found: dict[str, Any] = rows[0][0] if rows and rows[0] else {}
        return found

    def area(self, top: int, bottom: int, left: int, right: int) -> dict[str, int]:
        """A `GridRange` of the scratch tab, counted from 0, the end excluded."""
        sides = {"startRowIndex": top, "endRowIndex": bottom, "startColumnIndex": left, "endColumnIndex": right}
        return {"sheetId": self.tab[0], **sides}

    def put(self, row: int, column: int, *values: Any) -> dict[str, Any]:
        return update_cells(self.tab[0], row, column, [values])

    def _send(self, kind: Kind, call: Callable[[Any], Any], *, has_turn: bool = False) -> Reply:
        try:
            return Reply(self.sheets.send(kind, self.requests, call, has_turn=has_turn))
        except B2BError as error:
            cause = error.__cause__
            if not isinstance(cause, HttpError) or int(cause.resp.status) >= 500:
                raise
            if int(cause.resp.status) == 429 and not has_turn:
                raise
            self.refusal = error
            return Reply(_parsed(cause.content), int(cause.resp.status), cause.resp.get("retry-after"))


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")


def _tried(name: str, attempt: Callable[[Probe], Finding], probe: Probe) -> Finding:
    """The finding of one attempt. An answer that lacks what was asked for is a finding as well."""
    try:
        finding = attempt(probe)
    except TransientError:
        raise
    except (B2BError, LookupError, TypeError, ValueError, AttributeError) as error:
        return Finding(name, "otherwise", f"Google's answer was not understood ({type(error).__name__})")
    return Finding(name, finding.verdict, finding.found, _redacted(finding.evidence))


def _finding(name: str, holds: bool, found: str, evidence: Any) -> Finding:
    return Finding(name, "as assumed" if holds else "otherwise", found, evidence)


def _refused(name: str, what: str, reply: Reply) -> Finding:
    return Finding(name, "otherwise", f"{what} was refused: {reply.message}", reply.body)


def _redacted(evidence: Any) -> Any:
    """The evidence without e-mail addresses, and not longer than a report should be."""
    text = _EMAIL.sub("(address)", json.dumps(evidence, ensure_ascii=False))
    return json.loads(text) if len(text) <= LONGEST_EVIDENCE else text[:LONGEST_EVIDENCE]


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
        return Finding(name, "not tried", "there is no table: addTable was refused")
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


def _of_a_viewer(refused: Reply) -> Iterator[Finding]:
    """The findings where our account may read the spreadsheet and may not write to it."""
    for name in ATTEMPTS:
        yield Finding(name, "not tried", "the spreadsheet cannot be written: share it as an editor")
    error = refused.body.get("error", {}) if isinstance(refused.body, dict) else {}
    permission = error.get("message") == "The caller does not have permission" and not error.get("details")
    yield Finding(
        "viewer",
        "as assumed" if refused.status == 403 and permission else "otherwise",
        f"the write was refused: {refused.message}",
        _redacted(refused.body),
    )


def _remove(probe: Probe, title: str) -> str | None:
    """Delete the scratch tab; its title if that failed."""
    try:
        return title if probe.write({"deleteSheet": {"sheetId": probe.tab[0]}}).is_refused else None
    except B2BError:
        return title


def _quota(probe: Probe, poll_seconds: float, sleep: Callable[[float], None]) -> Finding:
    """Read until Google refuses, then until it serves again."""
    made = 0
    reply = Reply({})
    while not reply.is_refused and made < READS_OVER_THE_LIMIT:
        reply = probe.read(has_turn=True, fields="spreadsheetId")
        made += 1
    if not reply.is_refused:
        return Finding("quota", "otherwise", f"{made} reads in a row were served")
    began = time.monotonic()
    while (lasted := time.monotonic() - began) < LONGEST_REFUSAL:
        sleep(poll_seconds)
        if not probe.read(has_turn=True, fields="spreadsheetId").is_refused:
            break
    lasted = time.monotonic() - began
    details = reply.body.get("error", {}).get("details", []) if isinstance(reply.body, dict) else []
    reasons = [detail.get("reason") for detail in details if "reason" in detail]
    usual = reply.status == 429 and reply.retry_after is None and reasons == ["RATE_LIMIT_EXCEEDED"]
    after = f"Retry-After {reply.retry_after}" if reply.retry_after else "no Retry-After"
    found = (
        f"read {made} was refused with {reply.status} {reasons}, {after}; reads were served again after {lasted:.0f} s"
    )
    evidence = {"refused_read": made, "seconds": round(lasted, 1), "retry_after": reply.retry_after, "body": reply.body}
    return Finding(
        "quota", "as assumed" if usual and lasted <= 60 + poll_seconds else "otherwise", found, _redacted(evidence)
    )
