"""Our columns are found wherever the customer moved them, and a column of theirs is never taken for ours."""

from dataclasses import replace

import pytest

from b2b_pipelines.cells import Cell, Formula, Spilled
from b2b_pipelines.sheets.columns import find_layout, holds_our_codes
from b2b_pipelines.sheets.layout import (
    HEADERS,
    HeldRow,
    Layout,
    LayoutLost,
    Tab,
    Written,
    codes_within,
    looks_like_code,
    normal,
    present_codes,
    same,
)

A, B, C = (f"{n}1111111-aaaa-4bbb-8ccc-{n}22222222222" for n in "abc")
MAIL, DAY = "ada@example.com", "2026-11-01 10:00:00 UTC"
ROWS: dict[str, tuple[Cell, ...]] = {
    A: (A, "one-time", 1, DAY, MAIL, DAY),
    B: (B, "one-time", 0, "", "", ""),
    C: (C, "one-time", 0, "", "", ""),
}
WRITTEN = Written(
    tuple(range(6)), 26, tuple(HeldRow(n, code, cells) for n, (code, cells) in enumerate(ROWS.items(), 2))
)
IN_PLACE = Layout((0, 1, 2, 3, 4, 5), has_header=True)
WITHOUT_HEADER = Layout((0, 1, 2, 3, 4, 5), has_header=False)


def grid(*rows: tuple[Cell, ...]) -> list[list[Cell]]:
    return [list(row) for row in rows]


def ours() -> list[list[Cell]]:
    return grid(HEADERS, *ROWS.values())


def tab(values: list[list[Cell]], columns: int = 26) -> Tab:
    return Tab(values, 1000, columns)


def find(values: list[list[Cell]], columns: int = 26, written: Written | None = WRITTEN) -> Layout | LayoutLost:
    return find_layout(tab(values, columns), list(ROWS), written)


def move(values: list[list[Cell]], source: int, target: int) -> list[list[Cell]]:
    for row in values:
        row.extend([""] * (max(source, target) + 1 - len(row)))
        row.insert(target, row.pop(source))
    return values


def insert(values: list[list[Cell]], at: int, title: Cell = "") -> list[list[Cell]]:
    for number, row in enumerate(values):
        row.insert(at, title if number == 0 else "")
    return values


def delete(values: list[list[Cell]], at: int) -> list[list[Cell]]:
    for row in values:
        del row[at : at + 1]
    return values


def rename(values: list[list[Cell]], column: int, title: Cell = "Our own name for it") -> list[list[Cell]]:
    values[0][column] = title
    return values


def test_columns_are_found_by_their_headers():
    assert find(ours()) == IN_PLACE


def test_headers_compare_trimmed_and_without_case():
    assert find(rename(ours(), 2, "  total REDEMPTIONS ")) == IN_PLACE


def test_columns_are_found_wherever_they_were_moved():
    assert find(move(ours(), 0, 8)) == Layout((8, 0, 1, 2, 3, 4), has_header=True)


def test_columns_are_found_beside_inserted_ones():
    assert find(insert(insert(ours(), 0, "Team"), 3)) == Layout((1, 2, 4, 5, 6, 7), has_header=True)


def test_headers_alone_are_enough_when_every_code_is_gone():
    assert find(grid(HEADERS)) == IN_PLACE


@pytest.mark.parametrize("column", range(6))
@pytest.mark.parametrize("title", ["Our own name for it", "", 7, None])
def test_a_column_whose_header_was_edited_is_found_by_what_it_holds(column, title):
    assert find(rename(ours(), column, title)) == IN_PLACE


def test_columns_whose_headers_were_all_edited_are_found():
    values = ours()
    values[0] = [f"Column {n}" for n in range(6)]
    assert find(values) == WITHOUT_HEADER


def test_columns_are_found_when_the_header_row_was_deleted():
    assert find(ours()[1:]) == WITHOUT_HEADER


def test_columns_are_found_when_the_header_was_sorted_among_the_codes():
    values = ours()
    assert find([*values[1:3], values[0], values[3]]) == replace(IN_PLACE, header_row=2)


def test_columns_are_found_when_rows_were_inserted_above_the_header():
    assert find([["Codes of Acme"], [], *ours()]) == replace(IN_PLACE, header_row=2)


def test_an_edited_header_is_found_relative_to_the_code_column_after_an_insertion_to_its_left():
    assert find(insert(rename(ours(), 4), 0), 27) == Layout((1, 2, 3, 4, 5, 6), has_header=True)


