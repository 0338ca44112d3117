"""Edits of the customer in a sheet, and the output of `b2b sheet` after them, over HTTP."""

import pytest

from b2b_pipelines.sheets.layout import HEADERS
from sandbox.google.model import Tab
from sandbox.server import Sandbox
from tests.cli.conftest import ADDRESS, codes, error, sync
from tests.commands import Run

THEIRS = ["6f1c8e0a-5f0e-4a0d-9c1e-2f1f0a7f3b11", "one-time", "0"]


def cap(run: Run, seats: int) -> None:
    assert run(f"b2b_contract modify acme --max-learners {seats}").status == 0


def foreign(tab: Tab) -> list[list[object]]:
    """Return the entries from column G on."""
    return [[tab.at(row, column) for column in range(6, tab.column_count)] for row in range(tab.row_count)]


# Which tab


@pytest.mark.parametrize("tab", [None, "Codes", "0"])
def test_the_tab_of_another_installation_is_refused_as_taken_however_it_is_named(run, make, tab):
    sheet = make(tabs={"Codes": [[*HEADERS], THEIRS]}, tab=tab)
    before = sheet.tabs[0].grid()
    assert error(run, "b2b sheet plan acme")[0] == error(run, "b2b sheet sync acme")[0] == "target_taken"
    assert sheet.tabs[0].grid() == before


def test_a_tab_with_our_codes_is_updated_when_the_contract_comes_back_to_it(run, make):
    sheet = make(tabs={"One": [], "Two": []}, tab="One")
    sync(run)
    one = sheet.tab("One")
    one.type("G3", "a note")
    one.sort("A", descending=True)
    before = one.grid()
    run("b2b_contract modify acme --tab Two")
    assert sync(run)["appended"] == 3
    run("b2b_contract modify acme --tab ONE")
    assert sync(run)["writes"] == 0
    assert one.grid() == before


def test_a_second_contract_on_a_tab_is_refused_and_the_first_is_named(run, make):
    sheet = make(tab="Sheet1")
    sync(run)
    given = "b2b_contract create Acme Beta non-sso --max-learners 2 --sheet"
    refused = run(given, sheet.spreadsheet_id, "--tab", "SHEET1")
    assert refused.status == 1
    assert "belongs to the contract acme" in refused.err
    assert run(given, sheet.spreadsheet_id, "--tab", "0").status == 0
    run("b2b_contract courseware beta course-v1:UAI+C1")
    message = error(run, "b2b sheet sync beta")[1]
    assert "the tab 'Sheet1' belongs to the contract acme" in message


def test_a_title_is_printed_as_it_is_named(run, make):
    title = "It's \"Bob's\" codes!"
    sheet = make(tabs={title: [], "Other": []}, tab=title.upper())
    assert f"(tab '{title}')" in run("b2b sheet sync acme").out
    sheet.delete_tab(title)
    assert f"has no tab '{title.upper()}', but 'Other'" in run("b2b sheet sync acme").err


def test_an_empty_tab_is_filled_again(run, make):
    sheet = make()
    sync(run)
    sheet.tabs[0].clear("A:Z")
    assert sync(run)["header"]
    assert len(codes(sheet.tabs[0])) == 3


# Where codes go


def test_a_spilled_value_beside_the_codes_leaves_a_row_free_and_one_in_our_cells_does_not(run, make):
    sheet = make()
    sync(run)
    tab = sheet.tabs[0]
    tab.type("G2", '=ARRAYFORMULA(IF(A2:A="","free","given"))')
    tab.type("C6", "=SEQUENCE(3)")
    cap(run, 5)
    assert sync(run)["rows_added"] == [5, 9]
    assert (tab.shown("C6"), tab.shown("C8"), tab.shown("G5")) == ("1", "3", "given")
    assert sync(run)["writes"] == 0


def test_codes_are_never_put_between_or_above_others(run, make):
    sheet = make(cap=4)
    sync(run)
    tab = sheet.tabs[0]
    tab.insert_rows(4, 2)
    tab.insert_rows(1, 2)
    cap(run, 6)
    assert sync(run)["rows_added"] == [10, 11], "the last code is in row 9"


