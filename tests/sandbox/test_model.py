"""A spreadsheet's own rules, and what a person's edits do to it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.google import Formatted, Formula, SheetError
from sandbox.google.a1 import Area, Box, Unparsable, box_name, parse_cells, quoted, split_range
from sandbox.google.cells import typed
from sandbox.google.model import new_spreadsheet
from sandbox.google.state import dump, load


@pytest.fixture
def spreadsheet():
    return new_spreadsheet("Codes")


@pytest.fixture
def tab(spreadsheet):
    return spreadsheet.tab()


@pytest.fixture
def filled(tab):
    tab.paste("A1", [["Code", "Use", "Note"], ["b", "10", "two"], ["a", "9", "one"], ["c", "", "three"]])
    return tab


def test_a_new_spreadsheet_is_as_google_makes_it(spreadsheet):
    (tab,) = spreadsheet.tabs
    assert (tab.title, tab.sheet_id, tab.row_count, tab.column_count) == ("Sheet1", 0, 1000, 26)
    assert len(spreadsheet.spreadsheet_id) == 44


@pytest.mark.parametrize(
    ("text", "area"),
    [
        ("A1", Area(0, 0, 1, 1)),
        ("$b$2", Area(1, 1, 2, 2)),
        ("A1:C3", Area(0, 0, 3, 3)),
        ("C3:A1", Area(0, 0, 3, 3)),
        ("A:F", Area(None, 0, None, 6)),
        ("1:1", Area(0, None, 1, None)),
        ("2:5", Area(1, None, 5, None)),
        ("A2:C", Area(1, 0, None, 3)),
        ("A2:5", Area(1, 0, 5, None)),
        ("AA10:AB11", Area(9, 26, 11, 28)),
    ],
)
def test_cells_in_a1_notation(text, area):
    assert parse_cells(text) == area


@pytest.mark.parametrize("text", ["", "A", "1", "A0", "A1:", ":A1", "A1:B2:C3", "AAAA1", "A-1", "Sheet1!A1", "Ä1"])
def test_what_is_not_a1_notation(text):
    with pytest.raises(Unparsable):
        parse_cells(text)


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("Sheet1", ("Sheet1", None)),
        ("A1", (None, "A1")),
        ("Q1", (None, "Q1")),
        ("'Q1'", ("Q1", None)),
        ("Sheet1!A:F", ("Sheet1", "A:F")),
        ("'It''s'!A1:B2", ("It's", "A1:B2")),
        ("My tab!A1", ("My tab", "A1")),
        ("'a!b'!C3", ("a!b", "C3")),
    ],
)
def test_a_range_is_a_tab_and_cells(text, split):
    assert split_range(text) == split


@pytest.mark.parametrize("text", ["!A1", "Sheet1!", "'Open!A1", "'a'b!A1"])
def test_a_range_that_cannot_be_split(text):
    with pytest.raises(Unparsable):
        split_range(text)


@given(st.text(min_size=1, max_size=12))
def test_a_quoted_title_is_read_back(title):
    assert split_range(f"{quoted(title)}!A1") == (title, "A1")
    assert split_range(f"{quoted(title)}")[0] == title


@given(st.tuples(*[st.integers(0, 2000)] * 4))
def test_the_name_of_a_box_is_read_back(sides):
    top, left, height, width = sides
    box = Box(top, left, top + height + 1, left + width + 1)
    assert parse_cells(box_name(box)) == Area(*box)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("", None),
        ("word", "word"),
        (" word ", " word "),
        ("12", 12),
        ("-1.5", -1.5),
        ("12.0", 12),
        ("'12", "12"),
        ("'", None),
        ("true", True),
        ("FALSE", False),
        ("=A1", Formula("=A1")),
        ("=", "="),
        ("'=A1", "=A1"),
        ("1E5", Formatted(100000, "1.00E+05")),
        ("50%", Formatted(0.5, "50%")),
        ("$1,234.50", Formatted(1234.5, "$1,234.50")),
        ("1,234", Formatted(1234, "1,234")),
        ("2026-01-02", Formatted(46024, "2026-01-02", True)),
        ("1/2/2026", Formatted(46024, "1/2/2026", True)),
        ("2026-01-02 12:00", Formatted(46024.5, "2026-01-02 12:00", True)),
        ("2026-13-02", "2026-13-02"),
        ("2026-01-02 12:00:00 UTC", "2026-01-02 12:00:00 UTC"),
        ("ABC-123", "ABC-123"),
        ("123-ABC", "123-ABC"),
    ],
)
def test_what_is_typed_is_understood_as_google_does(text, cell):
    found = typed(text)
    assert (type(found), found) == (type(cell), cell)


@pytest.mark.parametrize("text", ["0", "00", "0.0", "007", "-0"])
def test_leading_zeros_are_lost_as_numbers_lose_them(tab, text):
    tab.type("A1", text)
    assert tab.value("A1") == float(text)


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("=A2", "b"),
        ("=upper(A2)", "B"),
        ("=UPPER(A2)&\"-\"&B2", "B-10"),
        ("=IF(B4=\"\",\"\",B4)", ""),
        ("=IF(B2>=10,\"many\",\"few\")", "many"),
        ("=COUNTA(A2:A)", 3),
        ("=SUM(B2:B3)*2-1", 37),
        ("=1/0", "#DIV/0!"),
        ("=A2+1", "#VALUE!"),
        ("=IMPORTXML(\"http://example.com\")", ""),
        ("=((", ""),
        ("=D1", "#REF!"),
        ('="say ""hi"""', 'say "hi"'),
        ("=A9", ""),
        ("=TRUE", True),
    ],
)  # fmt: skip
def test_formulas_of_customers_come_out(filled, formula, value):
    filled.type("D1", formula)
    assert filled.value("D1") == value


