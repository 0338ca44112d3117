"""The client of Google Sheets: signing in, requests and what becomes of them, over HTTP."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from b2b_pipelines.errors import NotConfigured
from b2b_pipelines.settings import read_settings
from b2b_pipelines.vendors.google_sheets import (
    GoogleRefused,
    GoogleSheets,
    GoogleUnavailable,
    Requests,
    SheetUnshared,
    SheetViewOnly,
    SignInRefused,
    TabMoved,
    WriteUnsettled,
    account,
    append_dimension,
    clear_cells,
    column_letters,
    quoted,
    update_cells,
)
from b2b_pipelines.vendors.google_sheets import client as google_client
from sandbox.server import Sandbox

ADDRESS = "b2b@sandbox.test"


class Pace:
    """Notes who asked, and lets everybody go at once."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.paused: list[tuple[str, float]] = []

    def wait(self, kind: str) -> float:
        self.asked.append(kind)
        return 0.0

    def pause(self, kind: str, seconds: float) -> None:
        self.paused.append((kind, seconds))

    def pause_until_minute_ends(self, kind: str) -> None:
        self.paused.append((kind, 60))


@pytest.fixture
def pace() -> Pace:
    return Pace()


@pytest.fixture
def key(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(sandbox.google.make_service_account(ADDRESS)))
    monkeypatch.setenv("B2B_GOOGLE_SERVICE_ACCOUNT_FILE", str(path))
    return path


@pytest.fixture
def sheets(sandbox: Sandbox, key: Path, pace: Pace) -> Iterator[GoogleSheets]:
    sheets = client(sandbox, pace)
    yield sheets
    sheets.close()


def client(sandbox: Sandbox, pace: Pace, **options: float) -> GoogleSheets:
    urls = {"sheets_url": sandbox.url, "drive_url": sandbox.url}
    return GoogleSheets(account(read_settings()), pace, sleep=lambda _: None, **urls, **options)


@pytest.fixture
def spreadsheet(sandbox: Sandbox) -> str:
    return sandbox.google.create_spreadsheet(
        shared_with=[ADDRESS], tabs={"Codes": [["a", 1, True], [], ["=1/0"]], "B": []}
    )


# Signing in


def test_a_key_may_be_given_as_a_file_or_as_text(sandbox, key, pace, spreadsheet, monkeypatch):
    assert account(read_settings()).share_with == ADDRESS
    monkeypatch.setenv("B2B_GOOGLE_SERVICE_ACCOUNT_JSON", key.read_text())
    monkeypatch.delenv("B2B_GOOGLE_SERVICE_ACCOUNT_FILE")
    sheets = client(sandbox, pace)
    assert sheets.counting(Requests()).open(spreadsheet).title == "Codes"
    assert ADDRESS not in repr(sheets.account.credentials) or "private" not in repr(sheets.account)
    sheets.close()


def test_an_authorized_user_signs_in_with_a_refresh_token(sandbox, pace, tmp_path, monkeypatch):
    path = tmp_path / "token.json"
    path.write_text(json.dumps(sandbox.google.make_authorized_user("person@example.com")))
    monkeypatch.setenv("B2B_GOOGLE_OAUTH_TOKEN_FILE", str(path))
    shared = sandbox.google.create_spreadsheet(shared_with=["person@example.com"])
    sheets = client(sandbox, pace)
    assert [tab.title for tab in sheets.counting(Requests()).open(shared).tabs] == ["Sheet1"]
    sheets.close()


def test_no_credentials_name_the_settings():
    with pytest.raises(NotConfigured, match="B2B_GOOGLE_SERVICE_ACCOUNT_FILE"):
        account(read_settings())


@pytest.mark.parametrize("content", ["", "not json", "{}", "[]", '{"type": "service_account", "client_email": "x"}'])
@pytest.mark.parametrize("name", ["B2B_GOOGLE_SERVICE_ACCOUNT_FILE", "B2B_GOOGLE_OAUTH_TOKEN_FILE"])
def test_a_bad_key_names_the_setting_and_not_its_content(tmp_path, monkeypatch, name, content):
    path = tmp_path / "key.json"
    path.write_text(content)
    monkeypatch.setenv(name, str(path))
    with pytest.raises(SignInRefused, match=name) as refused:
        account(read_settings())
    assert "client_email" not in refused.value.message
    assert refused.value.__cause__ is None


def test_a_key_file_that_is_not_there_names_the_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("B2B_GOOGLE_SERVICE_ACCOUNT_FILE", str(tmp_path / "none.json"))
    with pytest.raises(SignInRefused, match="B2B_GOOGLE_SERVICE_ACCOUNT_FILE: the file cannot be read"):
        account(read_settings())


