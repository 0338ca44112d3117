"""The first day with a real account, tried against the stand-in: as Google is assumed to be, and otherwise."""

import json

import pytest

from b2b_pipelines.sheets import live_check
from b2b_pipelines.sheets.live_check import ASSUMED, check
from b2b_pipelines.vendors.google_sheets import GoogleRefused, GoogleUnavailable, SheetUnshared
from sandbox.google import Quota
from tests.sheets.conftest import ACCOUNT
from tests.sheets.pace import NoPace


@pytest.fixture
def spreadsheet(sandbox):
    made = sandbox.google.create_spreadsheet("Throw away", shared_with=[ACCOUNT], tabs={"Notes": [["keep", "this"]]})
    return sandbox.google.spreadsheet(made)


@pytest.fixture
def checked(signed_in, spreadsheet):
    def run(**options):
        report = check(signed_in(pace=NoPace()), spreadsheet.spreadsheet_id, **options)
        return report, {finding.name: finding for finding in report.findings}

    return run


def test_every_assumption_holds_of_a_google_that_is_as_assumed(checked, spreadsheet):
    report, found = checked()
    assert {*found} == {*ASSUMED}
    verdicts = {name: finding.verdict for name, finding in found.items()}
    tried = dict.fromkeys(live_check.ATTEMPTS, "as assumed")
    assert verdicts == {**tried, "viewer": "not tried", "quota": "not tried"}
    assert found["merged_cells"].line == "as assumed: A write into a cell that a merge covers is not kept."
    assert report.leftover is None


@pytest.mark.parametrize(
    ("switch", "value", "name", "words"),
    [
        ("covered_cells", "hide", "merged_cells", "keeps what is written, and does not show it"),
        ("plain_text_numbers", "number", "plain_text_numbers", "reads back as {'numberValue': 7}"),
        ("hidden_rows", "skip", "filtered_rows", "a row that a filter hides is left as it was"),
        ("typed_columns", "refuse", "table_typed_columns", "text in a column of numbers was refused: 400"),
        ("vanished_tab", "omit", "vanished_tab", "the batch was accepted and applied"),
    ],
)
def test_what_is_otherwise_is_told_and_the_rest_goes_on(sandbox, checked, spreadsheet, switch, value, name, words):
    setattr(sandbox.google.hypotheses, switch, value)
    _, found = checked()
    assert found[name].verdict == "otherwise"
    assert words in found[name].line
    assert found[name].evidence is not None
    others = {other for other in live_check.ATTEMPTS if found[other].verdict != "as assumed"}
    assert others == {name}
    assert [tab.title for tab in spreadsheet.tabs] == ["Notes"]


def test_nothing_is_left_and_nothing_else_is_touched(sandbox, checked, spreadsheet):
    _, _ = checked()
    (notes,) = spreadsheet.tabs
    assert (notes.grid(), notes.regions, notes.row_count) == ([["keep", "this"]], [], 1000)


def test_a_viewer_gets_what_a_viewer_is_assumed_to_get(checked, spreadsheet):
    spreadsheet.share(ACCOUNT, role="reader")
    report, found = checked()
    assert found["viewer"].verdict == "as assumed"
    assert {finding.verdict for finding in report.findings} == {"as assumed", "not tried"}
    assert (report.requests.reads, report.requests.writes) == (1, 1)


def test_a_write_that_our_own_project_is_refused_is_not_a_viewers(sandbox, checked, spreadsheet):
    sandbox.google.refuse("BILLING_DISABLED", kind="write", times=9)
    _, found = checked()
    assert found["viewer"].verdict == "otherwise"
    assert "requires billing" in found["viewer"].line


def test_a_spreadsheet_that_is_not_shared_cannot_be_checked(checked, spreadsheet):
    spreadsheet.unshare(ACCOUNT)
    with pytest.raises(SheetUnshared):
        checked()


def test_a_disabled_api_cannot_be_checked(sandbox, checked):
    sandbox.google.refuse("SERVICE_DISABLED")
    with pytest.raises(GoogleRefused):
        checked()


def test_the_tab_is_deleted_when_google_stops_answering_in_the_middle(sandbox, checked, spreadsheet):
    sandbox.faults.answer(503, kind="write", skip=3)
    with pytest.raises(GoogleUnavailable):
        checked()
    assert [tab.title for tab in spreadsheet.tabs] == ["Notes"]


