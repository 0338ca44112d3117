"""Which tab a contract's codes go to, whatever it is called by now, and that no other contract's do."""

import pytest

from b2b_pipelines.errors import Conflict, InvalidInput
from b2b_pipelines.sheets.service import TabMissing
from b2b_pipelines.vendors.google_sheets import SheetUnshared

DOCS = "https://docs.google.com/spreadsheets"


@pytest.mark.parametrize(
    "form",
    [
        "https://docs.google.com/spreadsheets/d/{id}/edit?usp=sharing#gid=0",
        "https://docs.google.com/spreadsheets/d/{id}",
        "https://docs.google.com/a/acme.example/spreadsheets/d/{id}/edit",
        "https://docs.google.com/spreadsheets/u/1/d/{id}/htmlview",
        "https://spreadsheets.google.com/ccc?key={id}&hl=en",
        "{id}",
    ],
)
def test_a_sheet_is_found_by_any_form_of_its_address(deliver, form):
    acme = deliver()
    acme.modify(sheet_url=form.format(id=acme.spreadsheet.spreadsheet_id))
    assert acme.sync().appended == 5


@pytest.mark.parametrize(
    "address", ["https://example.com/sheet", "two words", "short", "https://docs.google.com/document/d/x"]
)
def test_any_other_address_is_refused_when_saved(deliver, address):
    acme = deliver()
    with pytest.raises(InvalidInput, match="not a Google Sheet's address"):
        acme.modify(sheet_url=address)


def test_a_tab_is_found_by_its_title_without_case(deliver):
    acme = deliver(tabs=["First", "Our Codes"], sheet_tab="our CODES")
    done = acme.sync()
    assert (done.target.tab, done.requests.reads) == ("Our Codes", 1)
    assert len(acme.spreadsheet.tab("Our Codes").grid()) == 6


def test_a_number_is_a_title_first_and_then_a_place(deliver):
    acme = deliver(tabs=["First", "Second", "0"], sheet_tab="1")
    done = acme.sync()
    assert (done.target.tab, done.requests.reads, acme.sync().requests.reads) == ("Second", 2, 1)
    acme.modify(sheet_tab="0")
    assert acme.sync().target.tab == "0"


@pytest.mark.parametrize("title", ["Bob's codes", "A1", "R1C1", "Codes!", " spaced "])
def test_a_title_may_be_anything(deliver, title):
    acme = deliver(cap=1, tabs=[title], sheet_tab=title)
    acme.sync()
    done = acme.sync()
    assert (done.target.tab, done.unchanged) == (title, 1)


def test_a_missing_tab_fails_with_those_there_are(deliver):
    acme = deliver(tabs=["First", "Second"], sheet_tab="Third")
    with pytest.raises(TabMissing, match="no tab 'Third', but 'First', 'Second'"):
        acme.sync()
    acme.modify(sheet_tab="2")
    with pytest.raises(TabMissing):
        acme.sync()
    assert acme.requests()["write"] == 0


def test_a_tab_renamed_in_google_is_followed_at_two_reads_once(deliver):
    acme = deliver()
    acme.sync()
    acme.spreadsheet.rename_tab("Sheet1", "Codes of 2026")
    acme.spreadsheet.add_tab("Sheet1")
    acme.modify(max_learners=6)
    done = acme.sync()
    assert (done.target.tab, done.target.new, done.appended, done.requests.reads) == ("Codes of 2026", False, 1, 2)
    assert acme.sync().requests.reads == 1
    assert acme.spreadsheet.tab("Sheet1").grid() == []


def test_two_tabs_that_changed_names_are_told_apart(deliver):
    acme = deliver(cap=2, tabs=["One", "Two"], sheet_tab="One")
    acme.sync()
    acme.spreadsheet.rename_tab("One", "x")
    acme.spreadsheet.rename_tab("Two", "One")
    acme.spreadsheet.rename_tab("x", "Two")
    assert (acme.sync().target.tab, acme.spreadsheet.tab("One").grid()) == ("Two", [])


def test_saving_the_contract_with_another_tab_makes_it_a_new_target(deliver):
    acme = deliver(tabs=["One", "Two"], sheet_tab="One")
    acme.sync()
    before = acme.spreadsheet.tab("One").grid()
    acme.modify(sheet_tab="Two")
    done = acme.sync()
    assert (done.target.tab, done.target.new, done.appended) == ("Two", True, 5)
    assert acme.spreadsheet.tab("One").grid() == before


def test_coming_back_to_the_target_last_written_is_an_update(deliver):
    acme = deliver(cap=2, tabs=["One", "Two"], sheet_tab="One")
    acme.sync()
    acme.spreadsheet.tab("Two").protect()
    acme.modify(sheet_tab="Two")
    with pytest.raises(Exception, match="protected"):
        acme.sync()
    acme.statement("DELETE FROM enrollment_code WHERE id = (SELECT min(id) FROM enrollment_code)")
    acme.modify(sheet_tab="One")
    done = acme.sync()
    assert (done.target.new, done.header, done.updated) == (False, False, 1)


