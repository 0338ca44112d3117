"""How the references of a formula follow copies of its cell, and rows and columns that come, go and move."""

import pytest

from b2b_pipelines.sheets.references import copied, following


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        pytest.param('=IF(E13="","A1","B""2")', '=IF(F15="","A1","B""2")', id="texts-stay"),
        pytest.param("=COUNTIF($E$2:$E$30,E13)", "=COUNTIF($E$2:$E$30,F15)", id="absolute-ones-stay"),
        pytest.param("=$B3+B$3", "=$B5+C$3", id="mixed"),
        pytest.param("=SUM(2:5)&SUM(B:$B)&COUNTA(E$2:E)", "=SUM(4:7)&SUM(C:$B)&COUNTA(F$2:F)", id="open-ranges"),
        pytest.param("=Other!A2+'My tab'!B3", "=Other!B4+'My tab'!C5", id="other-tabs-follow"),
        pytest.param("=LOG10(1.5E10)+ROW()+Tab1[Code]", "=LOG10(1.5E10)+ROW()+Tab1[Code]", id="names-stay"),
    ],
)
def test_a_copied_formula_names_the_cells_that_lie_as_before(formula, expected):
    assert copied(formula, 2, 1) == expected


def test_a_copy_beyond_the_first_row_or_column_names_nothing():
    assert copied("=A1+B$1+$A2+SUM(A2:B3)", -1, -1) == "=#REF!+A$1+$A1+SUM(#REF!)"


def stays(place: int) -> int:
    return place


def pushed(place: int) -> int:
    return place + 1 if place >= 1 else place


def gone(place: int) -> int | None:
    return None if place == 1 else place - (place > 1)


@pytest.mark.parametrize(
    ("formula", "inserted", "deleted"),
    [
        pytest.param('=IF(E13="","A1","B2")', '=IF(F14="","A1","B2")', '=IF(D12="","A1","B2")', id="texts-stay"),
        pytest.param("=$B$2+A1", "=$C$3+A1", "=#REF!+A1", id="a-deleted-cell"),
        pytest.param("=SUM($B$2:D9)", "=SUM($C$3:E10)", "=SUM($B$2:C8)", id="a-range-shrinks-from-its-beginning"),
        pytest.param("=SUM(A1:B2)", "=SUM(A1:C3)", "=SUM(A1:A1)", id="a-range-shrinks-from-its-end"),
        pytest.param("=SUM(B2:B2)", "=SUM(C3:C3)", "=SUM(#REF!)", id="a-range-that-is-gone"),
        pytest.param("=SUM(B:B)&SUM(2:$4)", "=SUM(C:C)&SUM(3:$5)", "=SUM(#REF!)&SUM(2:$3)", id="open-ranges"),
        pytest.param("=COUNTA(C2:C)", "=COUNTA(D3:D)", "=COUNTA(B2:B)", id="to-the-end"),
        pytest.param("=Other!B2+'My tab'!B2", "=Other!B2+'My tab'!B2", "=Other!B2+'My tab'!B2", id="other-tabs"),
    ],
)
def test_a_formula_follows_rows_and_columns(formula, inserted, deleted):
    """The second row and column were inserted, or deleted."""
    assert following(formula, pushed, pushed) == inserted
    assert following(formula, gone, gone) == deleted
    assert following(formula, stays, stays) == formula
