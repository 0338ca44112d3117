"""Google fails, connections are cut, processes die, two sync at once, somebody edits meanwhile: nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from sqlalchemy import text

from b2b_pipelines.db.limiter import Limiter
from b2b_pipelines.db.locks import Busy, exclusive
from b2b_pipelines.sheets import service, writing
from b2b_pipelines.sheets.layout import HEADERS
from b2b_pipelines.sheets.results import SheetChanged
from b2b_pipelines.sheets.service import Contended, LayoutIsLost, TabMissing
from b2b_pipelines.vendors.google_sheets import (
    GoogleRefused,
    GoogleUnavailable,
    Requests,
    SheetFull,
    SheetProtected,
    SheetViewOnly,
    SignInRefused,
)
from sandbox.google import Quota
from tests.sheets.pace import NoPace
from tests.waiting import take, wait_until

ACCOUNT = "b2b@sandbox.test"


def is_true(acme) -> bool:
    """Every code stands once in the sheet, and the next sync finds nothing to do."""
    return sorted(acme.shown()) == sorted(acme.codes()) and not acme.plan().changed


# Reading


@pytest.mark.parametrize("status", [408, 409, 429, 499, 500, 502, 503])
def test_a_read_that_fails_is_tried_again(deliver, sandbox, signed_in, status):
    acme = deliver(client=signed_in(pace=NoPace()))
    sandbox.faults.answer(status, kind="read", times=4)
    done = acme.sync()
    assert (done.requests.reads, done.requests.writes) == (5, 1)
    assert acme.requests() == {"read": 5, "write": 1}
    assert is_true(acme)


@pytest.mark.parametrize("fault", ["answer", "cut", "close", "partway", "malformed", "html", "empty", "nothing"])
def test_a_tab_that_cannot_be_read_five_times_changes_nothing(deliver, sandbox, fault):
    acme = deliver()
    acme.sync()
    before = acme.tab.grid()
    acme.modify(max_learners=9)
    acme.requests()
    match fault:
        case "answer":
            sandbox.faults.answer(503, kind="read", times=5)
        case "cut":
            sandbox.faults.cut("before", kind="read", times=5)
        case "close" | "partway":
            sandbox.faults.cut("after", fault, kind="read", times=5)
        case "malformed":
            sandbox.faults.malformed(kind="read", times=5)
        case "html":
            sandbox.faults.answer(200, "<html>Sorry</html>", kind="read", times=5)
        case "empty":
            sandbox.faults.answer(200, {"sheets": []}, kind="read", times=5)
        case "nothing":
            sandbox.faults.answer(200, [], kind="read", times=5)
    with pytest.raises(GoogleUnavailable):
        acme.sync()
    assert acme.requests() == {"read": 5, "write": 0}
    assert acme.tab.grid() == before
    assert acme.sync().appended == 4


def test_an_answer_without_values_is_not_an_empty_tab(deliver, sandbox):
    acme = deliver()
    acme.sync()
    properties = {"sheetId": 0, "title": "Sheet1", "index": 0, "gridProperties": {"rowCount": 1000, "columnCount": 26}}
    sandbox.faults.answer(200, {"sheets": [{"properties": properties}]}, kind="read")
    done = acme.sync()
    assert (done.changed, done.unchanged, done.requests.reads) == (False, 5, 2)


# Writing


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_write_that_was_refused_is_planned_again_from_what_is_there(deliver, sandbox, signed_in, status):
    acme = deliver(client=signed_in(pace=NoPace()))
    sandbox.faults.answer(status, kind="write", times=4)
    done = acme.sync()
    assert acme.requests() == {"read": 5, "write": 5}
    assert (done.header, done.appended, done.updated) == (True, 5, 0)
    assert is_true(acme)


def test_what_is_typed_while_a_write_waits_for_its_turn_is_kept(deliver, signed_in):
    """The quota of Google may make a write wait for a minute, which is our doing."""

    class Crowded(NoPace):
        waits = 0

        def wait(self, kind: str) -> float:
            if kind == "read":
                return 0.0
            self.waits += 1
            acme.tab.type("A7", "TOTAL HANDED OUT")
            acme.tab.type("C7", "17")
            return 40.0

    pace = Crowded()
    acme = deliver(client=signed_in(pace=NoPace()))
    acme.sync()
    acme.requests()
    acme.modify(max_learners=7)
    acme.sheets = signed_in(pace=pace)
    acme.sync()
    assert pace.waits == 1
    assert acme.requests() == {"read": 2, "write": 1}
    assert acme.tab.grid()[6][:3] == ["TOTAL HANDED OUT", "", "17"]
    assert {*acme.codes()} < {*acme.shown()}


def test_a_turn_that_came_at_once_costs_no_second_read(deliver, signed_in):
    acme = deliver(client=signed_in(pace=NoPace()))
    assert acme.sync().requests == Requests(reads=1, writes=1)


def test_a_write_that_fails_five_times_fails_and_says_why(deliver, sandbox):
    acme = deliver()
    sandbox.faults.answer(503, kind="write", times=5)
    with pytest.raises(GoogleUnavailable, match="503"):
        acme.sync()
    assert acme.requests()["write"] == 5
    assert acme.snapshots() == []
    acme.sync()
    assert is_true(acme)


@pytest.mark.parametrize("fault", ["reset", "close", "partway", "malformed"])
def test_a_write_whose_answer_was_lost_is_not_repeated(deliver, sandbox, fault):
    acme = deliver()
    acme.sync()
    acme.tab.type("G3", "a note")
    acme.modify(max_learners=8)
    acme.requests()
    if fault == "malformed":
        sandbox.faults.malformed(kind="write")
    else:
        sandbox.faults.cut("after", fault, kind="write")
    done = acme.sync()
    assert acme.requests() == {"read": 2, "write": 1}
    assert (done.appended, done.unchanged) == (3, 5)
    assert acme.snapshots()[0].appended == 3
    assert is_true(acme)


@pytest.mark.parametrize("rebuild", [True, False])
def test_a_first_fill_whose_answer_was_lost_is_not_repeated(deliver, sandbox, rebuild):
    acme = deliver(tabs={"Sheet1": [["old"]]})
    sandbox.faults.cut("after", kind="write")
    done = acme.sync(rebuild=rebuild)
    assert acme.requests() == {"read": 2, "write": 1}
    assert (done.header, done.appended, done.target.new) == (True, 5, True)
    assert is_true(acme)


def test_a_write_cut_before_it_was_applied_is_sent_again(deliver, sandbox):
    acme = deliver()
    sandbox.faults.cut("before", kind="write")
    assert acme.sync().appended == 5
    assert acme.requests() == {"read": 2, "write": 2}
    assert is_true(acme)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_write_that_times_out_is_looked_for_before_it_is_repeated(deliver, sandbox, signed_in, when):
    acme = deliver(client=signed_in(timeout=0.4))
    sandbox.faults.delay(0.8, when=when, kind="write")
    done = acme.sync()
    take(0.6)  # until the slow write has been applied, be it a second time
    assert done.appended == 5
    assert is_true(acme)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_obeyed(deliver, sandbox, signed_in, form):
    waited: list[float] = []
    acme = deliver(client=signed_in(pace=NoPace(), sleep=waited.append))
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    sandbox.faults.answer(429, kind="write", headers={"Retry-After": "30" if form == "seconds" else later})
    acme.sync()
    assert waited == [pytest.approx(30, abs=2)]


def test_a_retry_after_of_an_hour_is_cut_to_two_minutes(deliver, sandbox, signed_in):
    waited: list[float] = []
    acme = deliver(client=signed_in(pace=NoPace(), sleep=waited.append))
    sandbox.faults.answer(503, kind="read", headers={"Retry-After": "3600"})
    acme.sync()
    assert waited == [120]


def test_without_retry_after_the_waits_double_and_jitter(deliver, sandbox, signed_in):
    waited: list[float] = []
    acme = deliver(client=signed_in(pace=NoPace(), sleep=waited.append))
    sandbox.faults.answer(500, kind="read", times=4)
    acme.sync()
    for wait, longest in zip(waited, (1, 2, 4, 8), strict=True):
        assert longest / 2 <= wait <= longest


# Failed for good


def test_a_view_only_sheet_asks_to_be_shared_with_an_editor(deliver, sandbox):
    acme = deliver()
    sandbox.faults.answer(403, kind="write")
    with pytest.raises(SheetViewOnly, match=r"viewing only: share it with b2b@sandbox\.test as an editor"):
        acme.sync()
    assert acme.requests()["write"] == 1


def test_a_protected_range_is_named_as_the_cause(deliver):
    acme = deliver()
    acme.tab.protect("A1:F10")
    with pytest.raises(SheetProtected, match=r"let b2b@sandbox\.test edit it"):
        acme.sync()
    acme.tab.unprotect()
    acme.sync()
    assert is_true(acme)


def test_the_ten_million_cell_limit_is_named_as_the_cause(deliver):
    acme = deliver()
    acme.tab.shrink(3, 26)
    acme.spreadsheet.add_tab("Large")
    acme.spreadsheet.tab("Large").append_rows(9_999_900 // 26 - 1000)
    with pytest.raises(SheetFull, match="10 million cells"):
        acme.sync()
    assert acme.requests()["write"] == 1


def test_an_api_that_is_not_enabled_is_named_as_the_cause(deliver, sandbox):
    words = "Google Sheets API has not been used in project 42 before or it is disabled. Enable it."
    sandbox.faults.answer(403, {"error": {"code": 403, "message": words}}, kind="read")
    with pytest.raises(GoogleRefused, match="not enabled"):
        deliver().sync()


def test_a_key_that_google_no_longer_knows_is_named_as_the_cause(deliver, sandbox, signed_in):
    acme = deliver(client=signed_in())
    sandbox.faults.answer(400, {"error": "invalid_grant"}, kind="token", times=3)
    with pytest.raises(SignInRefused, match=r"b2b@sandbox\.test"):
        acme.sync()


def test_a_tab_deleted_while_it_is_written_is_missing(deliver, sandbox):
    acme = deliver(tabs=["One", "Two"], sheet_tab="One")
    sandbox.faults.call(lambda: acme.spreadsheet.delete_tab("One"), when="before", kind="write")
    with pytest.raises(TabMissing, match="'Two'"):
        acme.sync()


# Somebody edits meanwhile


def test_a_tab_renamed_while_it_is_written_is_followed(deliver, sandbox):
    acme = deliver()
    sandbox.faults.call(lambda: acme.spreadsheet.rename_tab(0, "Renamed"), when="before", kind="write")
    assert acme.sync().target.tab == "Renamed"
    assert is_true(acme)


def test_a_grid_made_smaller_while_it_is_written_is_enlarged(deliver, sandbox):
    acme = deliver(cap=50)
    sandbox.faults.call(lambda: acme.tab.shrink(10, 26), when="before", kind="write")
    acme.sync()
    assert is_true(acme)


def test_a_sheet_sorted_while_it_is_written_converges(deliver, sandbox):
    acme = deliver(cap=9)
    acme.sync()
    for row in range(2, 11):
        acme.tab.type(f"G{row}", f"note of {acme.tab.shown(f'A{row}')}")
    notes = {row[0]: row[6] for row in acme.tab.grid("A2:G10")}
    moving = [code for code, then in zip(notes, sorted(notes, reverse=True), strict=True) if code != then]
    acme.redeem(moving[0], "ada@example.com")  # codes are random: one that stays in its row would be written once
    acme.redeem(moving[-1], "ben@example.com")
    sandbox.faults.call(lambda: acme.tab.sort("A", descending=True), when="before", kind="write")
    done = acme.sync()
    assert done.requests.writes == 2
    assert is_true(acme)
    assert {row[0]: row[6] for row in acme.tab.grid("A2:G10")} == notes


def noted(acme) -> None:
    """Notes beside every code, and a footnote of the customer's in our columns."""
    for row in range(2, len(acme.codes()) + 2):
        acme.tab.type(f"G{row}", f"note of {acme.tab.shown(f'A{row}')}")
    last = acme.tab.used()[0] + 1
    acme.tab.type(f"A{last}", "Total")
    acme.tab.type(f"C{last}", "57")