def test_rows_and_columns_are_added_to_a_tab_that_is_too_small(run, make):
    sheet = make()
    tab = sheet.tabs[0]
    tab.shrink(2, 3)
    assert sync(run)["writes"] == 1
    assert (tab.row_count, tab.column_count) == (4, 6)
    cap(run, 5)
    assert sync(run)["writes"] == 1
    assert tab.row_count == 6


def test_rows_that_a_filter_hides_are_written_and_the_filter_stays(run, make):
    sheet = make(cap=4)
    sync(run)
    tab = sheet.tabs[0]
    tab.filter("A1:F5", hide=[3, 4])
    tab.type("B3", "ours?")
    cap(run, 5)
    done = sync(run)
    assert (done["updated"], done["rows_added"], tab.shown("B3")) == (1, [6], "one-time")
    assert len(tab.regions_of("filter")) == 1


# Their edits


def test_edits_of_code_cells_stay_and_are_explained(run, make):
    sheet = make(cap=4)
    sync(run)
    tab = sheet.tabs[0]
    first, second, third, fourth = codes(tab)
    tab.type("A2", f"{first} for Ann")
    tab.type("A3", f"  {second.upper()} ")
    tab.type("A4", "given to Bo")
    tab.type("A6", fourth)
    tab.type("E2", "typed")
    done = sync(run)
    assert [(found["kind"], found["row"], found["code"]) for found in done["conflicts"]] == [
        ("annotated", 2, first),
        ("unknown_code", 4, third),
        ("duplicate", 6, fourth),
    ]
    assert [tab.shown(cell) for cell in ("A2", "E2", "A3", "A4")] == [
        f"{first} for Ann",
        "typed",
        f"  {second.upper()} ",
        "given to Bo",
    ]
    assert tab.column("A").count(third) == 1
    assert (tab.shown("B6"), done["rows_added"]) == ("one-time", [7])
    words = run("b2b sheet plan acme").out
    for kind, advice in {
        "annotated": "Move the note to a column of the customer's own",
        "duplicate": "The same code is in a row further up",
        "unknown_code": "Do not type the code again",
    }.items():
        assert f"{kind}: " in words
        assert advice in " ".join(words.split())


def test_status_cells_are_kept_up_to_date_and_nothing_else_is(run, make):
    sheet = make()
    sync(run)
    tab = sheet.tabs[0]
    tab.type("B2", "TRUE")
    tab.type("C3", "7")
    tab.type("D4", "=1+1")
    tab.type("G2", "=A2")
    tab.type("H9", "12/24/2026")
    tab.type("A8", "Total: 3")
    before = foreign(tab)
    done = sync(run)
    assert (done["updated"], done["conflicts"], done["writes"]) == (3, [], 1)
    assert tab.grid("A2:D4") == [[code, "one-time", "0"] for code in codes(tab)]
    assert (foreign(tab), tab.shown("A8")) == (before, "Total: 3")


def test_a_renamed_header_stays_as_the_customer_has_it(run, make):
    sheet = make()
    sync(run)
    tab = sheet.tabs[0]
    tab.type("B1", "Kind")
    tab.insert_columns("A")
    cap(run, 4)
    done = sync(run)
    assert (done["header"], done["rows_added"]) == (False, [5])
    assert tab.grid("A1:G1") == [["", HEADERS[0], "Kind", *HEADERS[2:]]]
    assert tab.shown("C5") == "one-time"


def test_a_contract_that_needs_no_codes_any_more_is_brought_up_to_date_once(run, make):
    sheet = make()
    created = "b2b_contract create Acme Paid sso --price 10 --max-learners 2 --tab Paid --sheet"
    sheet.add_tab("Paid")
    assert run(created, sheet.spreadsheet_id).status == 0
    run("b2b_contract courseware paid course-v1:UAI+C1")
    assert run("b2b sheet sync paid --json").json["appended"] == 2
    tab = sheet.tab("Paid")
    tab.type("B2", "typed")
    assert run("b2b_contract modify paid --price 0").status == 0
    assert run("b2b sheet sync paid --json").json["updated"] > 0
    tab.type("B2", "typed")
    assert error(run, "b2b sheet sync paid")[0] == "not_delivered"
    assert tab.shown("B2") == "typed"


# Cells that cannot be written


