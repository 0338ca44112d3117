"""Syncs of sheets as customers really make them, through `b2b sheet` over HTTP."""

import re
import time
from contextlib import closing
from datetime import timedelta

import httpx
import pytest

from b2b_pipelines.api.app import create_app
from b2b_pipelines.db import limiter
from b2b_pipelines.settings import read_settings
from b2b_pipelines.sheets.layout import HEADERS
from b2b_pipelines.tokens import service as tokens
from sandbox.google.model import Tab
from tests.api.conftest import serving
from tests.cli.conftest import ADDRESS, codes, error, sync

NAMES = [[f"name {number}", f"n{number}@example.com"] for number in range(4)]


# Which tab


def test_the_tab_of_the_address_one_looks_at_is_meant(run, make):
    sheet = make(tabs={"First": [["theirs"]], "Second": []}, address="{url}?gid=NUMBER#gid=NUMBER")
    number = sheet.tab("Second").sheet_id
    run("b2b_contract modify acme --sheet", f"docs.google.com/spreadsheets/d/{sheet.spreadsheet_id}/edit?gid={number}")
    done = sync(run)
    assert (done["target"]["tab"], done["reads"], done["writes"]) == ("Second", 1, 1)
    assert sheet.tab("First").grid() == [["theirs"]]


def test_a_number_that_is_no_tab_lists_the_tabs(run, make):
    make(tabs={"First": [], "Second": []}, address="{url}#gid=4711")
    code, message = error(run, "b2b sheet sync acme")
    assert code == "tab_missing"
    assert "gid=4711" in message
    assert "'First', 'Second'" in message


def test_the_only_tab_is_meant_whatever_its_title(run, make):
    sheet = make(locale="ja_JP", sheet_id=77)
    assert run("b2b_list contracts --json").json[0]["sheet_tab"] is None
    done = sync(run)
    assert (done["target"]["tab"], done["target"]["sheet_id"]) == (sheet.tabs[0].title, 77)
    assert done["reads"] <= 2
    assert sync(run)["reads"] == 1


def test_of_several_tabs_that_were_not_named_sheet1_is_meant_or_none(run, make):
    sheet = make(tabs={"Notes": [], "sheet1": []})
    assert sync(run)["target"]["tab"] == "sheet1"
    sheet.delete_tab("sheet1")
    sheet.add_tab("Other")
    assert error(run, "b2b sheet sync acme")[0] == "tab_missing"


@pytest.mark.parametrize(
    "address",
    [
        "docs.google.com/spreadsheets/d/{id}",
        "https://DOCS.Google.com/spreadsheets/d/{id}/edit",
        "<https://docs.google.com/spreadsheets/d/{id}/edit>",
        "https://drive.google.com/open?id={id}",
        "{id}",
    ],
)
def test_a_sheet_is_found_by_what_people_paste(run, make, address):
    make(address=address)
    assert sync(run)["appended"] == 3


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/spreadsheets/d/1AbcdefGHIjkl",
        "https://docs.google.com.evil.example/spreadsheets/d/1AbcdefGHIjkl",
        "https://evil.example/?u=https://docs.google.com/spreadsheets/d/1AbcdefGHIjkl",
        "https://docs.google.com/document/d/1AbcdefGHIjkl",
    ],
)
def test_another_host_is_refused_when_saved(run, google_sandbox, address):
    done = run("b2b_contract create Acme Acme non-sso --create --sheet", address)
    assert (done.status, len(done.err.splitlines())) == (1, 1)
    assert "not a Google Sheet's address" in done.err


def test_the_address_of_an_excel_file_is_refused_when_saved(run, google_sandbox):
    address = "https://docs.google.com/spreadsheets/d/1AbcdefGHIjkl/edit?usp=sharing&ouid=1&rtpof=true&sd=true"
    done = run("b2b_contract create Acme Acme non-sso --create --sheet", address)
    assert done.status == 1
    assert "Save as Google Sheets" in done.err


# Consent


