"""The page in a real browser: what a person does there happens to the spreadsheet, and what the API does is seen."""

import re

import pytest

from tests.waiting import wait_until

pytestmark = pytest.mark.long


@pytest.fixture
def codes(sandbox):
    rows = [["Code", "Use", "Note"], ["B-2", "one-time", "bees"], ["A-1", "one-time", "ants"], ["C-3", "unlimited", ""]]
    return sandbox.google.create_spreadsheet("Acme codes", tabs={"Codes": rows, "Other": []})


@pytest.fixture
def tab(sandbox, codes):
    return sandbox.google.spreadsheet(codes).tab()


def is_complaint(line):
    """Chromium writes an answer of 400 or 404 to the console by itself; the page tells it to the person."""
    return line.type == "error" and not re.search(r"400 \(Bad Request\)|404 \(Not Found\)", line.text)


@pytest.fixture
def open_page(browser, sandbox, codes):
    contexts, complaints = [], []

    def opened(path=None, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=sandbox.url)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if is_complaint(line) else None)
        page.goto(path or sandbox.google.page(codes))
        page.wait_for_selector("[data-at=A1]" if path is None else "body")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(open_page):
    return open_page()


def choose(page, menu, item):
    """Choose an item of a menu. An item is disabled until the page has read what the last one did."""
    page.click(f"[data-menu={menu}]")
    button = page.locator(f"#menu button:has-text('{item}')")
    if button.is_disabled():
        page.keyboard.press("Escape")
        page.wait_for_timeout(200)
        choose(page, menu, item)
    else:
        button.click()


def test_a_spreadsheet_that_is_not_there_is_told_in_words(open_page, sandbox):
    for path in ("/sandbox/sheets/1None", "/spreadsheets/d/1None/edit"):
        page = open_page(sandbox.url + path)
        assert page.get_by_text("has no spreadsheet of that id").is_visible()
        assert page.get_by_role("button").count() == 0


def test_what_is_typed_stands_in_the_cell(page, tab):
    page.click("[data-at=C4]")
    page.keyboard.type("=UPPER(C2)")
    page.keyboard.press("Enter")
    page.keyboard.type("12")
    page.keyboard.press("Tab")
    page.keyboard.type("'12")
    page.keyboard.press("Enter")
    page.keyboard.type("gone")
    page.keyboard.press("Escape")
    wait_until(lambda: tab.cell("D5") == "12")
    assert (tab.shown("C4"), tab.cell("C5"), tab.cell("D6")) == ("BEES", 12, None)
    page.wait_for_selector("[data-at=C4]:has-text('BEES')")


def test_f2_edits_what_is_there_and_delete_empties_it(page, tab):
    page.click("[data-at=A2]")
    page.keyboard.press("F2")
    page.keyboard.type("!")
    page.keyboard.press("Enter")
    wait_until(lambda: tab.cell("A2") == "B-2!")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Delete")
    wait_until(lambda: tab.grid()[2] == ["", "", "ants"])


def test_the_formula_bar_edits_the_cell(page, tab):
    page.click("[data-at=B2]")
    page.click("#entered")
    page.fill("#entered", "unlimited")
    page.keyboard.press("Enter")
    wait_until(lambda: tab.cell("B2") == "unlimited")


def test_sorting_keeps_the_header_row(page, tab):
    page.click("[data-at=A3]")
    page.click("[data-act=sort-up]")
    wait_until(lambda: tab.column("A") == ["Code", "A-1", "B-2", "C-3"])
    page.click("[data-act=sort-down]")
    wait_until(lambda: tab.column("C") == ["Note", "", "bees", "ants"])
    page.wait_for_selector("[data-at=A2]:has-text('C-3')")


def test_rows_and_columns_are_inserted_moved_and_deleted(page, tab):
    page.click("[data-at=A2]")
    choose(page, "rows", "Insert row above")
    wait_until(lambda: tab.column("A") == ["Code", "", "B-2", "A-1", "C-3"])
    choose(page, "rows", "Delete row")
    wait_until(lambda: tab.column("A") == ["Code", "B-2", "A-1", "C-3"])
    choose(page, "rows", "Duplicate row")
    wait_until(lambda: tab.column("A") == ["Code", "B-2", "B-2", "A-1", "C-3"])
    choose(page, "rows", "Move row down")
    wait_until(lambda: tab.row_count == 1001)
    choose(page, "columns", "Move column right")
    wait_until(lambda: tab.grid("A1:C1") == [["Use", "Code", "Note"]])
    choose(page, "columns", "Insert column left")
    wait_until(lambda: tab.grid("A1:D1") == [["Use", "", "Code", "Note"]])
    choose(page, "columns", "Delete column")
    wait_until(lambda: tab.grid("A1:C1") == [["Use", "Code", "Note"]])
    choose(page, "rows", "Add 100 rows")
    wait_until(lambda: tab.row_count == 1101)


def test_a_range_is_copied_as_text_and_pasted(page, tab):
    page.click("[data-at=A2]")
    page.click("[data-at=B3]", modifiers=["Shift"])
    page.keyboard.press("Control+c")
    assert page.evaluate("navigator.clipboard.readText()") == "B-2\tone-time\nA-1\tone-time"
    page.click("[data-at=A6]")
    page.keyboard.press("Control+v")
    wait_until(lambda: tab.grid("A6:B7") == [["B-2", "one-time"], ["A-1", "one-time"]])