def customers_cells(acme) -> set[tuple[str, ...]]:
    """Return the customer's cells: the notes with the code in their row, and the footnote."""
    headers = acme.tab.grid("A1:Z1")[0]
    at, total = headers.index("Enrollment Code"), headers.index("Total Redemptions")
    rows = [row + [""] * (26 - len(row)) for row in acme.tab.grid()]
    notes = {(row[at], cell) for row in rows for cell in row if cell.startswith("note of")}
    return notes | {(row[at], row[total]) for row in rows if row[at] == "Total"}


MOVES = {
    "a row inserted at the top": lambda tab: tab.insert_rows(2),
    "rows inserted in the middle": lambda tab: tab.insert_rows(5, 3),
    "a row inserted where we write": lambda tab: tab.insert_rows(4),
    "sorted": lambda tab: tab.sort("A", descending=True),
    "sorted by notes": lambda tab: tab.sort("G", descending=True),
    "a row deleted": lambda tab: tab.delete_rows(3),
    "a row moved": lambda tab: tab.move_rows(2, before=9),
    "a column inserted": lambda tab: tab.insert_columns("A"),
    "a column inserted in ours": lambda tab: tab.insert_columns("D"),
    "the notes moved to the front": lambda tab: tab.move_columns("G", before="A"),
    "the notes moved among ours": lambda tab: tab.move_columns("G", before="D"),
    "ours moved": lambda tab: tab.move_columns("D", before="B"),
}


