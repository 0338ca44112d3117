"""The rules of a guest in the customer's sheet, one short test each, through `b2b sheet` over HTTP."""

import pytest
from sqlalchemy import text

from b2b_pipelines.db.engine import Database
from b2b_pipelines.sheets.layout import HEADERS
from sandbox.server import Sandbox
from tests.cli.conftest import codes, error, sync
from tests.commands import Run


def cap(run: Run, seats: int) -> None:
    assert run(f"b2b_contract modify acme --max-learners {seats}").status == 0


# The target


def test_a_tab_that_was_named_wins_over_the_number_in_the_address(run, make):
    sheet = make(tabs={"First": [], "Second": []}, tab="second", address="{url}#gid=0")
    assert sync(run)["target"]["tab"] == "Second"
    assert sheet.tab("First").grid() == []


def test_a_contract_saved_with_another_tab_has_a_new_target_although_its_old_one_was_renamed(run, make):
    sheet = make(tabs={"Sheet1": [], "Other": [["theirs"]]}, tab="Sheet1")
    sync(run)
    sheet.rename_tab("Sheet1", "Codes")
    before = sheet.tab("Codes").grid()
    run("b2b_contract modify acme --tab Other")
    done = sync(run)
    assert (done["target"]["tab"], done["target"]["new"], done["replaced"]) == ("Other", True, 1)
    assert sheet.tab("Codes").grid() == before


@pytest.mark.parametrize(("first", "second"), [("#gid=0", "?gid=0"), ("", "")])
def test_a_second_contract_is_refused_when_saved_by_the_number_in_the_address_or_without_a_tab(
    run, make, first, second
):
    sheet = make(address="{url}" + first)
    address = f"https://docs.google.com/spreadsheets/d/{sheet.spreadsheet_id}/edit{second}"
    refused = run("b2b_contract create Acme Beta non-sso --sheet", address)
    assert refused.status == 1
    assert "belongs to the contract acme" in refused.err


def test_a_first_fill_replaces_a_to_f_and_leaves_the_columns_beside_them(run, make):
    sheet = make(tabs={"Names": [["name", "", "", "", "", "", "note"], *[["n"] * 7] * 20]}, tab="Names")
    out = run("b2b sheet sync acme").out
    assert "Replaced 21 rows in A-F, starting with 'name', 'n', 'n'" in " ".join(out.split())
    tab = sheet.tab("Names")
    assert [row[:6] for row in tab.grid()[:1]] == [list(HEADERS)]
    assert (len(codes(tab)), tab.column("A")[4:]) == (3, [])
    assert tab.column("G") == ["note", *["n"] * 20]


def test_a_rebuild_and_a_restore_need_consent_without_a_terminal(run, make):
    sheet = make()
    sync(run)
    (snapshot,) = run("b2b sheet history acme --json").json
    tab = sheet.tabs[0]
    tab.type("A1", "theirs")
    tab.type("B2", "typed")
    before = tab.grid()
    for command in (
        "rebuild acme",
        "rebuild acme --json",
        f"restore acme --snapshot {snapshot['id']}",
        f"restore acme --snapshot {snapshot['id']} --json",
    ):
        assert run(f"b2b sheet {command}").status == 2
    assert tab.grid() == before


def test_a_rebuild_adds_missing_codes_below_those_that_stand(run, make):
    sheet = make(cap=2)
    sync(run)
    tab = sheet.tabs[0]
    tab.insert_rows(2, 4)
    cap(run, 4)
    done = run("b2b sheet rebuild acme --json --yes").json
    assert (done["rows_added"], codes(tab)) == ([8, 9], tab.column("A")[5:9])
    assert (done["updated"], done["appended"], done["unchanged"]) == (0, 2, 2)


# Our columns


def test_our_columns_are_found_wherever_they_were_moved(run, make):
    sheet = make()
    sync(run)
    tab = sheet.tabs[0]
    tab.move_columns("A", before="J")
    tab.move_columns("C", before="A")
    tab.insert_columns("B")
    tab.type("A2", "typed")
    titles = tab.grid("A1:K1")
    cap(run, 4)
    done = sync(run)
    assert (done["updated"], done["rows_added"], tab.grid("A1:K1")) == (1, [5], titles)
    assert tab.shown("A2") == ""


def test_the_column_of_the_codes_is_found_by_its_codes(run, make):
    sheet = make()
    sync(run)
    tab = sheet.tabs[0]
    tab.type("A1", "Our codes")
    cap(run, 4)
    assert sync(run)["rows_added"] == [5]
    assert (tab.shown("A1"), len(set(codes(tab)))) == ("Our codes", 4)