def test_tabs_are_added_renamed_and_deleted(page, sandbox, codes):
    titles = lambda: [tab.title for tab in sandbox.google.spreadsheet(codes).tabs]  # noqa: E731
    page.click("#add-tab")
    wait_until(lambda: titles() == ["Codes", "Other", "Sheet3"])
    page.dblclick(".tab[aria-selected=true]:has-text('Sheet3')")
    page.fill(".tab input", "Notes")
    page.keyboard.press("Enter")
    wait_until(lambda: titles() == ["Codes", "Other", "Notes"])
    page.on("dialog", lambda dialog: dialog.accept())
    page.click(".tab:has-text('Notes')", button="right")
    page.click("#menu button:has-text('Delete')")
    wait_until(lambda: titles() == ["Codes", "Other"])


def test_a_write_of_the_api_arrives_and_lights_up(page, rest, codes):
    body = {"values": [["B-2", "one-time"], ["A-1", "redeemed"]]}
    rest.put(f"/v4/spreadsheets/{codes}/values/Codes!A2", params={"valueInputOption": "RAW"}, json=body)
    page.wait_for_selector("[data-at=B3].fresh:has-text('redeemed')")
    assert page.locator(".cell.fresh").count() == 1
    page.wait_for_selector("#counts:has-text('0 reads · 1 write in the last minute')")
    page.click("#requests")
    page.wait_for_selector("#log td:has-text('/values/Codes!A2')")


def test_an_edit_that_is_refused_is_told(page, tab):
    page.click("[data-at=A1]")
    page.fill("#where", "A1:Z1000")
    page.keyboard.press("Enter")
    choose(page, "rows", "Delete 1000 rows")
    page.wait_for_selector('#toast:has-text("You can\'t delete all the rows")')
    assert tab.cell("A1") == "Code"


def test_sharing_is_taken_away(page, sandbox, codes, rest):
    assert rest.get(f"/v4/spreadsheets/{codes}").status_code == 200
    page.click("#share")
    page.click("#shared button:has-text('Remove')")
    wait_until(lambda: not sandbox.google.spreadsheet(codes).shared_with)
    assert rest.get(f"/v4/spreadsheets/{codes}").status_code == 403


def test_ten_thousand_rows_are_drawn_a_screen_at_a_time(open_page, sandbox):
    rows = [[f"code-{row}", "one-time", row] for row in range(10_000)]
    large = sandbox.google.create_spreadsheet(tabs={"Sheet1": rows})
    page = open_page(sandbox.google.page(large))
    page.wait_for_selector("[data-at=A1]")
    page.keyboard.press("Control+End")
    page.wait_for_selector("[data-at=A10000]:has-text('code-9999')")
    assert page.locator(".cell").count() < 1500
    assert page.input_value("#where") == "C10000"


def test_a_telephone_shows_it_without_scrolling_sideways(open_page, tab):
    page = open_page(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.tap("[data-at=A2]")
    page.tap("[data-at=A2]")
    page.locator(".editor").fill("tapped")
    page.keyboard.press("Enter")
    wait_until(lambda: tab.cell("A2") == "tapped")


def test_all_spreadsheets_are_listed_and_a_new_one_is_made(open_page, sandbox, codes):
    page = open_page(f"{sandbox.url}/")
    page.wait_for_selector("a:has-text('Acme codes')")
    page.click("#new")
    page.wait_for_selector("[data-at=A1]")
    assert len(sandbox.google.spreadsheets()) == 2


def test_the_link_that_looks_like_googles_opens_the_same_page(open_page, sandbox, codes):
    page = open_page(f"{sandbox.url}/spreadsheets/d/{codes}/edit#gid=0")
    page.wait_for_selector("[data-at=A2]:has-text('B-2')")


def test_cells_are_merged_filled_down_and_made_checkboxes(page, tab):
    page.click("[data-at=D2]")
    page.keyboard.type('=IF(A2="","","given")')
    page.keyboard.press("Enter")
    page.click("[data-at=D2]")
    page.click("[data-at=D4]", modifiers=["Shift"])
    choose(page, "cells", "Fill down")
    wait_until(lambda: tab.column("D") == ["", "given", "given", "given"])
    page.click("[data-at=E2]")
    page.click("[data-at=E3]", modifiers=["Shift"])
    choose(page, "cells", "Insert checkboxes")
    page.wait_for_selector("[data-at=E3]:has-text('☐')")
    page.click("[data-at=E3]")
    page.keyboard.press("Space")
    wait_until(lambda: tab.cell("E3") is True)
    page.wait_for_selector("[data-at=E3]:has-text('☑')")
    page.click("[data-at=C3]")
    page.click("[data-at=C4]", modifiers=["Shift"])
    choose(page, "cells", "Merge cells")
    wait_until(lambda: len(tab.regions_of("merge")) == 1)
    page.wait_for_selector("[data-at=C4]", state="detached")
    choose(page, "cells", "Unmerge")
    page.wait_for_selector("[data-at=C4]")


def test_a_tab_is_duplicated_and_the_spreadsheet_goes_to_the_bin(page, sandbox, codes):
    spreadsheet = sandbox.google.spreadsheet(codes)
    page.click("#tabs .tab[aria-selected=true]")
    page.click("#menu button:has-text('Duplicate')")
    wait_until(lambda: [tab.title for tab in spreadsheet.tabs] == ["Codes", "Copy of Codes", "Other"])
    choose(page, "file", "Move to the bin")
    wait_until(lambda: spreadsheet.trashed)
    choose(page, "file", "Restore from the bin")
    wait_until(lambda: not spreadsheet.trashed)


def test_it_is_shared_for_viewing(page, sandbox, codes):
    page.click("#share")
    page.fill("#share-with [name=email]", "viewer@example.com")
    page.select_option("#share-with [name=role]", "reader")
    page.click("#share-with button")
    wait_until(lambda: sandbox.google.spreadsheet(codes).viewers == {"viewer@example.com"})
    page.wait_for_selector("#shared li:has-text('viewer')")