def test_a_tab_that_nobody_named_is_not_replaced_without_consent(run, make):
    sheet = make(tabs={"Names": NAMES})
    planned = run("b2b sheet plan acme --json").json
    assert (planned["replaced"], planned["needs_consent"], planned["writes"]) == (4, True, 0)
    words = run("b2b sheet plan acme").out
    assert "Would replace 4 rows in A-F, starting with 'name 0', 'n•••@example.com', 'name 1'" in words
    code, message = error(run, "b2b sheet sync acme")
    assert code == "target_not_empty"
    assert "'Names'" in message
    assert sheet.tab("Names").grid() == NAMES
    done = sync(run, "--replace")
    assert (done["replaced"], done["appended"], done["rows_added"]) == (4, 3, [2, 3, 4])
    assert sync(run)["writes"] == 0


@pytest.mark.parametrize("named", ["title", "gid"])
def test_naming_the_tab_is_the_consent_unless_the_installation_asks(run, make, monkeypatch, named):
    make(
        tabs={"Names": NAMES}, tab="names" if named == "title" else None, address="{url}" + "#gid=0" * (named == "gid")
    )
    monkeypatch.setenv("B2B_SHEET_REPLACE", "ask")
    assert error(run, "b2b sheet sync acme")[0] == "target_not_empty"
    monkeypatch.delenv("B2B_SHEET_REPLACE")
    assert sync(run)["replaced"] == 4


def test_giving_a_sheet_opens_it(run, courses, google_sandbox):
    made = google_sandbox.google.create_spreadsheet("Acme's own", [ADDRESS], tabs={"Names": NAMES})
    created = run("b2b_contract create Acme Acme non-sso --create --json --sheet", made).json
    assert created["sheet"] | {"share_with": None} == {
        "shared": True,
        "title": "Acme's own",
        "tab": "Names",
        "replaced": 4,
        "needs_consent": True,
        "share_with": None,
    }
    other = google_sandbox.google.create_spreadsheet("Not shared", [])
    done = run("b2b_contract modify acme --json --sheet", other)
    assert (done.status, done.json["sheet"]["shared"], done.json["sheet"]["share_with"]) == (0, False, ADDRESS)
    assert ADDRESS in run("b2b_contract modify acme --sheet", other).out


# Another installation


def test_the_tab_of_another_installation_is_taken_by_a_rebuild_only(run, make):
    theirs = ["6f1c8e0a-5f0e-4a0d-9c1e-2f1f0a7f3b11", "one-time", 0]
    sheet = make(tabs={"Codes": [[*HEADERS], theirs]}, tab="Codes")
    for command in ("plan", "sync", "sync --replace"):
        code, message = error(run, f"b2b sheet {command.split()[0]} acme", *command.split()[1:])
        assert code == "target_taken"
        assert "b2b sheet rebuild acme" in message
    assert run("b2b sheet rebuild acme --json").status == 2
    assert run("b2b sheet rebuild acme --json --yes").status == 0
    assert len(codes(sheet.tab("Codes"))) == 3
    kept = run("b2b sheet show acme --before --json").json["cells"]
    assert kept[1]["A"] == theirs[0]


# Where new codes go


def test_formulas_filled_down_beside_the_codes_change_nothing(run, make):
    sheet = make(cap=6)
    sync(run)
    tab = sheet.tabs[0]
    tab.type("H2", '=IF(A2="","","given")')
    tab.fill_down("H2", 30)
    run("b2b_contract modify acme --max-learners 10")
    done = sync(run)
    assert (done["writes"], done["appended"], done["rows_added"], done["conflicts"]) == (1, 4, [8, 9, 10, 11], [])
    assert len(codes(tab)) == len(set(codes(tab))) == 10
    assert sync(run)["writes"] == 0


def test_rows_prepared_with_checkboxes_and_formulas_are_used(run, make):
    sheet = make(cap=2)
    sync(run)
    tab = sheet.tabs[0]
    tab.checkbox("G2:G40")
    tab.type("H2", '=A2&""')
    tab.fill_down("H2", 40)
    tab.tick("G4")
    run("b2b_contract modify acme --max-learners 4")
    assert sync(run)["rows_added"] == [5, 6], "somebody ticked the box in row 4"