def test_the_code_column_is_found_by_its_codes_when_it_lost_its_header_and_moved():
    assert find(move(rename(ours(), 0), 0, 7)) == Layout((7, 0, 1, 2, 3, 4), has_header=True)


def test_the_code_column_without_a_header_is_found_where_it_was_although_most_codes_were_deleted():
    assert find(rename(ours(), 0)[:2]) == IN_PLACE
    assert find(move(rename(ours(), 0), 0, 7)[:2]) == LayoutLost(("Enrollment Code",))


def test_the_code_column_is_found_by_codes_with_notes_in_other_spelling():
    values = rename(ours(), 0)
    for row in values[1:]:
        row[0] = f"{str(row[0]).upper()} (taken)"
    assert find(values) == IN_PLACE


def test_codes_in_a_foreign_column_do_not_make_it_ours_while_our_header_stands():
    values = ours()
    for row in values:
        row.append(row[0])
        row[0] = row[0] if row is values[0] else ""
    rename(values, 6, "Copied")
    assert find(values) == IN_PLACE


def test_one_code_mentioned_somewhere_does_not_make_a_column_ours():
    values = rename(ours(), 0)
    for row in values[1:]:
        row[0] = "gone"
    values[2].append(f"see {A}")
    assert find(values) == LayoutLost(("Enrollment Code",))


def test_a_deleted_code_column_is_lost():
    assert find(delete(ours(), 0), 25) == LayoutLost(("Enrollment Code",))


@pytest.mark.parametrize("column", range(1, 6))
def test_a_deleted_status_column_is_lost(column):
    assert find(delete(ours(), column), 25) == LayoutLost((HEADERS[column],))


def test_a_deleted_last_column_is_lost_even_if_it_never_held_anything():
    blank = Written(WRITTEN.columns, 26, tuple(row for row in WRITTEN.rows if row.code != A))
    values = grid(HEADERS, ROWS[B], ROWS[C])
    assert find_layout(tab(rename(values, 5)), (), blank) == IN_PLACE
    assert find_layout(tab(delete(values, 5), 25), (), blank) == LayoutLost(("Redeemed On",))


def test_a_blank_column_is_not_taken_for_ours_where_columns_may_have_moved():
    blank = Written(WRITTEN.columns, 26, tuple(row for row in WRITTEN.rows if row.code != A))
    header_gone = insert(grid(ROWS[B], ROWS[C]), 3)
    assert find_layout(tab(header_gone, 27), (), blank) == LayoutLost(("Invalidated On", "Redeemed By", "Redeemed On"))


def test_a_blank_column_is_found_to_the_left_of_the_codes_where_it_was():
    written = Written((1, 2, 3, 0, 4, 5), 26, tuple(row for row in WRITTEN.rows if row.code != A))
    values = move(grid(ROWS[B], ROWS[C]), 3, 0)
    assert find_layout(tab(values), (), written) == Layout((1, 2, 3, 0, 4, 5), has_header=False)
    assert find_layout(tab(insert(values, 0), 27), (), written) == LayoutLost(("Invalidated On",))


def test_blank_columns_that_changed_places_are_told_apart_by_a_header_in_another_row():
    blank = Written(WRITTEN.columns, 26, tuple(row for row in WRITTEN.rows if row.code != A))
    values = move(grid(ROWS[B], HEADERS, ROWS[C]), 3, 4)
    assert find_layout(tab(values), (), blank) == Layout((0, 1, 2, 4, 3, 5), has_header=True, header_row=1)


def test_a_renamed_column_is_lost_when_its_cells_no_longer_hold_what_we_wrote():
    values = rename(ours(), 1)
    for row in values[1:]:
        row[1] = "ours"
    assert find(values) == LayoutLost(("Use Type",))


def test_a_renamed_column_is_found_although_one_of_its_cells_was_edited():
    values = rename(ours(), 1)
    values[1][1] = "taken"
    assert find(values) == IN_PLACE


def beside_notes() -> list[list[Cell]]:
    """Our columns, of which the last was renamed, and a column of notes beside them."""
    values = rename(ours(), 5, "Used on")
    for row, note in zip(values, ("Notes", "", "call Ms. Roe", ""), strict=True):
        row.append(note)
    return values


