"""Formulas that customers put beside a list: what they come out as, after a write and after they were filled down."""

import pytest

from sandbox.google import SheetError
from sandbox.google.model import new_spreadsheet


@pytest.fixture
def tab():
    tab = new_spreadsheet().tab()
    tab.paste("A1", [["Code", "Seats", "Team"], ["a", "1", "red"], ["b", "2", "blue"], ["c", "", "red"]])
    return tab


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ('=IF(A2="","","given")', "given"),
        ('=IF(B4="",1/0,B4)', "#DIV/0!"),
        ('=IF(B2="",1/0,B2)', 1),
        ("=COUNTA(A2:A)", 3),
        ("=COUNTBLANK(B2:B4)", 1),
        ('=COUNTIF(C$2:C,"red")', 2),
        ('=COUNTIF(C2:C4,"<>red")', 1),
        ('=COUNTIF(B2:B4,">1")', 1),
        ('=COUNTIF(C2:C4,"r*")', 2),
        ("=SUM(B:B)", 3),
        ('=SUMIF(C2:C4,"red",B2:B4)', 1),
        ("=AVERAGE(B2:B4)", 1.5),
        ("=MAX(B2:B4)-MIN(B2:B4)", 1),
        ('=VLOOKUP("b",A2:C4,3,FALSE)', "blue"),
        ('=VLOOKUP("x",A2:C4,3,FALSE)', "#N/A"),
        ('=IFERROR(VLOOKUP("x",A2:C4,3,FALSE),"none")', "none"),
        ('=INDEX(C2:C4,MATCH("c",A2:A4,0))', "red"),
        ('=AND(A2="a",B2<2)', True),
        ("=NOT(ISBLANK(B4))", False),
        ("=ROUND(B3/3,2)", 0.67),
        ("=MOD(B3,2)=0", True),
        ("=10%+2^3", 8.1),
        ('=HYPERLINK("https://example.com","link")', "link"),
        ('=JOIN(", ",A2:A4)', "a, b, c"),
        ("=ROW()-1", 4),
        ("=B2+C2", "#VALUE!"),
        ("=IMPORTRANGE(1)", ""),
        ("=D5", "#REF!"),
    ],
)
def test_formulas_come_out(tab, formula, value):
    tab.type("D5", formula)
    assert tab.value("D5") == value


def test_values_follow_a_write(tab):
    tab.type("D2", '=IF(A2="","","given")')
    tab.fill_down("D2", 6)
    tab.type("E1", "=COUNTA(A2:A)")
    assert tab.column("D") == ["", "given", "given", "given", "", ""]
    tab.type("A6", "d")
    assert tab.column("D") == ["", "given", "given", "given", "", "given"]
    assert tab.value("E1") == 4
    tab.delete_rows(2)
    assert tab.value("E1") == 3


def test_a_block_is_filled_down_with_relative_and_absolute_references(tab):
    tab.paste("D2", [["=A2", "=$B$2", "=C$2"]])
    tab.fill_down("D2:F2", 4)
    assert tab.grid("D2:F4") == [["a", "1", "red"], ["b", "1", "red"], ["c", "1", "red"]]


@pytest.mark.parametrize(("first", "step"), [("=B2", "=D2+B3"), ("=D3+1", "=D4+1")])
def test_a_long_chain_of_formulas_comes_out_from_either_end(tab, first, step):
    tab.type("D2", first)
    tab.type("D3", step)
    tab.fill_down("D3", 900)
    tab.type("D901", "0")
    assert tab.value("D899") != "#REF!"
    assert tab.value("D2") == (1 if first == "=B2" else 899)
    assert tab.value("D900") == (3 if first == "=B2" else 1)


def test_a_formula_that_looks_at_itself_is_an_error(tab):
    tab.type("D2", "=E2")
    tab.type("E2", "=D2")
    assert tab.value("D2") == "#REF!"


def test_an_array_formula_spills_and_breaks_when_something_is_in_its_way(tab):
    tab.type("D2", '=ARRAYFORMULA(IF(A2:A4="","",UPPER(A2:A4)))')
    assert tab.column("D") == ["", "A", "B", "C"]
    assert tab.cell("D3") is None
    tab.type("E2", "=D3")
    assert tab.value("E2") == "B"
    tab.type("D4", "mine")
    assert tab.column("D") == ["", "#REF!", "", "mine"]
    tab.clear("D4")
    assert tab.column("D") == ["", "A", "B", "C"]


def test_an_open_array_formula_fills_the_column_to_the_end_of_the_grid(tab):
    tab.shrink(6, 6)
    tab.type("D2", '=ARRAYFORMULA(IF(A2:A="","","x"))')
    assert tab.column("D") == ["", "x", "x", "x", "", ""]
    assert tab.value("D6") == ""
    tab.type("A6", "d")
    assert tab.shown("D6") == "x"


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        ("=UNIQUE(C2:C4)", ["red", "blue"]),
        ('=FILTER(A2:A4,C2:C4="red")', ["a", "c"]),
        ("=SEQUENCE(3)", ["1", "2", "3"]),
        ("={A2;A4}", ["a", "c"]),
        ("=SORT(C2:C4)", ["blue", "red", "red"]),
    ],
)
def test_other_formulas_spill_too(tab, formula, shown):
    tab.type("E1", formula)
    assert tab.column("E") == shown


def test_pictures_show_nothing_and_are_not_empty(tab):
    tab.type("D2", '=IMAGE("https://example.com/logo.png")')
    tab.type("D3", "=SPARKLINE(B2:B4)")
    assert (tab.shown("D2"), tab.value("D3")) == ("", None)
    assert tab.cell("D3") is not None


def test_a_merge_keeps_its_first_value_and_cannot_be_sorted_through(tab):
    tab.merge("B2:B3")
    assert tab.column("B") == ["Seats", "1"]
    tab.type("B3", "9")
    assert tab.column("B") == ["Seats", "9"], "typing into a merge goes to its first cell"
    with pytest.raises(SheetError, match="contains merges"):
        tab.sort("A")
    tab.insert_rows(3)
    assert [tuple(region.area) for region in tab.regions_of("merge")] == [(1, 1, 4, 2)]
    tab.unmerge("B2:B4")
    tab.sort("A", descending=True)
    assert tab.column("A") == ["Code", "c", "b", "a"]


def test_checkboxes_are_false_until_ticked(tab):
    tab.checkbox("D2:D5")
    assert [tab.cell(f"D{row}") for row in range(2, 6)] == [False] * 4
    tab.tick("D3")
    assert tab.column("D") == ["", "FALSE", "TRUE", "FALSE", "FALSE"]


def test_what_is_typed_into_plain_text_stays_text(tab):
    tab.plain_text("E:E")
    tab.type("E2", "0")
    tab.type("E3", "=A2")
    assert (tab.cell("E2"), tab.cell("E3")) == ("0", "=A2")


def test_a_copied_tab_has_all_that_its_source_has(tab):
    tab.merge("A5:B5")
    tab.type("D2", '=ARRAYFORMULA(A2:A3&"!")')
    copy = tab.spreadsheet.copy_tab(0)
    assert (copy.title, copy.sheet_id != tab.sheet_id) == ("Copy of Sheet1", True)
    assert copy.grid() == tab.grid()
    copy.type("A2", "changed")
    assert tab.shown("A2") == "a"
    assert copy.shown("D2") == "changed!"
    assert len(copy.regions_of("merge")) == 1