def test_a_new_target_written_by_us_before_is_updated(deliver):
    acme = deliver(cap=2, tabs=["One", "Two"], sheet_tab="One")
    acme.sync()
    acme.spreadsheet.tab("One").type("G2", "note")
    acme.spreadsheet.tab("One").sort("A", descending=True)
    before = acme.spreadsheet.tab("One").grid()
    acme.modify(sheet_tab="Two")
    acme.sync()
    acme.modify(sheet_tab="One")
    assert acme.sync().header is False
    assert acme.spreadsheet.tab("One").grid() == before


def test_a_deleted_tab_is_missing_until_one_of_that_title_is_there(deliver):
    acme = deliver(cap=2, tabs=["One", "Two"], sheet_tab="One")
    acme.sync()
    acme.spreadsheet.delete_tab("One")
    with pytest.raises(TabMissing, match="'Two'"):
        acme.sync()
    acme.spreadsheet.add_tab("one")
    assert acme.sync().target.new


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("{id}", "Sheet1"), ("{id}", "sheet1"), id="equal-titles"),
        pytest.param((f"{DOCS}/d/{{id}}/edit#gid=0", None), (f"{DOCS}/d/{{id}}/edit?gid=0", None), id="equal-numbers"),
        pytest.param(("{id}", None), (f"{DOCS}/d/{{id}}/edit", None), id="both-not-named"),
    ],
)
def test_a_second_contract_on_a_tab_is_refused_when_the_names_show_it(deliver, one, other):
    acme, beta = deliver(cap=2), deliver(name="Beta")
    sheet = acme.spreadsheet.spreadsheet_id
    acme.modify(sheet_url=one[0].format(id=sheet), sheet_tab=one[1])
    with pytest.raises(Conflict, match="belongs to the contract acme"):
        beta.modify(sheet_url=other[0].format(id=sheet), sheet_tab=other[1])


def test_a_second_contract_on_a_tab_is_refused_at_its_first_sync_otherwise(deliver):
    acme = deliver(cap=2)
    beta = deliver(name="Beta", spreadsheet_id=acme.spreadsheet.spreadsheet_id, sheet_tab="0")
    acme.sync()
    before = acme.tab.grid()
    for look in (beta.sync, beta.plan):
        with pytest.raises(Conflict, match="the tab 'Sheet1' belongs to the contract acme"):
            look()
    assert acme.tab.grid() == before
    acme.spreadsheet.add_tab("Beta's")
    beta.modify(sheet_tab="Beta's")
    assert beta.sync().appended == 5
    assert not acme.sync().changed


@pytest.mark.parametrize("change", [{"sheet_url": None}, {"sheet_tab": "Elsewhere"}])
def test_a_tab_that_its_contract_left_is_free(deliver, change):
    acme = deliver(cap=2)
    beta = deliver(name="Beta", spreadsheet_id=acme.spreadsheet.spreadsheet_id, sheet_tab="0")
    acme.sync()
    acme.spreadsheet.add_tab("Elsewhere")
    acme.modify(**change)
    assert beta.plan().target.new
    beta.sync()
    assert acme.tab.column("A")[1:] == beta.codes()


def test_a_tab_that_its_contract_only_calls_otherwise_is_not_free(deliver):
    acme = deliver(cap=2)
    beta = deliver(name="Beta", spreadsheet_id=acme.spreadsheet.spreadsheet_id, sheet_tab="0")
    acme.sync()
    acme.spreadsheet.rename_tab(0, "Codes")
    acme.modify(sheet_tab="Codes")
    with pytest.raises(Conflict, match="belongs to the contract acme"):
        beta.sync()


def test_two_contracts_may_share_a_spreadsheet(deliver):
    acme = deliver(cap=2, tabs=["Acme", "Beta"], sheet_tab="Acme")
    beta = deliver(name="Beta", spreadsheet_id=acme.spreadsheet.spreadsheet_id, sheet_tab="Beta", cap=3)
    assert (acme.sync().appended, beta.sync().appended) == (2, 3)
    assert not acme.sync().changed


@pytest.mark.parametrize("gone", [True, False])
def test_an_unshared_sheet_names_the_address_to_share_it_with(deliver, sandbox, gone):
    acme = deliver(shared=False)
    if gone:
        sandbox.google.delete_spreadsheet(acme.spreadsheet.spreadsheet_id)
    with pytest.raises(SheetUnshared, match=r"share it with b2b@sandbox\.test as an editor"):
        acme.sync()
    assert acme.requests() == {"read": 1, "write": 0}
