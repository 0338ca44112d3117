"""Check, on a throw-away spreadsheet, the assumptions that only a live account settles.

Neither a recording nor Google's documentation answers these questions. The check adds a tab, tries each of them in it,
and deletes the tab. Everything that Google answered goes into a report that can be attached to a bug report.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from b2b_pipelines.cells import tab_name
from b2b_pipelines.errors import B2BError, PermanentError
from b2b_pipelines.sheets.live_attempts import ATTEMPTS, COLUMNS, ROWS, tried
from b2b_pipelines.sheets.live_probe import ASSUMED, Finding, Probe, Reply, redacted
from b2b_pipelines.vendors.google_sheets import GoogleSheets, Requests

__all__ = ["ASSUMED", "ATTEMPTS", "Finding", "Report", "check"]

READS_OVER_THE_LIMIT = 75
LONGEST_REFUSAL = 120.0
_SIZE = {"rowCount": ROWS, "columnCount": COLUMNS}


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


def check(
    sheets: GoogleSheets,
    spreadsheet: str,
    *,
    quota: bool = False,
    poll_seconds: float = 2.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """Try every assumption on a spreadsheet that its owner shared with our account.

    Deletes the tab that it adds. With `quota` it also makes reads until Google refuses one, and waits until reads are
    served again. Raises the errors of `vendors.google_sheets` if the spreadsheet cannot be read, or Google stops
    answering.
    """
    report = Report(spreadsheet, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    probe = Probe(sheets, spreadsheet, report.requests)
    opened = probe.read(fields="properties.title,sheets.properties")
    if opened.is_refused:
        raise probe.refusal or PermanentError(f"Google refuses to open the spreadsheet: {opened.message}")
    title = f"b2b check {token_hex(3)}"
    added = probe.write({"addSheet": {"properties": {"title": title, "gridProperties": _SIZE}}})
    if added.is_refused:
        report.findings = list(_of_a_viewer(added))
    else:
        probe.tab = (added.body["replies"][0]["addSheet"]["properties"]["sheetId"], title)
        try:
            report.findings = [tried(name, attempt, probe) for name, attempt in ATTEMPTS.items()]
        except B2BError as error:
            if _remove(probe, title):
                raise type(error)(f"{error.message}. Delete the tab {tab_name(title)} in the spreadsheet") from error
            raise
        report.leftover = _remove(probe, title)
        untried = "share a spreadsheet for viewing only, and check that one"
        report.findings.append(Finding("viewer", "not tried", untried))
    report.findings.append(
        _quota(probe, poll_seconds, sleep) if quota else Finding("quota", "not tried", "ask for it with --quota")
    )
    return report


def _of_a_viewer(refused: Reply) -> Iterator[Finding]:
    """Yield the findings of an account that may read the spreadsheet but not write to it."""
    for name in ATTEMPTS:
        yield Finding(name, "not tried", "the spreadsheet cannot be written: share it as an editor")
    error = refused.body.get("error", {}) if isinstance(refused.body, dict) else {}
    permission = error.get("message") == "The caller does not have permission" and not error.get("details")
    yield Finding(
        "viewer",
        "as assumed" if refused.status == 403 and permission else "otherwise",
        f"the write was refused: {refused.message}",
        redacted(refused.body),
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
        "quota", "as assumed" if usual and lasted <= 60 + poll_seconds else "otherwise", found, redacted(evidence)
    )