def test_one_token_serves_every_thread(sandbox, sheets, spreadsheet):
    threads = [threading.Thread(target=sheets.counting(Requests()).open, args=(spreadsheet,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sandbox.google.counts() == {"token": 1, "read": 8, "write": 0}


def test_a_token_that_ran_out_is_asked_for_again_and_the_repeated_request_counted(sandbox, sheets, pace, spreadsheet):
    requests = Requests()
    sheets.counting(requests).open(spreadsheet)
    sandbox.google.accounts.expire_tokens()
    sheets.counting(requests).open(spreadsheet)
    assert sandbox.google.counts() == {"token": 2, "read": 3, "write": 0}
    assert (requests.reads, pace.asked) == (3, ["read"] * 3)


def test_signing_in_asks_nothing_of_google_beside_the_token(monkeypatch, sheets, spreadsheet):
    started: list[str] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        started.append(type(thread).__module__)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted)
    sheets.counting(Requests()).open(spreadsheet)
    assert [module for module in started if module.startswith("google")] == []


def test_a_sign_in_that_google_cannot_answer_may_pass(sandbox, sheets, spreadsheet):
    sandbox.faults.cut("before", kind="token", times=5)
    with pytest.raises(GoogleUnavailable, match="Google"):
        sheets.counting(Requests()).open(spreadsheet)


# Reading


def test_a_tab_comes_with_its_properties_and_values_in_one_read(sandbox, sheets, pace, spreadsheet):
    requests = Requests()
    tab = sheets.counting(requests).read(spreadsheet, "codes")
    assert (tab.info.title, tab.info.index, tab.info.row_count, tab.info.column_count) == ("Codes", 0, 1000, 26)
    assert tab.values[:2] == [["a", 1, True], []]
    assert len(tab.values[2]) == 1, "an error is something"
    assert sandbox.google.counts()["read"] == requests.reads == len(pace.asked) == 1


def test_a_tab_is_found_by_its_number_where_its_title_leads_elsewhere(sandbox, sheets, spreadsheet):
    book, requests = sandbox.google.spreadsheet(spreadsheet), Requests()
    number = book.tab("B").sheet_id
    assert sheets.counting(requests).read(spreadsheet, "Codes", number).info.title == "B"
    assert sheets.counting(requests).read(spreadsheet, "gone", number).info.title == "B"
    assert sheets.counting(requests).read(spreadsheet, "gone") is None
    assert sheets.counting(requests).read(spreadsheet, "gone", 12345) is None
    assert requests.reads == 7


def test_blank_cells_and_rows_at_the_end_are_left_out(sandbox, sheets, spreadsheet):
    properties = {"sheetId": 1, "title": "Codes", "gridProperties": {"rowCount": 9, "columnCount": 3}}
    cells = [{"userEnteredValue": {"stringValue": "a"}, "effectiveValue": {"stringValue": "a"}}, {}, {}]
    data = [{"rowData": [{"values": cells}, {}, {"values": [{}, {}]}]}]
    sandbox.faults.answer(200, {"sheets": [{"properties": properties, "data": data}]}, kind="read")
    assert sheets.counting(Requests()).read(spreadsheet, "Codes").values == [["a"]]


def test_a_chart_is_no_tab(sandbox, sheets, spreadsheet):
    chart = {"properties": {"sheetId": 7, "title": "Chart", "sheetType": "OBJECT"}}
    sandbox.faults.answer(200, {"sheets": [chart]}, kind="read")
    assert sheets.counting(Requests()).read(spreadsheet, "Chart") is None
    sandbox.faults.answer(200, {"sheets": [chart]}, kind="read")
    assert sheets.counting(Requests()).open(spreadsheet).tabs == ()


# Failing


def test_a_read_is_tried_five_times_and_paced_each_time(sandbox, sheets, pace, spreadsheet):
    sandbox.faults.answer(500, kind="read", times=9)
    with pytest.raises(GoogleUnavailable, match="500"):
        sheets.counting(Requests()).open(spreadsheet)
    assert pace.asked == ["read"] * 5


def test_a_turn_that_was_taken_before_is_used_once(sheets, pace, spreadsheet):
    counted = sheets.counting(Requests())
    counted.take_turn("read")
    counted.take_turn("read")
    for _ in range(2):
        assert counted.read(spreadsheet, "Codes") is not None
    assert pace.asked == ["read"] * 2


def test_a_turn_to_read_that_was_taken_long_before_does_not_count(sheets, pace, spreadsheet, monkeypatch):
    monkeypatch.setattr(google_client, "TURN_LASTS_SECONDS", 0.0)
    counted = sheets.counting(Requests())
    counted.take_turn("read")
    counted.open(spreadsheet)
    assert pace.asked == ["read"] * 2


def test_a_write_is_tried_once(sandbox, sheets, pace, spreadsheet):
    sandbox.faults.cut("after", "close", kind="write")
    tab = sheets.counting(Requests()).read(spreadsheet, "Codes").info
    with pytest.raises(WriteUnsettled):
        sheets.counting(Requests()).update(spreadsheet, [append_dimension(0, "ROWS", 1)], tab)
    assert sandbox.google.counts()["write"] == 1
    assert sandbox.google.spreadsheet(spreadsheet).tab("Codes").row_count == 1001


def test_what_is_said_to_the_account_pauses_everybody(sandbox, sheets, pace, spreadsheet):
    sandbox.faults.answer(429, kind="read", headers={"Retry-After": "7"})
    sandbox.faults.answer(429, kind="read")
    sandbox.faults.answer(500, kind="read")
    sandbox.faults.answer(503, kind="read", headers={"Retry-After": "0"})
    sheets.counting(Requests()).open(spreadsheet)
    assert [kind for kind, _ in pace.paused] == ["read"] * 3
    assert pace.paused[0] == ("read", 7)
    assert pace.paused[1] == ("read", 60), "without Retry-After the quota of this minute is spent"
    assert pace.paused[2] == ("read", 0)


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
def test_a_date_or_a_fraction_may_say_when_to_try_again(sandbox, sheets, pace, spreadsheet, zone):
    date = (datetime.now(UTC) + timedelta(seconds=60)).strftime(f"%a, %d %b %Y %H:%M:%S {zone}")
    sandbox.faults.answer(429, kind="read", headers={"Retry-After": date})
    sandbox.faults.answer(429, kind="read", headers={"Retry-After": "7.5"})
    sheets.counting(Requests()).open(spreadsheet)
    assert 55 < pace.paused[0][1] <= 60
    assert pace.paused[1] == ("read", 7.5)


def test_a_malformed_retry_after_is_as_none(sandbox, sheets, pace, spreadsheet):
    sandbox.faults.answer(429, kind="read", headers={"Retry-After": "soon"})
    sheets.counting(Requests()).open(spreadsheet)
    assert pace.paused == [("read", 60)]


def test_after_an_answer_cut_short_the_next_request_goes_over_a_new_connection(sandbox, sheets, spreadsheet):
    sandbox.faults.cut("after", "partway", kind="read")
    requests = Requests()
    sheets.counting(requests).open(spreadsheet)
    assert sandbox.google.counts()["read"] == requests.reads == 2


@pytest.mark.parametrize(
    ("status", "words", "error"),
    [
        (403, "The caller does not have permission", SheetViewOnly),
        (404, "Requested entity was not found.", SheetUnshared),
        (403, "Google Sheets API has not been used in project 1 before or it is disabled.", GoogleRefused),
        (400, "Unable to parse range: 'x'!A1", TabMoved),
        (
            400,
            "Invalid requests[0].updateCells: Attempting to write row: 9, beyond the last requested row of: 8",
            TabMoved,
        ),
        (400, "Invalid value at 'requests[0]'", GoogleRefused),
    ],
)
def test_a_refusal_is_told_by_its_kind(sandbox, sheets, spreadsheet, status, words, error):
    tab = sheets.counting(Requests()).read(spreadsheet, "Codes").info
    sandbox.faults.answer(status, {"error": {"code": status, "message": words}}, kind="write")
    with pytest.raises(error):
        sheets.counting(Requests()).update(spreadsheet, [], tab)


def test_no_address_and_no_code_gets_into_a_message(sandbox, sheets, spreadsheet):
    secret = "6f1c8e0a-5f0e-4a0d-9c1e-2f1f0a7f3b11"
    words = f"Invalid value {secret} of someone@example.com"
    sandbox.faults.answer(400, {"error": {"code": 400, "message": words}}, kind="read")
    with pytest.raises(GoogleRefused) as refused:
        sheets.counting(Requests()).open(spreadsheet)
    assert refused.value.message.startswith("Google answers 400 (Invalid value of): ask the operators")


# A1 and changes


@pytest.mark.parametrize(("number", "letters"), [(1, "A"), (26, "Z"), (27, "AA"), (702, "ZZ"), (703, "AAA")])
def test_columns_have_letters(number, letters):
    assert column_letters(number) == letters


def test_titles_are_quoted():
    assert quoted("It's") == "'It''s'"


def test_text_is_written_as_text_and_numbers_as_numbers(sandbox, sheets, spreadsheet):
    tab = sheets.counting(Requests()).read(spreadsheet, "Codes").info
    changes = [
        clear_cells(tab.sheet_id, 0, 0, 1000, 26),
        update_cells(tab.sheet_id, 1, 1, [["=1+1", 7], ["'x", ""], ["2026-01-01", "TRUE"]]),
    ]
    held = sheets.counting(Requests()).update(spreadsheet, changes, tab)
    assert held.values == [[], ["", "=1+1", 7], ["", "'x"], ["", "2026-01-01", "TRUE"]]
    sheets.counting(Requests()).write_values(spreadsheet, [{"range": "Codes!A1:B1", "values": [["=2+2", 3]]}])
    assert sheets.counting(Requests()).read(spreadsheet, "Codes").values[0] == ["=2+2", 3]


def test_google_is_asked_without_a_second_http_client_and_without_pandas():
    script = """
import sys
from b2b_pipelines.vendors.google_sheets.transport import spreadsheets
spreadsheets()
print([name for name in ("pandas", "requests", "httpx", "oauthlib") if name in sys.modules])
from google.auth.transport.requests import Request
print(Request.__module__)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "google.auth.transport.requests"]