def test_a_column_of_notes_that_came_to_where_a_renamed_one_was_is_not_taken_for_it():
    assert find(beside_notes()) == IN_PLACE
    assert find(move(beside_notes(), 1, 6)) == LayoutLost(("Redeemed On",))


def test_not_even_a_blank_one_over_which_another_column_of_ours_was_moved():
    values = beside_notes()
    for row in values[1:]:
        row[5] = row[6] = ""
    blank = Written(WRITTEN.columns, 26, tuple(row for row in WRITTEN.rows if row.code != A))
    assert find_layout(tab(move(values, 1, 6)), (), blank) == LayoutLost(("Redeemed On",))


def test_nor_one_of_notes_where_we_wrote_nothing():
    blank = Written(WRITTEN.columns, 26, tuple(row for row in WRITTEN.rows if row.code != A))
    values = delete(grid(("", *HEADERS[1:5], "", "Notes"), ROWS[B], (*ROWS[C], "call Ms. Roe")), 5)
    assert find_layout(tab(values), (), blank) == LayoutLost(("Redeemed On",))


def test_a_column_under_another_header_of_ours_is_not_taken_for_a_deleted_one_that_held_the_same():
    values = move(delete(ours(), 3), 4, 3)
    assert values[0][3] == "Redeemed On"
    assert find(values) == LayoutLost(("Invalidated On",))


def test_a_header_that_was_sorted_away_helps_to_tell_the_code_column_when_most_codes_are_gone():
    values = [["mistyped", "one-time", 1, DAY, MAIL, DAY], list(ROWS[B]), list(HEADERS)]
    assert find(values) == replace(IN_PLACE, header_row=2)


def test_cells_that_were_reported_help_to_tell_the_columns_when_the_codes_are_gone():
    written = Written(
        WRITTEN.columns,
        26,
        (
            HeldRow(2, A, ("Ada's", *ROWS[A][1:])),
            HeldRow(3, B, ("Bob's", *ROWS[B][1:])),
            HeldRow(4, A, ROWS[A]),
            HeldRow(5, B, ROWS[B]),
        ),
    )
    values = [["ADA'S", *ROWS[A][1:]], ["Bob's", *ROWS[B][1:]]]
    assert find(values, written=written) == WITHOUT_HEADER


def test_a_text_that_stands_for_several_codes_does_not_tell_what_a_column_held():
    texts = [("-", *ROWS[A][1:]), ("-", *ROWS[A][1:]), ("-", *ROWS[B][1:])]
    rows = [*texts, ROWS[A]]
    written = Written(WRITTEN.columns, 26, tuple(HeldRow(n, A, cells) for n, cells in enumerate(rows, 2)))
    values = insert(insert(grid(*rows), 6), 0)
    assert find(values, 28, written) == Layout((1, 2, 3, 4, 5, 6), has_header=False)


def test_nothing_is_taken_for_ours_without_header_and_codes():
    assert find(grid(("Name", "Team"), ("Ada", "R&D"))) == LayoutLost(HEADERS)
    assert find([]) == LayoutLost(HEADERS)


def test_a_renamed_column_is_lost_if_nobody_knows_what_was_written():
    assert find(rename(ours(), 1), written=None) == LayoutLost(("Use Type",))


def test_of_two_columns_with_one_header_the_one_with_our_data_is_ours():
    values = ours()
    for number, row in enumerate(values):
        row.insert(4, HEADERS[4] if number == 0 else f"note {number}")
    assert find(values) == Layout((0, 1, 2, 3, 5, 6), has_header=True)


def test_of_two_columns_with_one_header_a_blank_one_is_ours_where_we_wrote_nothing():
    blank = Written(WRITTEN.columns, 26, tuple(row for row in WRITTEN.rows if row.code != A))
    values = insert(grid(HEADERS, ROWS[B], ROWS[C]), 1, "Redeemed By")
    values[1][1] = "Bob, I think"
    assert find_layout(tab(values, 27), (), blank) == Layout((0, 2, 3, 4, 5, 6), has_header=True)


@pytest.mark.parametrize("column", range(2, 6))
@pytest.mark.parametrize("theirs", ["", "their own"])
def test_a_column_whose_header_was_edited_is_ours_although_a_foreign_one_has_its_text(column, theirs):
    values = insert(rename(ours(), column), 6, HEADERS[column])
    values[1][6] = theirs
    assert find(values) == IN_PLACE