def test_a_new_target_with_merged_rows_names_the_range(run, make):
    sheet = make(cap=5, tab="Sheet1")
    sheet.tabs[0].merge("H1:H9")
    sheet.tabs[0].merge("A3:B4")
    code, message = error(run, "b2b sheet sync acme")
    assert code == "sheet_merged"
    assert "A3:B4 of the tab 'Sheet1'" in message


def test_cells_that_do_not_keep_what_is_written_are_named(run, make, google_sandbox: Sandbox):
    google_sandbox.google.hypotheses.hidden_rows = "skip"
    sheet = make()
    sync(run)
    tab = sheet.tabs[0]
    tab.type("B3", "typed")
    tab.filter("A1:F4", hide=[3])
    google_sandbox.log.reset()
    code, message = error(run, "b2b sheet sync acme")
    assert code == "cell_not_kept"
    assert "B3 does not keep the written value: remove a merge, a filter, a format or a column type there" in message
    assert google_sandbox.google.counts()["write"] == 2
    tab.remove_filter()
    assert sync(run)["updated"] == 1


def test_a_table_whose_columns_refuse_texts_says_so(run, make, google_sandbox: Sandbox):
    google_sandbox.google.hypotheses.typed_columns = "refuse"
    sheet = make()
    sync(run)
    sheet.tabs[0].make_table("A1:F4", types={"B": "DOUBLE"})
    cap(run, 4)
    before = sheet.tabs[0].grid()
    error(run, "b2b sheet sync acme")
    assert sheet.tabs[0].grid() == before


# Requests


def test_answers_are_asked_for_without_indentation(run, make, google_sandbox: Sandbox):
    sheet = make(cap=300)
    sync(run)
    google_sandbox.log.reset()
    cap(run, 301)
    sync(run)
    exchanges = [each for each in google_sandbox.log.entries() if each.kind in ("read", "write")]
    assert [each.kind for each in exchanges] == ["read", "write"]
    cells = sum(len(row) for row in sheet.tabs[0].grid())
    assert all(each.response_bytes < 100 * cells for each in exchanges)


def test_a_restore_says_that_syncs_are_paused_only_if_they_are(run, make):
    sheet = make(tabs={"Names": [["name"]]}, tab="Names")
    sync(run)
    assert "Syncs of this tab are paused" in run("b2b sheet restore acme --before --yes").out
    assert sheet.tabs[0].grid() == [["name"]]
    assert "paused" not in run("b2b sheet restore acme --before --yes").out
    assert sync(run)["writes"] == 0


def test_a_snapshot_of_another_tab_is_not_restored(run, make):
    make(tabs={"One": [], "Two": []}, tab="One")
    sync(run)
    run("b2b_contract modify acme --tab Two")
    (first,) = run("b2b sheet history acme --json").json
    code, message = error(run, f"b2b sheet restore acme --yes --snapshot {first['id']}")
    assert code == "another_target"
    assert message.startswith(f"snapshot {first['id']} is of the tab 'One', and acme has another sheet or tab now")
    code, message = error(run, "b2b sheet restore acme --yes --snapshot 99")
    assert (code, "b2b sheet history acme" in message) == ("not_found", True)


def test_whom_to_share_a_sheet_with_is_named_at_once(run, make, google_sandbox: Sandbox):
    make()
    other = google_sandbox.google.create_spreadsheet("Not shared", [])
    assert f"share it with {ADDRESS} as an editor" in run("b2b_contract modify acme --sheet", other).out


def test_a_restore_leaves_cells_that_only_look_like_codes_to_the_customer(run, make):
    sheet = make()
    sync(run)
    tab = sheet.tabs[0]
    tab.type("A5", THEIRS[0])
    tab.type("B5", "theirs")
    cap(run, 4)
    sync(run)
    numbers = [row["id"] for row in run("b2b sheet history acme --json").json]
    tab.type("B5", "typed later")
    tab.type("B2", "typed over")
    for number in numbers:
        assert run(f"b2b sheet restore acme --yes --snapshot {number}").status == 0
        assert (tab.shown("B2"), tab.grid("A5:F5")) == ("one-time", [[THEIRS[0], "typed later"]])
    history = run("b2b sheet history acme --json").json
    assert history[0]["conflicts"] == 1, "only the row of the customer's"
    assert sync(run)["writes"] == 0
    tab.clear("A5:F5")
    run(f"b2b sheet restore acme --yes --snapshot {numbers[0]}")
    assert THEIRS[0] not in tab.column("A")