@pytest.mark.parametrize("move", MOVES.values(), ids=[name.replace(" ", "-") for name in MOVES])
def test_what_moves_while_it_is_written_loses_nothing(deliver, sandbox, move):
    acme = deliver(cap=9)
    acme.sync()
    acme.tab.type("G1", "Notes")
    noted(acme)
    before = customers_cells(acme)
    assert ("Total", "57") in before
    acme.redeem(acme.codes()[2], "ada@example.com")
    acme.redeem(acme.codes()[6], "ben@example.com")
    acme.modify(max_learners=11)
    sandbox.faults.call(lambda: move(acme.tab), when="before", kind="write")
    acme.sync()
    gone = before - customers_cells(acme)
    assert gone <= ({(acme.codes()[1], f"note of {acme.codes()[1]}")} if move is MOVES["a row deleted"] else set())
    at = acme.tab.grid("A1:Z1")[0].index("Enrollment Code")
    codes = [row[at] for row in acme.tab.grid() if len(row) > at and len(row[at]) == 36]
    assert sorted(codes) == sorted(acme.codes())
    ours = {row[at]: row for row in acme.tab.grid() if len(row) > at}
    strays = [
        row for code, row in ours.items() if code in ("", "Total") and any("UTC" in cell or "@" in cell for cell in row)
    ]
    assert strays == []
    assert not acme.plan().changed