def test_a_formula_may_come_out_empty_and_is_no_empty_cell(filled):
    filled.type("D4", '=IF(B4="","",B4)')
    assert filled.shown("D4") == ""
    assert filled.cell("D4") is not None
    assert filled.used() == (4, 4)


def test_the_value_of_a_formula_may_be_given(tab):
    tab.type("A1", "=IMPORTRANGE(1)", value="")
    tab.type("A2", "=VLOOKUP(B1)", value="found")
    assert (tab.shown("A1"), tab.shown("A2"), tab.cell("A2").text) == ("", "found", "=VLOOKUP(B1)")


def test_a_filled_down_formula_looks_at_its_own_row(filled):
    filled.type("D2", "=UPPER(A2)&$B$2")
    filled.fill_down("D2", 4)
    assert filled.column("D") == ["", "B10", "A10", "C10"]


def test_sorting_puts_numbers_before_text_and_empty_cells_last(tab):
    tab.paste("A1", [["b"], [""], ["10"], ["A"], ["9"], ["TRUE"]])
    tab.sort("A", header=False)
    assert tab.column("A") == ["9", "10", "A", "b", "TRUE"]
    tab.sort("A", header=False, descending=True)
    assert tab.column("A") == ["TRUE", "b", "A", "10", "9"]


def test_sorting_carries_whole_rows_and_the_formulas_in_them(filled):
    filled.type("D2", "=A2")
    filled.sort("A")
    assert filled.grid() == [["Code", "Use", "Note"], ["a", "9", "one"], ["b", "10", "two", "b"], ["c", "", "three"]]
    assert filled.cell("D3") == Formula("=A3")


def test_sorting_some_cells_leaves_the_rest(filled):
    filled.sort("A", header=False, cells="A2:A4")
    assert filled.column("A") == ["Code", "a", "b", "c"]
    assert filled.column("C") == ["Note", "two", "one", "three"]


def test_inserted_rows_push_what_is_below_and_enlarge_the_grid(filled):
    filled.type("D4", "=A4")
    filled.insert_rows(3, 2)
    assert filled.column("A") == ["Code", "b", "", "", "a", "c"]
    assert filled.cell("D6") == Formula("=A6")
    assert filled.row_count == 1002


def test_inserted_columns_push_what_is_to_the_right(filled):
    filled.type("D2", "=B2")
    filled.insert_columns("B")
    assert filled.grid("A2:E2") == [["b", "", "10", "two", "10"]]
    assert filled.cell("E2") == Formula("=C2")
    assert filled.column_count == 27


def test_deleting_takes_cells_and_what_refers_to_them(filled):
    filled.type("D2", "=A3")
    filled.delete_rows(3)
    assert filled.column("A") == ["Code", "b", "c"]
    assert filled.cell("D2") == Formula("=#REF!")
    filled.delete_columns("A", "B")
    assert filled.grid("A1:A3") == [["Note"], ["two"], ["three"]]
    assert (filled.row_count, filled.column_count) == (999, 24)


def test_moved_columns_and_rows_keep_what_is_in_them(filled):
    filled.type("D2", "=A2")
    filled.move_columns("A", before="C")
    assert filled.grid("A2:D2") == [["10", "b", "two", "b"]]
    assert filled.cell("D2") == Formula("=B2")
    filled.move_columns("B", before="A")
    filled.move_rows(2, 3, before=5)
    assert filled.column("A") == ["Code", "c", "b", "a"]
    assert filled.cell("D3") == Formula("=A3")