def test_codes_far_below_are_named_in_words(run, make):
    sheet = make(cap=2)
    sync(run)
    for row in range(4, 20):
        sheet.tabs[0].type(f"G{row}", "a note")
    run("b2b_contract modify acme --max-learners 4")
    assert "New codes would be in rows 20-21." in run("b2b sheet plan acme").out


@pytest.mark.parametrize("formula", ['=IMAGE("https://example.com/a.png")', "=SPARKLINE({1,2})", '=""'])
def test_a_cell_that_shows_nothing_may_hold_something(run, make, formula):
    sheet = make(cap=2)
    sync(run)
    sheet.tabs[0].type("C4", formula)
    run("b2b_contract modify acme --max-learners 3")
    assert sync(run)["rows_added"] == [5]
    assert sheet.tabs[0].cell("C4").text == formula


def test_titles_above_the_header_are_the_customers(run, make):
    sheet = make(cap=2)
    sync(run)
    tab = sheet.tabs[0]
    tab.insert_rows(1, 3)
    tab.type("A1", "Our licenses")
    run("b2b_contract modify acme --max-learners 3")
    done = sync(run)
    assert (done["header"], done["rows_added"], tab.shown("A1"), tab.shown("A2")) == (False, [7], "Our licenses", "")


# Merges and tables


@pytest.mark.parametrize("hypothesis", ["drop", "hide"])
def test_merged_cells_are_not_written_and_named(run, make, sandbox, hypothesis):
    sandbox.google.hypotheses.covered_cells = hypothesis
    sheet = make(cap=3)
    sync(run)
    tab = sheet.tabs[0]
    tab.merge("D2:D3")
    tab.merge("A5:C5")
    run("b2b_contract modify acme --max-learners 4")
    done = sync(run)
    assert [(found["kind"], found["row"]) for found in done["conflicts"]] == [("merged", 3)]
    assert done["rows_added"] == [6]
    assert sync(run)["writes"] == 0


def test_a_new_target_with_merged_cells_is_refused_in_words(run, make):
    sheet = make(tab="Sheet1")
    sheet.tabs[0].merge("A1:F1")
    code, message = error(run, "b2b sheet sync acme")
    assert code == "sheet_merged"
    assert "A1:F1" in message
    sheet.tabs[0].unmerge("A1:F1")
    assert sync(run)["appended"] == 3


def test_new_rows_are_added_to_a_google_table(run, make):
    sheet = make(cap=2)
    sync(run)
    sheet.tabs[0].make_table("A1:F3")
    run("b2b_contract modify acme --max-learners 4")
    assert sync(run)["writes"] == 1
    (table,) = sheet.tabs[0].regions_of("table")
    assert table.area.bottom == 5


@pytest.mark.parametrize("kept_as", ["text", "number"])
def test_a_count_in_a_column_of_plain_text_is_the_count(run, make, sandbox, kept_as):
    sandbox.google.hypotheses.plain_text_numbers = kept_as
    sheet = make()
    sheet.tabs[0].plain_text("C:C")
    assert sync(run)["writes"] == 1
    assert sync(run)["writes"] == 0


# Headers


def test_headers_that_changed_places_are_not_believed(run, make):
    sheet = make()
    sync(run)
    tab = sheet.tabs[0]
    tab.type("A1", "Use Type")
    tab.type("B1", "Enrollment Code")
    before = tab.grid()
    code, message = error(run, "b2b sheet sync acme")
    assert (code, tab.grid()) == ("layout_lost", before)
    assert "`Enrollment Code`, `Use Type`" in message


def test_a_missing_header_is_named_with_what_to_do(run, make):
    sheet = make()
    sync(run)
    sheet.tabs[0].delete_columns("E")
    code, message = error(run, "b2b sheet sync acme")
    assert code == "layout_lost"
    assert "`Redeemed By` is missing, type it over any empty column" in message
    sheet.tabs[0].type("J1", "Redeemed By")
    assert sync(run)["writes"] == 0


def test_a_renamed_tab_is_followed_until_the_contract_is_saved_with_another(run, make):
    sheet = make(tab="Sheet1")
    sync(run)
    sheet.rename_tab("Sheet1", "Codes")
    sheet.add_tab("Sheet1")
    run("b2b_contract modify acme --max-learners 4")
    assert sync(run)["target"]["tab"] == "Codes"