@pytest.mark.parametrize("column", range(2, 6))
def test_a_column_that_was_moved_with_its_values_is_ours_wherever_it_is(column):
    found = find(move(insert(ours(), 6), column, 6))
    assert isinstance(found, Layout)
    assert found.columns[column] == 6


def test_a_column_whose_values_stand_under_its_text_too_is_where_the_text_is():
    values = insert(rename(ours(), 5), 6, HEADERS[5])
    for row in values[1:]:
        row[6] = row[5]
    assert find(values) == Layout((0, 1, 2, 3, 4, 6), has_header=True)


def test_a_copy_of_our_columns_is_not_ours():
    values = [[*row, "", *row] for row in ours()]
    assert find(values) == IN_PLACE
    values[1][0] = "edited"
    values[2][1] = "edited"
    assert find(values) == IN_PLACE


def test_a_copy_of_our_columns_that_fell_behind_is_not_ours_wherever_ours_are():
    values = [[*row, "", *row] for row in ours()]
    values[1][2:6] = [0, "", "", ""]
    assert find(insert(values, 0), 27) == Layout((8, 9, 10, 11, 12, 13), has_header=True)


def test_codes_are_looked_for_to_the_left_too():
    written = Written((5, 0, 1, 2, 3, 4), 6, WRITTEN.rows)
    values = rename([[*row[1:], row[0]] for row in ours()], 0)
    assert find(values, 6, written) == Layout((5, 0, 1, 2, 3, 4), has_header=True)
    assert find(move(values, 5, 0), 6, written) == LayoutLost(("Use Type",))


def test_a_new_tab_with_codes_of_the_contract_under_our_header_holds_our_codes():
    assert holds_our_codes(tab(ours()), [A.upper()])
    assert holds_our_codes(tab(insert(ours(), 0)), [A])


def test_a_new_tab_without_our_header_or_our_codes_does_not_hold_our_codes():
    assert not holds_our_codes(tab(ours()), [])
    assert not holds_our_codes(tab(ours()), ["dddddddd-aaaa-4bbb-8ccc-dddddddddddd"])
    assert not holds_our_codes(tab(ours()[1:]), [A])
    assert not holds_our_codes(tab(grid(HEADERS)), [A])
    assert not holds_our_codes(tab([]), [A])


def test_present_codes_are_normalized_and_include_those_with_notes():
    values = grid(HEADERS, (f" {A.upper()}\n",), (f"{B} (Ada)",), (), ("", "x"), ("Total",), (7,))
    assert present_codes(tab(values), IN_PLACE) == {
        *(normal(HEADERS[0]), A, B, f"{B} (ada)", "total", "7"),
    }


@pytest.mark.parametrize(
    ("held", "wanted", "equal"),
    [
        pytest.param(3, 3, True, id="number"),
        pytest.param(3.0, 3, True, id="sheets-knows-no-integers"),
        pytest.param("3", 3, True, id="a-count-in-a-column-of-plain-text"),
        pytest.param("3", "4", False, id="other-text"),
        pytest.param(Formula("=3", 3), 3, False, id="a-formula-is-not-what-it-shows"),
        pytest.param(Spilled("x"), "", True, id="nothing-was-entered-where-a-value-spilled"),
        pytest.param(True, 1, False, id="a-checkbox-is-not-a-number"),
        pytest.param(False, 0, False, id="an-empty-checkbox-is-not-zero"),
        pytest.param(0, "", False, id="zero-is-not-blank"),
        pytest.param("", 0, False, id="blank-is-not-zero"),
        pytest.param(None, "", True, id="none-is-blank"),
        pytest.param("", "", True, id="blank"),
        pytest.param(" ", "", False, id="a-space-is-not-blank"),
        pytest.param("One-time", "one-time", False, id="status-compares-exactly"),
    ],
)
def test_same(held, wanted, equal):
    assert same(held, wanted) is equal


def test_only_a_whole_code_looks_like_one():
    assert looks_like_code(A)
    assert not looks_like_code(f"{A} (Ada)")
    assert not looks_like_code(A[:-1])
    assert codes_within(f"{B}, {A}x{A} and {A[:-1]}") == (B, A)


FRESH = Written(
    tuple(range(6)),
    26,
    tuple(HeldRow(n, f"{A[:-1]}{n}", (f"{A[:-1]}{n}", "one-time", 0, "", "", "")) for n in range(2, 10)),
)
"""Eight codes without a redemption: three of our columns are blank."""