def test_headers_over_columns_that_are_alike_in_most_rows_are_not_believed_once_exchanged(
    run, make, database: Database
):
    """ "Invalidated On" and "Redeemed On" are the same in the rows of redeemed one-time codes."""
    sheet = make(cap=4)
    sync(run)
    tab = sheet.tabs[0]
    first, second, third, _ = codes(tab)
    for number, code in enumerate((first, second)):
        assert run(f"b2b learner attach {code} ann{number}@example.com").status == 0
    with database.session() as session:
        off = "UPDATE enrollment_code SET active = false, deactivated_at = '2026-12-01' WHERE code = :code"
        session.execute(text(off), {"code": third})
    assert sync(run)["updated"] == 3
    tab.type("D1", HEADERS[5])
    tab.type("F1", HEADERS[3])
    before = tab.grid()
    code, message = error(run, "b2b sheet sync acme")
    assert (code, tab.grid()) == ("layout_lost", before)
    assert "`Invalidated On`, `Redeemed On`" in message


def test_an_annotated_code_under_another_header_contradicts_it_too(run, make):
    sheet = make(cap=1)
    sync(run)
    tab = sheet.tabs[0]
    tab.type("A2", f"{tab.shown('A2')} for Ann")
    tab.type("A1", "Redeemed By")
    tab.type("E1", "Enrollment Code")
    before = tab.grid()
    assert "`Enrollment Code`, `Redeemed By`" in error(run, "b2b sheet sync acme")[1]
    assert tab.grid() == before


def test_an_edited_cell_does_not_move_a_column_to_another_of_its_name(run, make):
    sheet = make()
    sync(run)
    tab = sheet.tabs[0]
    tab.type("G1", "Redeemed On")
    tab.type("F3", "0.5")
    assert sync(run)["updated"] == 1
    assert (tab.shown("F3"), tab.column("G")) == ("", ["Redeemed On"])
    tab.type("G2", "a note")
    tab.type("F2", "soon")
    assert sync(run)["updated"] == 1
    assert (tab.shown("F2"), tab.column("G")) == ("", ["Redeemed On", "a note"])


# Rows


def test_a_formula_where_our_rows_have_none_keeps_a_row_from_being_free(run, make):
    sheet = make()
    sync(run)
    tab = sheet.tabs[0]
    tab.type("G2", "=A2")
    tab.fill_down("G2", 9)
    tab.type("H5", "=COUNTA(A2:A4)")
    cap(run, 4)
    assert sync(run)["rows_added"] == [6]


def test_codes_far_below_are_named_by_the_sync_too_and_those_near_are_not(run, make):
    sheet = make()
    sync(run)
    cap(run, 4)
    assert "row 5" not in run("b2b sheet sync acme").out
    for row in range(6, 20):
        sheet.tabs[0].type(f"G{row}", "a note")
    cap(run, 5)
    assert "New codes are in row 20." in run("b2b sheet sync acme").out


def test_a_google_table_elsewhere_is_not_enlarged(run, make):
    sheet = make()
    sync(run)
    tab = sheet.tabs[0]
    for row, word in enumerate(("Team", "red", "blue", "green"), start=1):
        tab.type(f"H{row}", word)
    tab.make_table("H1:H4")
    cap(run, 4)
    assert sync(run)["rows_added"] == [5]
    (table,) = tab.regions_of("table")
    assert table.area.bottom == 4


def test_other_tabs_are_never_touched(run, make, google_sandbox: Sandbox):
    sheet = make(tabs={"Sheet1": [], "Theirs": [["Enrollment Code", "Use Type"], ["x", "y"]]})
    sync(run)
    sheet.copy_tab(0, "Copy of Sheet1")
    before = sheet.tab("Copy of Sheet1").grid(), sheet.tab("Theirs").grid()
    cap(run, 5)
    sync(run)
    assert (sheet.tab("Copy of Sheet1").grid(), sheet.tab("Theirs").grid()) == before


# Requests


def test_passing_errors_are_told_with_when_it_is_tried_again(run, make, google_sandbox: Sandbox, monkeypatch):
    monkeypatch.setattr("b2b_pipelines.vendors.google_sheets.client.LONGEST_BACKOFF", 0)
    make()
    google_sandbox.faults.answer(503, "busy", kind="read", times=5)
    assert "the next refresh of all sheets tries again" in error(run, "b2b sheet sync acme")[1]
    google_sandbox.faults.answer(503, "busy", kind="read", times=5)
    assert error(run, "b2b sheet plan acme")[1].endswith("): try again in a few minutes")
