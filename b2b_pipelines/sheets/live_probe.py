"""Requests of the live check to one spreadsheet, and the findings from Google's answers."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from googleapiclient.errors import HttpError

from b2b_pipelines.errors import B2BError
from b2b_pipelines.vendors.google_sheets import GoogleSheets, Kind, Requests, quoted, update_cells

Verdict = Literal["as assumed", "otherwise", "not tried"]

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
        """Return the finding as one line for a reader."""
        if self.verdict == "as assumed":
            return f"as assumed: {self.assumed}"
        return f"{self.verdict}: {self.found}"


@dataclass(frozen=True, slots=True)
class Reply:
    """Google's answer to one request: its JSON, and status and `Retry-After` of a refusal."""

    body: Any
    status: int = 200
    retry_after: str | None = None

    @property
    def is_refused(self) -> bool:
        return self.status >= 400

    @property
    def message(self) -> str:
        """Return Google's own message of a refusal."""
        error = self.body.get("error", {}) if isinstance(self.body, dict) else {}
        words = error.get("message", self.body) if isinstance(error, dict) else error
        return f"{self.status} {_EMAIL.sub('(address)', str(words))[:300]}"


class Probe:
    """Sends requests to one spreadsheet and returns refusals as answers.

    `tab` is the scratch tab: number and title. `tab` is the scratch tab: number and title.
    """

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
        """Return the cells of an area of the scratch tab, as `CellData`."""
        reply = self.read(ranges=[f"{quoted(self.tab[1])}!{area}"], includeGridData=True, fields=GRID)
        (data,) = reply.body["sheets"][0]["data"]
        return [row.get("values", []) for row in data.get("rowData", [])]

    def cell(self, where: str) -> dict[str, Any]:
        """Return one cell of the scratch tab; `{}` if it is empty."""
        rows = self.cells(where)
        found: dict[str, Any] = rows[0][0] if rows and rows[0] else {}
        return found

    def area(self, top: int, bottom: int, left: int, right: int) -> dict[str, int]:
        """Return a `GridRange` of the scratch tab, counted from 0, the end excluded."""
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


def redacted(evidence: Any) -> Any:
    """Return the evidence without e-mail addresses, cut to the length of a report."""
    text = _EMAIL.sub("(address)", json.dumps(evidence, ensure_ascii=False))
    return json.loads(text) if len(text) <= LONGEST_EVIDENCE else text[:LONGEST_EVIDENCE]