# Rebuild and restore


def test_a_rebuild_keeps_rows_beside_their_notes(run, make):
    sheet = make()
    sync(run)
    tab = sheet.tabs[0]
    for row in (2, 3, 4):
        tab.type(f"G{row}", f"note of {tab.shown(f'A{row}')}")
    tab.sort("A", descending=True)
    tab.type("A1", "my codes")
    tab.insert_rows(3)
    notes = {row[0]: row[6] for row in tab.grid("A2:G9") if len(row) > 6}
    assert run("b2b sheet rebuild acme --yes").status == 0
    assert {row[0]: row[6] for row in tab.grid("A2:G9") if len(row) > 6} == notes
    assert tab.grid("A1:F1") == [list(HEADERS)]
    assert sync(run)["writes"] == 0


def entered(tab: Tab) -> list[list[object]]:
    rows, columns = tab.used()
    return [[tab.cell(f"{chr(65 + column)}{row + 1}") for column in range(columns)] for row in range(rows)]


def test_what_was_replaced_is_put_back_as_it_was_entered_and_that_can_be_undone(run, make):
    sheet = make(tabs={"Names": []}, tab="Names")
    tab = sheet.tab("Names")
    for cell, text in {
        "A1": "Name",
        "B1": "1/5/2026",
        "C2": "=1+1",
        "D2": "'=text",
        "F3": "TRUE",
        "G1": "mine",
    }.items():
        tab.type(cell, text)
    theirs = entered(tab)
    sync(run)
    ours = entered(tab)
    assert run("b2b sheet show acme --before --json").json["cells"][0]["B"] == "1/5/2026"
    dry = run("b2b sheet restore acme --before --dry-run --json").json
    assert dry["cells"] > 0
    assert entered(tab) == ours
    assert run("b2b sheet restore acme --before --json").status == 2
    assert run("b2b sheet restore acme --before --yes --json").json["cells"] == dry["cells"]
    assert entered(tab) == theirs
    code, message = error(run, "b2b sheet sync acme")
    assert code == "target_not_empty"
    assert "--replace" in message
    assert run("b2b sheet restore acme --before --yes").status == 0
    assert entered(tab) == ours
    assert sync(run)["writes"] == 0


def test_after_a_restore_the_sheet_is_taken_again_on_request_only(run, make):
    sheet = make(tabs={"Names": NAMES}, tab="Names")
    sync(run)
    run("b2b sheet restore acme --before --yes")
    assert sheet.tab("Names").grid() == NAMES
    assert error(run, "b2b sheet sync acme")[0] == "target_not_empty"
    assert sync(run, "--replace")["replaced"] == 4
    run("b2b sheet restore acme --before --yes")
    run("b2b_contract modify acme --sheet", sheet.spreadsheet_id)
    assert sync(run)["replaced"] == 4, "the contract was given its sheet again"


def test_our_columns_are_put_back_as_a_snapshot_had_them_where_the_codes_stand_now(run, make, database_url):
    sheet = make(cap=4)
    sync(run)
    tab = sheet.tabs[0]
    first = run("b2b sheet history acme --json").json[0]["id"]
    then = {row[0]: row[:6] for row in tab.grid("A2:F9")}
    tab.type("G2", "mine")
    run("b2b_contract modify acme --max-learners 2")
    sync(run)
    now = tab.grid()
    tab.sort("A", descending=True)
    tab.delete_rows(3)
    done = run("b2b sheet restore acme --yes --json --snapshot", str(first)).json
    assert {row[0]: row[:6] for row in tab.grid("A2:F9")} == then
    assert (done["kind"], done["conflicts"], len(done["rows_added"])) == ("after", [], 1)
    assert tab.grid("G1:G9").count(["mine"]) <= 1
    undo = run("b2b sheet history acme --json").json[1]
    assert undo["cause"] == "restore"
    sync(run)
    assert len(codes(tab)) == len(now) - 1


# In the browser