def test_a_duplicated_row_stands_below(filled):
    filled.type("D2", "=A2")
    filled.duplicate_row(2)
    assert filled.column("A") == ["Code", "b", "b", "a", "c"]
    assert filled.cell("D3") == Formula("=A3")


def test_a_smaller_grid_loses_what_was_outside(filled):
    filled.shrink(2, 2)
    assert filled.grid() == [["Code", "Use"], ["b", "10"]]
    filled.append_rows(3)
    assert (filled.row_count, filled.column_count) == (5, 2)
    with pytest.raises(SheetError, match="exceeds grid limits"):
        filled.type("C1", "x")


def test_titles_of_tabs_compare_without_case(spreadsheet):
    spreadsheet.add_tab("Notes")
    assert spreadsheet.tab("NOTES").title == "Notes"
    with pytest.raises(SheetError, match='A sheet with the name "notes" already exists'):
        spreadsheet.add_tab("notes")
    spreadsheet.rename_tab("notes", "NOTES")
    assert [tab.title for tab in spreadsheet.tabs] == ["Sheet1", "NOTES"]
    assert spreadsheet.add_tab().title == "Sheet3"


def test_the_last_tab_stays(spreadsheet):
    spreadsheet.add_tab("Notes")
    spreadsheet.delete_tab("Sheet1")
    with pytest.raises(SheetError, match="can't remove all the sheets"):
        spreadsheet.delete_tab("Notes")


def test_a_workbook_holds_ten_million_cells(spreadsheet, tab):
    tab.resize(384_615, 26)
    with pytest.raises(SheetError, match="above the limit of 10000000 cells"):
        tab.append_rows(1)
    with pytest.raises(SheetError, match="above the limit of 10000000 cells"):
        spreadsheet.add_tab()
    tab.resize(1000, 26)


def test_a_protection_follows_its_rows(tab):
    tab.protect("A2:B3")
    tab.insert_rows(1)
    assert tab.protections[0].area == Area(2, 0, 4, 2)
    tab.guard(Box(1, 0, 2, 1), "robot@example.com")
    with pytest.raises(SheetError, match="You are trying to edit a protected cell"):
        tab.guard(Box(2, 0, 3, 1), "robot@example.com")
    tab.delete_rows(3, 4)
    assert tab.protections == []


def test_a_failed_write_leaves_everything_as_it_was(spreadsheet, filled):
    before = dump(spreadsheet)

    def spoil():
        filled.put(0, 0, "x")
        filled.insert_dimension("COLUMNS", 0, 3)
        spreadsheet.new_tab("More")
        spreadsheet.retitle(filled, "Other")
        raise SheetError("no")

    with pytest.raises(SheetError), spreadsheet.writing():
        spoil()
    assert dump(spreadsheet) == before


cells = st.one_of(st.none(), st.text(max_size=5), st.integers(-99, 99), st.booleans(), st.just(Formula("=A1")))


@given(st.lists(st.lists(cells, max_size=4), max_size=6), st.integers(0, 6), st.integers(1, 3))
def test_what_is_inserted_and_deleted_again_leaves_no_trace(rows, at, number):
    tab = new_spreadsheet().tab()
    for row, line in enumerate(rows):
        for column, cell in enumerate(line):
            tab.put(row, column, cell or None)
    before = tab.lines(tab.box)
    for dimension in ("ROWS", "COLUMNS"):
        tab.insert_dimension(dimension, at, number)
        tab.delete_dimension(dimension, at, at + number)
    assert tab.lines(tab.box) == before


@given(st.permutations(range(6)), st.integers(0, 5), st.integers(0, 6))
def test_moving_rows_is_a_permutation(values, start, destination):
    tab = new_spreadsheet().tab()
    for row, value in enumerate(values):
        tab.put(row, 0, value)
    tab.move_dimension("ROWS", start, start + 1, destination)
    expected = list(values)
    moving = expected.pop(start)
    expected.insert(destination if destination <= start else destination - 1, moving)
    assert [tab.at(row, 0) for row in range(6)] == expected


def test_a_spreadsheet_is_written_down_and_read_again(spreadsheet, filled):
    filled.type("D2", "=A2")
    filled.type("E2", "50%")
    filled.type("F2", "TRUE")
    filled.protect("A1:B2", editors=["robot@example.com"])
    spreadsheet.share("robot@example.com")
    spreadsheet.add_tab("Notes")
    kept = dump(spreadsheet)
    assert dump(load(json.loads(json.dumps(kept)))) == kept