def with_headers(*order: int) -> list[list[Cell]]:
    """The fresh rows below our headers in another order."""
    return grid(tuple(HEADERS[header] for header in order), *(row.cells for row in FRESH.rows))


@pytest.mark.parametrize(
    "order",
    [
        pytest.param((0, 5, 2, 3, 4, 1), id="one-is-blank"),
        pytest.param((0, 2, 1, 3, 4, 5), id="both-are-filled"),
        pytest.param((1, 0, 2, 3, 4, 5), id="the-codes"),
        pytest.param((0, 5, 1, 3, 4, 2), id="three-in-a-circle"),
        pytest.param((0, 3, 4, 1, 2, 5), id="two-pairs"),
    ],
)
@pytest.mark.parametrize("edited", [None, (8, 5), (8, 1), (3, 3)])
def test_headers_that_changed_places_are_not_believed_although_a_cell_was_edited(order, edited):
    values = with_headers(*order)
    if edited:
        values[edited[0]][edited[1]] = "7"
    moved = [HEADERS[header] for place, header in enumerate(order) if header != place]
    assert find(values, written=FRESH) == LayoutLost(misplaced=tuple(sorted(moved, key=HEADERS.index)))


def test_headers_that_changed_places_are_not_believed_although_another_column_was_edited():
    values = with_headers(0, 5, 2, 3, 4, 1)
    for row in values[1:]:
        row[2] = "seen"
    assert find(values, written=FRESH) == LayoutLost(misplaced=("Use Type", "Redeemed On"))


def test_headers_over_cells_that_were_cleared_or_edited_did_not_change_places():
    values = with_headers(0, 1, 2, 3, 4, 5)
    for row in values[1:]:
        row[1:] = ["", "seen", "x", "one-time of theirs", "0 times"]
    assert find(values, written=FRESH) == IN_PLACE


def test_headers_over_cells_that_were_deleted_so_that_the_others_moved_left_are_not_believed():
    values = with_headers(0, 1, 2, 3, 4, 5)
    for row in values[1:]:
        row[1:] = [*row[2:], "their note"]
    assert find(values, written=FRESH) == LayoutLost(misplaced=("Use Type", "Total Redemptions", "Redeemed On"))


@pytest.mark.parametrize("edit", ["7", Formula("=1+1", 2), ""])
@pytest.mark.parametrize("place", [1, 4])
def test_two_rows_of_which_one_was_edited_are_enough_to_see_that_headers_changed_places(edit, place):
    fresh = replace(FRESH, rows=FRESH.rows[:2])
    values = grid(tuple(HEADERS[header] for header in (0, 4, 2, 3, 1, 5)), *(row.cells for row in fresh.rows))
    values[2][place] = edit
    assert find(values, written=fresh) == LayoutLost(misplaced=("Use Type", "Redeemed By"))


def test_one_row_with_two_edited_cells_is_not_taken_for_an_exchange():
    fresh = replace(FRESH, rows=FRESH.rows[:1])
    for edits in ({2: "7", 5: 0}, {1: "", 5: "a note"}, {1: "", 2: "", 4: "a note", 5: "a note"}):
        values = grid(HEADERS, *(row.cells for row in fresh.rows))
        for place, cell in edits.items():
            values[1][place] = cell
        assert find(values, written=fresh) == IN_PLACE


def test_headers_that_changed_places_are_not_believed_although_their_columns_are_alike_in_most_rows():
    redeemed = ("2026-11-01 10:00:00 UTC", "ada@example.com", "2026-11-01 10:00:00 UTC")
    rows = [HeldRow(n, f"{n:08}-0000-4000-8000-000000000000", ("", "one-time", 1, *redeemed)) for n in range(2, 9)]
    rows.append(
        HeldRow(9, f"{9:08}-0000-4000-8000-000000000000", ("", "one-time", 0, "2026-12-01 00:00:00 UTC", "", ""))
    )
    rows = [row._replace(cells=(row.code, *row.cells[1:])) for row in rows]
    written = replace(FRESH, rows=tuple(rows))
    values = grid(tuple(HEADERS[header] for header in (0, 1, 2, 5, 4, 3)), *(row.cells for row in rows))
    assert find(values, written=written) == LayoutLost(misplaced=("Invalidated On", "Redeemed On"))
    moved = [[*row[:3], row[5], row[4], row[3]] for row in values[1:]]
    layout = find([values[0], *moved], written=written)
    assert layout.columns == (0, 1, 2, 5, 4, 3), "the columns moved under their headers"