def test_a_tab_that_cannot_be_deleted_is_named(sandbox, checked, spreadsheet):
    sandbox.faults.answer(503, kind="write", skip=12)
    report, _ = checked()
    assert [tab.title for tab in spreadsheet.tabs] == ["Notes", report.leftover]


def test_a_tab_that_is_left_behind_by_an_error_is_named_in_it(sandbox, checked, spreadsheet):
    sandbox.faults.answer(503, kind="write", skip=3, times=9)
    with pytest.raises(GoogleUnavailable, match=r"Delete the tab 'b2b check [0-9a-f]{6}' in the spreadsheet"):
        checked()


def test_the_refusal_of_too_many_reads_is_timed(sandbox, checked):
    sandbox.google.quota = Quota(reads=60, window=0.5)
    _, found = checked(quota=True, poll_seconds=0.05)
    finding = found["quota"]
    assert (finding.verdict, finding.evidence["retry_after"]) == ("as assumed", None)
    assert finding.evidence["body"]["error"]["details"][0]["reason"] == "RATE_LIMIT_EXCEEDED"
    assert finding.evidence["refused_read"] + 20 >= 61
    assert finding.evidence["seconds"] <= 5


def test_a_refusal_with_a_time_to_wait_is_otherwise(sandbox, checked):
    sandbox.faults.answer(429, headers={"Retry-After": "7"}, kind="read", skip=60)
    _, found = checked(quota=True, poll_seconds=0)
    assert (found["quota"].verdict, found["quota"].evidence["retry_after"]) == ("otherwise", "7")


def test_google_without_a_limit_is_otherwise(checked):
    _, found = checked(quota=True)
    assert found["quota"].line == "otherwise: 75 reads in a row were served"


def test_addresses_in_googles_words_stay_out_of_the_report(sandbox, checked, spreadsheet):
    words = {"error": {"code": 403, "message": "robot@example.com may not", "status": "PERMISSION_DENIED"}}
    sandbox.faults.answer(403, body=words, kind="write", times=9)
    report, _ = checked()
    assert "robot@example.com" not in json.dumps(report.as_json())
    assert "(address) may not" in json.dumps(report.as_json())


@pytest.fixture
def settings(key_file, sandbox, monkeypatch):
    monkeypatch.setenv("B2B_GOOGLE_SERVICE_ACCOUNT_FILE", str(key_file))
    monkeypatch.setenv("B2B_GOOGLE_SHEETS_URL", sandbox.url)
    monkeypatch.setenv("B2B_GOOGLE_DRIVE_URL", sandbox.url)


def test_the_doctor_checks_prints_and_writes_a_report(run, settings, spreadsheet, tmp_path):
    report = tmp_path / "report.json"
    ran = run("b2b doctor --report", str(report), "--live", spreadsheet.url)
    assert ran.status == 0
    assert (
        "plain_text_numbers: as assumed: A number written into a plain-text column reads back as its text." in ran.out
    )
    assert f"Report: {report}" in ran.out
    written = json.loads(report.read_text())
    assert written["spreadsheet"] == spreadsheet.spreadsheet_id
    assert [item["name"] for item in written["checks"]] == [*live_check.ATTEMPTS, "viewer", "quota"]
    as_json = run("b2b doctor --json --report", str(report), "--live", spreadsheet.spreadsheet_id).json["live"]
    assert as_json["report"] == str(report)
    assert {item["verdict"] for item in as_json["checks"]} == {"as assumed", "not tried"}


def test_the_doctors_report_goes_into_the_current_folder(run, settings, spreadsheet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("b2b doctor --live", spreadsheet.url).status == 0
    (report,) = tmp_path.glob("google-live-check-*.json")
    assert json.loads(report.read_text())["leftover_tab"] is None


def test_the_doctor_refuses_what_it_cannot_check(run, settings, spreadsheet, tmp_path):
    assert run("b2b doctor --quota").status == 2
    spreadsheet.unshare(ACCOUNT)
    refused = run("b2b doctor --json --live", spreadsheet.url)
    assert (refused.status, refused.json["error"]["code"]) == (1, "sheet_unshared")
    spreadsheet.share(ACCOUNT)
    unwritable = run("b2b doctor --report", str(tmp_path), "--live", spreadsheet.url)
    assert unwritable.status == 1
    assert "Cannot write the report to" in unwritable.err