def test_a_snapshot_is_restored_from_the_contracts_page_with_the_plan_first(run, make, database, monkeypatch):
    sheet = make(tabs={"Names": NAMES}, tab="Names")
    tab = sheet.tab("Names")
    sync(run)
    ours = tab.grid()
    with database.session() as session:
        token = tokens.create(session, "desk", ["read", "manage"])[1]
        reader = tokens.create(session, "reader", ["read"])[1]
    with (
        serving(create_app(read_settings(), database)) as url,
        closing(signed_in(url, reader)) as other,
        closing(signed_in(url, token)) as visitor,
    ):
        assert "Restore" not in other.get("/contracts/acme").text
        page = visitor.get("/contracts/acme").text
        (kept,) = re.findall(r'/contracts/acme/restore\?snapshot=(\d+)"', page)
        shown = visitor.get(f"/contracts/acme/restore?snapshot={kept}").text
        assert "cells in 4 rows will be written" in " ".join(shown.split())
        assert tab.grid() == ours, "nothing is written before somebody agreed"
        form = re.findall(r'name="form" value="([^"]+)"', shown)[-1]
        assert (
            "in 4 rows written." in visitor.post("/contracts/acme/restore", data={"form": form, "snapshot": kept}).text
        )
        assert tab.grid() == NAMES
        assert visitor.post("/contracts/acme/restore", data={"form": "guessed", "snapshot": kept}).status_code == 403
        sheet.unshare(ADDRESS)
        assert f"share it with {ADDRESS}" in visitor.get(f"/contracts/acme/restore?snapshot={kept}").text


def test_a_tab_is_replaced_from_the_contracts_page_once_somebody_agreed(run, make, database):
    sheet = make(tabs={"Names": NAMES})
    with database.session() as session:
        token = tokens.create(session, "desk", ["read", "manage"])[1]
    with (
        serving(create_app(read_settings(), database)) as url,
        closing(signed_in(url, token)) as visitor,
    ):
        assert ">Preview</a>" in visitor.get("/contracts/acme").text
        shown = visitor.get("/contracts/acme/replace").text
        assert "4 rows in A–F will be replaced, beginning with: name 0, n•••@example.com" in shown
        assert sheet.tab("Names").grid() == NAMES
        form = re.findall(r'name="form" value="([^"]+)"', shown)[-1]
        assert "3 rows added" in visitor.post("/contracts/acme/replace", data={"form": form}).text
    assert sync(run)["writes"] == 0


def signed_in(url: str, token: str) -> httpx.Client:
    visitor = httpx.Client(base_url=url, follow_redirects=True, timeout=20)
    form = re.search(r'name="form" value="([^"]+)"', visitor.get("/sign-in").text)
    assert form is not None
    visitor.post("/sign-in", data={"form": form[1], "token": token})
    return visitor


# What Google refuses


def test_an_excel_file_says_what_to_do(run, make):
    sheet = make()
    sheet.make_office_file()
    code, message = error(run, "b2b sheet sync acme")
    assert code == "sheet_is_office_file"
    assert "File › Save as Google Sheets" in message


def test_a_sheet_shared_for_viewing_only(run, make):
    sheet = make()
    sheet.unshare(ADDRESS)
    sheet.share(ADDRESS, role="reader")
    code, message = error(run, "b2b sheet sync acme")
    assert code == "sheet_view_only"
    assert ADDRESS in message


def test_a_sheet_in_the_bin(run, make):
    sheet = make()
    sheet.trash()
    code, message = error(run, "b2b sheet sync acme")
    assert code == "sheet_unshared"
    assert "bin" in message


def test_a_spent_quota_makes_the_installation_wait_for_the_end_of_the_minute(run, make, sandbox):
    make()
    began = time.monotonic()
    sandbox.google.quota.exhaust("read", 2)
    with_short_minutes = limiter.Limiter.pause_until_minute_ends

    def short(self: limiter.Limiter, kind: limiter.Kind) -> None:
        self._window = timedelta(seconds=2.5)
        with_short_minutes(self, kind)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limiter.Limiter, "pause_until_minute_ends", short)
        done = sync(run)
    assert time.monotonic() - began > 2
    assert (done["reads"], done["writes"]) == (3, 1), "one was refused"