@pytest.mark.parametrize("redeemed", [range(1), range(4), range(1, 6), range(6)])
@pytest.mark.parametrize("inserted", [1, 2, 3])
@pytest.mark.parametrize("beside", [noted, lambda acme: None], ids=["beside-notes", "alone"])
def test_a_header_that_is_pushed_down_under_the_write_gets_its_texts_back(deliver, sandbox, inserted, redeemed, beside):
    acme = deliver(cap=6)
    acme.sync()
    beside(acme)
    for number in redeemed:
        acme.redeem(acme.codes()[number], f"{number}@example.com")
    below = [row[6:] for row in acme.tab.grid()]
    sandbox.faults.call(lambda: acme.tab.insert_rows(1, inserted), when="before", kind="write")
    acme.sync()
    rows = acme.tab.grid()
    assert rows[:inserted] == [[]] * inserted
    assert rows[inserted][:6] == list(HEADERS)
    assert [row[0] for row in rows[inserted + 1 : inserted + 7]] == acme.codes()
    assert [bool(row[4:] and row[4]) for row in rows[inserted + 1 : inserted + 7]] == [n in redeemed for n in range(6)]
    assert [row[6:] for row in rows[inserted:]] == below
    assert not acme.plan().changed


def test_who_edits_without_end_makes_it_contended_and_it_converges_when_they_stop(deliver, sandbox):
    acme = deliver(cap=9)
    acme.sync()
    acme.modify(max_learners=12)
    edit = iter(range(100))

    def mess_up() -> None:
        acme.tab.type(f"B{2 + next(edit)}", "mine")

    sandbox.faults.call(mess_up, when="before", kind="write", times=3)
    with pytest.raises(Contended, match="try again in a minute"):
        acme.sync()
    assert acme.requests()["write"] == 1 + 3
    acme.sync()
    assert is_true(acme)


def test_a_header_destroyed_while_it_is_written_is_a_lost_layout(deliver, sandbox):
    acme = deliver(cap=3)
    acme.sync()
    acme.modify(max_learners=4)
    sandbox.faults.call(lambda: acme.tab.delete_columns("A", "D"), when="before", kind="write")
    with pytest.raises(LayoutIsLost):
        acme.sync()


# Somebody changes the contract meanwhile


def test_a_contract_given_another_tab_while_it_is_synced_is_tried_again(deliver, sandbox):
    acme = deliver(cap=2, tabs=["One", "Two"], sheet_tab="One")
    sandbox.faults.call(lambda: acme.modify(sheet_tab="Two"), when="before", kind="read")
    with pytest.raises(SheetChanged, match="another sheet or tab"):
        acme.sync()
    assert acme.requests()["write"] == 0
    assert acme.sync().target.tab == "Two"


def test_codes_made_while_they_are_written_are_written_too(deliver, sandbox):
    acme = deliver(cap=2)
    sandbox.faults.call(lambda: acme.modify(max_learners=4), when="before", kind="write")
    assert acme.sync().appended == 4
    assert is_true(acme)


def test_a_contract_that_stops_requiring_codes_while_it_is_synced_ends_with_invalid_ones(deliver, sandbox):
    acme = deliver(cap=2)
    sandbox.faults.call(lambda: acme.modify(integration_type="sso", max_learners=None), when="before", kind="write")
    acme.sync()
    assert all(acme.row_of(code)[3].endswith(" UTC") for code in acme.shown())
    assert len(acme.shown()) == 2


# Two at once, and one that dies


def test_a_second_sync_of_a_spreadsheet_waits_and_then_says_who_is_at_it(deliver):
    acme = deliver()
    with exclusive(
        acme.database.engine, "spreadsheet", acme.spreadsheet.spreadsheet_id, holder="b2b sheet sync (process 7)"
    ):
        with pytest.raises(Busy, match=r"locked by b2b sheet sync \(process 7\)"):
            acme.sync(wait=0.2)
        assert acme.requests() == {"read": 0, "write": 0}
    acme.sync(wait=0.2)
    assert is_true(acme)


class LongPace(NoPace):
    """Lets a read go when the test says so."""

    def __init__(self) -> None:
        self.asked, self.free = threading.Event(), threading.Event()

    def wait(self, kind: str) -> float:
        if kind == "read":
            self.asked.set()
            assert self.free.wait(30)
        return 0.0


def test_a_sync_that_waits_for_its_turn_keeps_no_other_from_the_spreadsheet(deliver, signed_in):
    acme, pace = deliver(), LongPace()
    slow = threading.Thread(target=lambda: service.sync(acme.database, signed_in(pace=pace), acme.slug))
    slow.start()
    assert pace.asked.wait(30)
    urgent = acme.sync(wait=0.2)
    pace.free.set()
    slow.join()
    assert urgent.appended == len(acme.codes())
    assert acme.requests() == {"read": 2, "write": 1}
    assert is_true(acme)


def test_syncs_in_many_threads_write_once(deliver):
    acme = deliver(cap=30)
    threads = [threading.Thread(target=acme.sync) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert acme.requests() == {"read": 4, "write": 1}
    assert len(acme.snapshots()) == 1
    assert is_true(acme)


@pytest.fixture
def sync_process(database_url, sandbox, key_file, tmp_path):
    """`b2b sheet sync acme` in a process of its own."""
    environment = {
        **os.environ,
        "B2B_DATABASE_URL": database_url,
        "B2B_GOOGLE_SERVICE_ACCOUNT_FILE": str(key_file),
        "B2B_GOOGLE_SHEETS_URL": sandbox.url,
        "B2B_GOOGLE_DRIVE_URL": sandbox.url,
        "B2B_GSHEETS_REQUESTS_PER_MINUTE": "1000",
        "B2B_HOME": str(tmp_path),
    }
    started: list[subprocess.Popen[str]] = []

    def start(slug: str = "acme") -> "subprocess.Popen[str]":
        command = [
            sys.executable,
            "-c",
            "from b2b_pipelines.cli.main import run; run()",
            "sheet",
            "sync",
            slug,
            "--json",
        ]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(kind: str, number: int, sandbox) -> None:
    wait_until(lambda: sandbox.google.counts()[kind] >= number, 30, lambda: "the process made no request", 0.005)


@pytest.mark.long
@pytest.mark.parametrize("applied", [True, False])
def test_a_sync_killed_while_it_writes_is_finished_by_the_next(deliver, sandbox, sync_process, applied):
    acme = deliver(cap=20)
    acme.sync()
    acme.tab.type("G5", "a note")
    acme.modify(max_learners=40)
    acme.requests()
    sandbox.faults.delay(0.5, when="after" if applied else "before", kind="write")
    process = sync_process()
    wait_for("write", 1, sandbox)
    if applied:
        take(0.2)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    take(0.6)
    acme.sync(wait=5)
    assert is_true(acme)
    assert acme.tab.shown("G5") == "a note"


@pytest.mark.long
def test_a_large_first_fill_killed_between_two_pieces_is_continued(deliver, sandbox, sync_process):
    acme = deliver(cap=7000, tabs={"Sheet1": [["old"]]})
    sandbox.faults.delay(30, when="before", kind="write", skip=2)
    process = sync_process()
    wait_for("write", 3, sandbox)
    process.send_signal(signal.SIGKILL)
    process.wait()
    standing = acme.shown()
    assert len(standing) >= 6000
    done = acme.sync(wait=5)
    assert done.appended == 7000 - len(standing)
    assert not done.header
    assert acme.shown() == acme.codes()


@pytest.mark.long
def test_two_processes_at_once_write_each_code_once(deliver, sandbox, sync_process):
    acme = deliver(cap=50)
    sandbox.faults.latency = 0.1
    processes = [sync_process(), sync_process()]
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(answer["appended"] for answer in answers) == [0, 50]
    sandbox.faults.latency = 0
    assert is_true(acme)


# Pacing


def test_an_installation_stays_inside_its_pace_and_google_never_says_too_many(deliver, sandbox, signed_in, database):
    sandbox.google.quota = Quota(reads=6, writes=6, window=1.5)
    pace = Limiter(database.engine, ACCOUNT, 6, window=1.5, margin=0.7)
    clients = [signed_in(pace=pace), signed_in(pace=pace)]
    contracts = [deliver(name=f"Org{n}", cap=1, client=clients[n % 2]) for n in range(8)]
    threads = [threading.Thread(target=contract.sync) for contract in contracts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sandbox.google.counts() == {"read": 8, "write": 8, "token": 2}
    assert all(len(contract.shown()) == 1 for contract in contracts)


def test_too_many_requests_make_everybody_pause(deliver, sandbox, signed_in, database):
    acme = deliver(client=signed_in(pace=Limiter(database.engine, ACCOUNT, 100)))
    sandbox.faults.answer(429, kind="read", headers={"Retry-After": "1"})
    began = time.monotonic()
    acme.sync()
    assert time.monotonic() - began >= 1
    with database.session() as session:
        paused = (
            session.execute(text("SELECT kind FROM request_permits WHERE paused_until IS NOT NULL")).scalars().all()
        )
    assert paused == ["read"]


def test_a_sheet_is_written_in_pieces_only_above_the_limit(deliver):
    assert writing.ATOMIC_BYTES <= 2_000_000
    acme = deliver(cap=2000)
    acme.sync()
    assert acme.requests() == {"read": 1, "write": 1}


@pytest.mark.parametrize("cells", ["A2:F100", "A4:F4"])
def test_a_row_that_is_cleared_under_a_write_holds_no_status_of_ours(deliver, sandbox, cells):
    acme = deliver()
    acme.sync()
    acme.redeem(acme.codes()[0], "ann@example.com")
    acme.sync()
    acme.redeem(acme.codes()[2], "bob@example.com")
    sandbox.faults.call(lambda: acme.tab.clear(cells), when="before", kind="write")
    acme.sync()
    assert is_true(acme)
    rows = [row for row in acme.tab.grid()[1:] if any(row)]
    assert all(row[0] for row in rows)
    assert sorted(cell for row in rows for cell in row if "@" in cell) == ["ann@example.com", "bob@example.com"]


def test_a_tab_that_is_cleared_under_a_write_is_filled_as_a_new_one(deliver, sandbox):
    acme = deliver()
    acme.sync()
    acme.redeem(acme.codes()[2], "bob@example.com")
    sandbox.faults.call(lambda: acme.tab.clear("A1:Z1000"), when="before", kind="write")
    acme.sync()
    assert acme.tab.grid()[0][:6] == list(HEADERS)
    assert is_true(acme)
