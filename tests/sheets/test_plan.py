"""The plan of a sync, by rule: it keeps the customer's cells and writes every code once."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.cells import Area, Cell, Formula, Spilled, Table
from b2b_pipelines.sheets.columns import find_layout
from b2b_pipelines.sheets.layout import HEADERS, CodeRow, HeldRow, Layout, LayoutLost, Tab, Written
from b2b_pipelines.sheets.plan import (
    CellRange,
    CellRun,
    Conflict,
    Plan,
    pieces,
    plan_new_target,
    plan_rebuild,
    plan_update,
)

A, B, C, D = (f"{n}1111111-aaaa-4bbb-8ccc-{n}22222222222" for n in "abcd")
TYPO = A.replace("1111111", "1111112")
DAY, LATER = "2026-11-01 10:00:00 UTC", "2026-12-01 00:00:00 UTC"
FREE = {code: CodeRow(code, "one-time", 0, "", "", "") for code in (A, B, C, D)}
TAKEN = {code: CodeRow(code, "one-time", 1, DAY, "ada@example.com", DAY) for code in (A, B, C, D)}
ABC = [FREE[A], FREE[B], FREE[C]]
KINDS = {str: "stringValue", int: "numberValue"}
IN_PLACE = Layout((0, 1, 2, 3, 4, 5), has_header=True)

Row = Sequence[Cell]


def row(code: Cell, *beside: Cell) -> Row:
    """A row of an unused code as Google reads it, without trailing blanks, or with what stands to its right."""
    return (code, "one-time", 0, "", "", "", *beside) if beside else (code, "one-time", 0)


def tab(*rows: Row, row_count: int = 100, columns: int = 26) -> Tab:
    return Tab(rows, row_count, columns)


def held(*rows: tuple[int, CodeRow]) -> Written:
    return Written(IN_PLACE.columns, 26, tuple(HeldRow(number, code.code, code.cells) for number, code in rows))


WRITTEN = held((2, FREE[A]), (3, FREE[B]), (4, FREE[C]))


def update(
    wanted: Sequence[CodeRow], seen: Tab, layout: Layout | LayoutLost | None = None, written: Written | None = WRITTEN
) -> Plan:
    return plan_update(wanted, seen, layout or find_layout(seen, [], written), written)


def cells(plan: Plan) -> dict[tuple[int, int], Cell]:
    """Every cell that a plan writes, by row and column from 0; none is written twice."""
    written: dict[tuple[int, int], Cell] = {}
    for run in plan.writes:
        for y, values in enumerate(run.values, start=run.row):
            for x, value in enumerate(values, start=run.column):
                assert (y, x) not in written
                written[y, x] = value
    return written


def applied(plan: Plan, seen: Tab) -> Tab:
    """The tab after a plan, read again."""
    rows, columns = seen.row_count + plan.grow_rows, seen.column_count + plan.grow_columns
    area = plan.clear or CellRange(0, 0, 0, 0)
    values = [[seen.cell(y, x) for x in range(columns)] for y in range(rows)]
    for y in range(area.row, area.row + area.rows):
        for x in range(area.column, area.column + area.columns):
            values[y][x] = ""
    for (y, x), value in cells(plan).items():
        values[y][x] = value
    for line in values:
        while line and line[-1] in ("", None):
            line.pop()
    while values and not values[-1]:
        values.pop()
    return Tab(values, rows, columns)


def writes_nothing_more(plan: Plan, wanted: Sequence[CodeRow], seen: Tab) -> bool:
    after = applied(plan, seen)
    again = plan_update(wanted, after, find_layout(after, [], plan.written), plan.written)
    return again.is_empty and again.conflicts == plan.conflicts and again.written == plan.written


class TestNewTarget:
    def test_the_header_is_in_row_1_and_the_codes_below_it(self):
        plan = plan_new_target([TAKEN[A], FREE[B]], tab())
        assert plan.writes == (CellRun(0, 0, (HEADERS, TAKEN[A].cells, FREE[B].cells)),)
        assert (plan.kind, plan.header, plan.layout) == ("new", True, IN_PLACE)
        assert (plan.appended, plan.updated, plan.unchanged) == (2, 0, 0)
        assert plan.rows_after == {2: A, 3: B}
        assert plan.written == held((2, TAKEN[A]), (3, FREE[B]))

    def test_a_blank_tab_need_not_be_cleared(self):
        assert plan_new_target(ABC, tab((), ("", None), columns=6)).clear is None

    def test_all_that_stood_in_a_to_f_is_cleared_and_nothing_beside_it(self):
        seen = tab(("Name", "", "", "", "", "x", "note"), ("Ada",), ("", "", "", "", "", "", "note"), ("Bob",))
        plan = plan_new_target([FREE[A]], seen)
        assert plan.clear == CellRange(0, 0, 100, 6)
        assert {x for _, x in cells(plan)} == set(range(6))
        after = applied(plan, seen)
        assert [after.cell(n, 6) for n in range(3)] == ["note", "", "note"]
        assert after.cell(3, 0) == ""
        assert writes_nothing_more(plan, [FREE[A]], seen)

    def test_a_tab_that_is_too_small_grows_by_rows_and_columns(self):
        plan = plan_new_target(ABC, tab(("x",), row_count=3, columns=4))
        assert (plan.grow_rows, plan.grow_columns) == (1, 2)
        assert plan.clear == CellRange(0, 0, 3, 4)

    def test_a_tab_that_is_large_enough_does_not_grow(self):
        plan = plan_new_target(ABC, tab(row_count=4, columns=6))
        assert (plan.grow_rows, plan.grow_columns) == (0, 0)

    def test_without_codes_there_is_only_a_header(self):
        plan = plan_new_target([], tab())
        assert plan.writes == (CellRun(0, 0, (HEADERS,)),)
        assert plan.appended == 0

    def test_a_first_fill_is_one_block(self):
        wanted = [CodeRow(str(n), "unlimited", n, "", "", "") for n in range(1000)]
        assert len(plan_new_target(wanted, tab()).writes) == 1


class TestNothingToDo:
    def test_a_second_plan_is_empty(self):
        plan = plan_new_target(ABC, tab())
        assert writes_nothing_more(plan, ABC, tab())

    def test_rows_that_hold_the_truth_are_unchanged(self):
        plan = update(ABC, tab(HEADERS, row(A), row(B), row(C)))
        assert plan.is_empty
        assert (plan.updated, plan.appended, plan.unchanged, plan.header) == (0, 0, 3, False)
        assert plan.conflicts == ()

    def test_codes_compare_trimmed_and_without_case(self):
        plan = update(ABC, tab(HEADERS, row(f"  {A.upper()}\n"), row(B), row(C.title())))
        assert plan.is_empty
        assert plan.conflicts == ()
        assert plan.rows_after == {2: A, 3: B, 4: C}

    def test_blank_and_none_and_floats_are_no_difference(self):
        assert update([FREE[A]], tab(HEADERS, (A, "one-time", 0.0, None, "", None, None))).is_empty


class TestExistingRows:
    def test_only_the_status_cells_that_differ_are_written(self):
        plan = update([TAKEN[A], FREE[B], FREE[C]], tab(HEADERS, row(A), row(B), row(C)))
        assert plan.writes == (CellRun(1, 2, ((1, DAY, "ada@example.com", DAY),)),)
        assert (plan.updated, plan.unchanged) == (1, 2)

    def test_a_code_keeps_its_row_wherever_it_is(self):
        seen = tab(HEADERS, row(C), ("Team B",), row(A), (), row(B, "note"))
        plan = update([TAKEN[A], FREE[B], FREE[C]], seen)
        assert {y for y, _ in cells(plan)} == {3}
        assert plan.rows_after == {2: C, 4: A, 6: B}

    def test_a_code_cell_is_never_rewritten(self):
        plan = update([TAKEN[A]], tab(HEADERS, (f" {A.upper()} ", "x", "x", "x", "x", "x")))
        assert {x for _, x in cells(plan)} == {1, 2, 3, 4, 5}

    def test_moved_and_inserted_columns_are_written_where_they_are(self):
        seen = tab(
            (
                "Team",
                "Redeemed On",
                "Enrollment Code",
                "",
                "Use Type",
                "Total Redemptions",
                "Invalidated On",
                "Redeemed By",
            ),
            ("red", "", A, "mine", "one-time", 0),
        )
        plan = update([TAKEN[A], FREE[B]], seen)
        assert plan.layout == Layout((2, 4, 5, 6, 7, 1), has_header=True)
        assert cells(plan) == {
            **{(1, 1): DAY, (1, 5): 1, (1, 6): DAY, (1, 7): "ada@example.com"},
            **{(2, 1): "", (2, 2): B, (2, 4): "one-time", (2, 5): 0, (2, 6): "", (2, 7): ""},
        }
        assert plan.writes[0] == CellRun(2, 1, (("", B),)), "the code first"

    @pytest.mark.parametrize("shown", ["one", True, "", None, 1.5, "x", 2], ids=repr)
    def test_a_count_that_is_not_the_number_is_put_right_once(self, shown):
        seen = tab(HEADERS, (A, "one-time", shown, DAY, "ada@example.com", DAY))
        plan = update([TAKEN[A]], seen)
        assert plan.writes == (CellRun(1, 2, ((1,),)),)
        assert writes_nothing_more(plan, [TAKEN[A]], seen)

    def test_a_cell_is_emptied_where_nothing_should_stand(self):
        seen = tab(HEADERS, (A, "one-time", 0, "", "eve@example.com"))
        assert update([FREE[A]], seen).writes == (CellRun(1, 4, (("",),)),)

    def test_a_formula_of_a_redeemer_is_text(self):
        wanted = replace(TAKEN[A], redeemed_by="=IMPORTXML(1)")
        assert "=IMPORTXML(1)" in cells(update([wanted], tab(HEADERS, row(A)))).values()

    def test_equal_changes_in_rows_below_each_other_are_one_run(self):
        wanted = [replace(code, invalidated_on=LATER) for code in ABC]
        plan = update(wanted, tab(HEADERS, row(A), row(B), row(C)))
        assert plan.writes == (CellRun(1, 3, ((LATER,),) * 3),)
        assert plan.updated == 3

    def test_a_change_skips_the_cells_between_that_are_right(self):
        plan = update([TAKEN[A]], tab(HEADERS, (A, "one-time", 0, DAY, "ada@example.com")))
        assert plan.writes == (CellRun(1, 2, ((1,),)), CellRun(1, 5, ((DAY,),)))


class TestMissingCodes:
    def test_new_codes_go_below_the_others_as_one_block(self):
        plan = update([*ABC, FREE[D]], tab(HEADERS, row(A)))
        assert plan.writes == (CellRun(2, 0, (FREE[B].cells, FREE[C].cells, FREE[D].cells)),)
        assert (plan.appended, plan.updated, plan.unchanged) == (3, 0, 1)

    def test_a_deleted_code_is_written_below_the_last_code_and_never_between_blocks(self):
        plan = update(ABC, tab(HEADERS, row(A), (), row(C)))
        assert plan.writes == (CellRun(4, 0, (FREE[B].cells,)),)
        assert (plan.rows_added, plan.last_code) == ((5,), 4)

    @pytest.mark.parametrize("header_row", [0, 1, 3])
    def test_nothing_is_written_above_the_header(self, header_row):
        seen = tab(*[()] * header_row, HEADERS)
        assert update([FREE[A]], seen).rows_after == {header_row + 2: A}

    def test_rows_prepared_for_more_codes_are_used(self):
        note = ("",) * 6
        given, box = Formula('=IF(A2="","","given")', ""), False
        seen = tab(HEADERS, row(A, box, given), (*note, box, Formula('=IF(A3="","","given")')), (*note, box, given))
        assert update(ABC, seen).rows_after == {2: A, 3: B, 4: C}

    def test_a_formula_where_our_rows_have_none_is_the_customers(self):
        seen = tab(HEADERS, row(A), (*[""] * 6, Formula("=SUM(C2:C3)", 0)), ())
        assert update([FREE[A], FREE[B]], seen).rows_after == {2: A, 4: B}

    @pytest.mark.parametrize(
        ("cell", "taken"),
        [
            pytest.param(Formula("=IMAGE(1)", ""), 4, id="an-image"),
            pytest.param(Formula("=SPARKLINE({1})", ""), 4, id="a-sparkline"),
            pytest.param(Spilled("x"), 4, id="a-value-that-spilled-into-our-cells"),
            pytest.param(Spilled(""), 4, id="nothing-that-spilled-into-our-cells"),
        ],
    )
    def test_a_cell_of_ours_that_shows_nothing_need_not_be_blank(self, cell, taken):
        assert update([FREE[A], FREE[B]], tab(HEADERS, row(A), ("", "", cell))).rows_after == {2: A, taken: B}

    def test_a_value_that_spilled_beside_leaves_a_row_free(self):
        seen = tab(HEADERS, row(A), (*[""] * 6, Spilled("x"), Spilled("")))
        assert update([FREE[A], FREE[B]], seen).rows_after == {2: A, 3: B}

    def test_a_row_with_a_note_is_not_blank(self):
        note = ("",) * 6
        plan = update(ABC, tab(HEADERS, row(A), (*note, "call Bob"), (*note, 0), (*note, False), (*note, " "), row(C)))
        assert plan.writes == (CellRun(7, 0, (FREE[B].cells,)),)

    def test_empty_texts_leave_a_row_blank(self):
        assert update(ABC, tab(HEADERS, row(A), row(C), ("", "", None, "", "", "", ""))).rows_after[4] == B

    def test_a_row_whose_code_was_emptied_is_not_blank(self):
        plan = update(ABC, tab(HEADERS, row(A), row(""), row(C)))
        assert plan.rows_after == {2: A, 4: C, 5: B}
        assert plan.conflicts == ()

    def test_blank_rows_are_filled_in_the_order_given_and_totals_are_stepped_over(self):
        seen = tab(HEADERS, row(A), (), ("Total", "", 1), (), ("* see above",))
        plan = update([FREE[A], FREE[D], FREE[C], FREE[B]], seen)
        assert plan.rows_after == {2: A, 3: D, 5: C, 7: B}
        assert plan.conflicts == ()

    def test_row_1_is_never_filled(self):
        plan = update(ABC, tab((), HEADERS, row(A), row(B)))
        assert plan.rows_after == {3: A, 4: B, 5: C}
        assert not plan.header

    def test_a_code_in_a_foreign_column_is_not_in_the_sheet(self):
        plan = update([FREE[A]], tab(HEADERS, ("",) * 7 + (A,)))
        assert plan.rows_after == {3: A}

    def test_the_tab_grows_by_the_rows_that_are_missing(self):
        seen = tab(HEADERS, row(A), row_count=3)
        plan = update([*ABC, FREE[D]], seen)
        assert plan.grow_rows == 2
        assert writes_nothing_more(plan, [*ABC, FREE[D]], seen)

    def test_the_tab_does_not_grow_while_there_are_blank_rows(self):
        assert update(ABC, tab(HEADERS, row(A), row_count=4)).grow_rows == 0

    def test_a_code_given_twice_is_written_once(self):
        assert update([FREE[A], FREE[A]], tab(HEADERS)).rows_after == {2: A}


def merged(seen: Tab, *areas: tuple[int, int, int, int]) -> Tab:
    return replace(seen, merges=tuple(Area(*area) for area in areas))


class TestMerges:
    def test_a_row_with_a_covered_cell_of_ours_is_never_used(self):
        seen = merged(tab(HEADERS, row(A)), (2, 0, 3, 6), (3, 4, 5, 5), (6, 6, 7, 9))
        assert update(ABC, seen).rows_after == {2: A, 4: B, 6: C}

    def test_covered_cells_are_neither_written_nor_verified(self):
        seen = merged(tab(HEADERS, row(A), row(B)), (1, 3, 3, 4))
        plan = update([TAKEN[A], TAKEN[B]], seen)
        assert {cell for cell in cells(plan) if cell[1] == 3} == {(1, 3)}
        assert plan.conflicts == (Conflict("merged", 3, B),)
        assert (plan.updated, plan.appended) == (2, 0)
        after = merged(applied(plan, seen), (1, 3, 3, 4))
        again = plan_update([TAKEN[A], TAKEN[B]], after, find_layout(after, [], plan.written), plan.written)
        assert again.is_empty
        assert again.written == plan.written

    @pytest.mark.parametrize(
        ("area", "refused"), [((0, 0, 1, 6), True), ((2, 5, 4, 6), True), ((0, 5, 1, 9), False), ((4, 0, 6, 6), False)]
    )
    def test_a_new_target_is_refused_where_a_merge_covers_its_cells(self, area, refused):
        assert (plan_new_target(ABC, merged(tab(), area)).merged is not None) is refused


class TestTables:
    def test_a_table_that_holds_our_header_grows_by_the_rows_directly_below_it(self):
        seen = replace(tab(HEADERS, row(A), ()), tables=(Table("t", Area(0, 0, 3, 6)),))
        plan = update([*ABC, FREE[D]], seen)
        assert plan.rows_after == {2: A, 3: B, 4: C, 5: D}
        assert plan.table == Table("t", Area(0, 0, 5, 6))

    def test_a_table_never_swallows_what_stands_below_it(self):
        seen = replace(tab(HEADERS, row(A), ("Total",)), tables=(Table("t", Area(0, 0, 2, 6)),))
        plan = update(ABC, seen)
        assert (plan.rows_after, plan.table) == ({2: A, 4: B, 5: C}, None)

    def test_another_table_is_left_alone(self):
        seen = replace(tab(HEADERS, row(A)), tables=(Table("t", Area(0, 8, 2, 9)),))
        assert update(ABC, seen).table is None


class TestRebuild:
    def test_a_code_keeps_the_row_in_which_it_stands_wherever_that_is(self):
        seen = tab(
            ("Codes of Acme",),
            ("", "", "", "", "", "", "a note", A),
            ("red", "", "", "", "", "", "a stray note"),
            (f"for Bob: {C}", "x", "", "", "", "", "Bob's note"),
        )
        plan = plan_rebuild(ABC, seen)
        assert plan.rows_after == {2: A, 4: C, 5: B}
        after = applied(plan, seen)
        assert [after.cell(n, 0) for n in range(5)] == ["Enrollment Code", A, "", C, B]
        assert [after.cell(n, 6) for n in range(4)] == ["", "a note", "a stray note", "Bob's note"]
        assert (plan.replaced, plan.replaced_cells) == (2, ("Codes of Acme", "red"))
        assert plan_rebuild(ABC, after).is_empty

    def test_the_others_go_below_where_no_note_stands(self):
        seen = tab(HEADERS, row(A), (*[""] * 6, "note"), ())
        assert plan_rebuild(ABC, seen).rows_after == {2: A, 4: B, 5: C}


class TestConflicts:
    @pytest.mark.parametrize("text", [f"{A} (Ada)", f"for Bob: {A.upper()}", f"{A}x", f'"{A}"', f"{A} {A}"])
    def test_a_code_with_a_note_is_not_written_again_and_its_row_left_alone(self, text):
        plan = update([TAKEN[A], FREE[B]], tab(HEADERS, row(text), row(B)))
        assert plan.is_empty
        assert plan.conflicts == (Conflict("annotated", 2, A),)
        assert plan.rows_after == {2: A, 3: B}
        assert (plan.updated, plan.unchanged) == (0, 1)

    def test_a_cell_with_two_codes_is_a_conflict_of_each(self):
        plan = update([FREE[A], FREE[B]], tab(HEADERS, row(f"{A}, {B}")))
        assert plan.is_empty
        assert plan.conflicts == (Conflict("annotated", 2, A), Conflict("annotated", 2, B))

    def test_a_code_that_stands_by_itself_too_is_kept_true_there(self):
        plan = update([TAKEN[A]], tab(HEADERS, row(f"{A} (Ada)"), row(A)))
        assert {y for y, _ in cells(plan)} == {2}
        assert plan.conflicts == (Conflict("annotated", 2, A),)
        assert plan.rows_after == {3: A}

    def test_every_copy_of_a_code_gets_the_truth(self):
        seen = tab(HEADERS, row(A), row(B), row(A.upper()), row(C), row(A))
        plan = update([TAKEN[A], FREE[B], FREE[C]], seen)
        assert {y for y, _ in cells(plan)} == {1, 3, 5}
        assert plan.conflicts == (Conflict("duplicate", 4, A), Conflict("duplicate", 6, A))
        assert plan.updated == 3
        assert plan.row_by_code == {A: 2, B: 3, C: 5}

    def test_a_mistyped_code_is_left_reported_and_written_again(self):
        seen = tab(HEADERS, row(TYPO), row(B), row(C))
        plan = update(ABC, seen)
        assert plan.writes == (CellRun(4, 0, (FREE[A].cells,)),)
        assert plan.conflicts == (Conflict("unknown_code", 2, A),)
        assert writes_nothing_more(plan, ABC, seen)

    @pytest.mark.parametrize("text", ["given to Ada", A[:-1], 4711, True, "-"])
    def test_an_edited_code_is_reported_whatever_it_was_replaced_by(self, text):
        seen = tab(HEADERS, row(text), row(B), row(C))
        plan = update(ABC, seen)
        assert plan.conflicts == (Conflict("unknown_code", 2, A),)
        assert plan.rows_after == {3: B, 4: C, 5: A}
        assert writes_nothing_more(plan, ABC, seen)

    def test_an_edited_code_is_reported_when_its_row_was_sorted_away_as_well(self):
        written = held((2, TAKEN[A]), (3, FREE[B]))
        seen = tab(HEADERS, row(B), ("Ada's", *TAKEN[A].status))
        assert update([TAKEN[A], FREE[B]], seen, written=written).conflicts == (Conflict("unknown_code", 3, A),)

    def test_an_edited_code_stays_reported_until_it_is_put_right(self):
        seen = tab(HEADERS, row("Ada's"), row(B), row(C))
        plan = update(ABC, seen)
        after = applied(plan, seen)
        moved = Tab([after.values[0], *reversed(after.values[1:])], after.row_count, after.column_count)
        again = update(ABC, moved, written=plan.written)
        assert again.is_empty
        assert again.conflicts == (Conflict("unknown_code", 5, A),)
        put_right = Tab([*after.values[:1], *after.values[2:]], after.row_count, after.column_count)
        assert update(ABC, put_right, written=plan.written).conflicts == ()

    def test_cells_edited_to_the_same_text_are_reported_each_with_its_code(self):
        seen = tab(HEADERS, row("taken"), row("taken"), row(C))
        plan = update(ABC, seen)
        assert plan.conflicts == (Conflict("unknown_code", 2, A), Conflict("unknown_code", 3, B))
        assert writes_nothing_more(plan, ABC, seen)

    def test_a_reported_cell_keeps_its_code_in_the_place_of_another_that_was_deleted(self):
        written = Written(
            IN_PLACE.columns, 26, (HeldRow(2, A, ("Ada's", *FREE[A].status)), HeldRow(3, B, FREE[B].cells))
        )
        plan = update([FREE[A], FREE[B]], tab(HEADERS, row(A), row("Ada's")), written=written)
        assert plan.conflicts == (Conflict("unknown_code", 3, A),)

    def test_what_looks_like_a_code_is_reported_though_nobody_knows_it(self):
        plan = update([FREE[A]], tab(HEADERS, row(A), (D,)), written=None)
        assert plan.conflicts == (Conflict("unknown_code", 3, D),)
        assert plan.is_empty

    def test_totals_footnotes_and_section_titles_are_the_customers_business(self):
        seen = tab(
            HEADERS, ("Team A",), row(A), ("Team B",), row(B), row(C), (), ("Total", "", 3), (f"* {DAY}",), (57,)
        )
        assert update(ABC, seen).conflicts == ()

    def test_a_total_that_moved_up_beside_nothing_of_ours_is_not_an_edited_code(self):
        plan = update(ABC, tab(HEADERS, row(A), row(B), ("Total", "", 0, 3)))
        assert plan.conflicts == ()
        assert plan.rows_after == {2: A, 3: B, 5: C}

    def test_our_own_header_in_another_row_is_no_conflict(self):
        assert update(ABC, tab(row(A), HEADERS, row(B), row(C))).conflicts == ()
        only_codes_sorted = tab(("", *HEADERS[1:]), row(HEADERS[0]), row(B), row(C))
        assert update(ABC, only_codes_sorted).conflicts == ()

    def test_a_reported_cell_does_not_make_others_like_it_suspect_once_its_code_was_deleted(self):
        written = Written(
            IN_PLACE.columns, 26, (HeldRow(2, A, ("Ada's", *FREE[A].status)), HeldRow(3, B, FREE[B].cells))
        )
        plan = update([FREE[B]], tab(HEADERS, row("Ada's"), row(B), row("mine")), written=written)
        assert plan.conflicts == (Conflict("unknown_code", 2, A),)

    def test_a_code_over_the_header_row_does_not_cost_the_headers(self):
        seen = tab((A, *HEADERS[1:]), row(""), row(B), row(C))
        plan = update(ABC, seen)
        assert plan.rows_after == {3: B, 4: C, 5: A}
        assert plan.conflicts == (Conflict("duplicate", 1, A),)
        assert writes_nothing_more(plan, ABC, seen)

    def test_conflicts_come_by_row_and_never_stop_the_other_codes(self):
        seen = tab(HEADERS, row(B), row(f"{C}!"), row(B), row(D))
        plan = update([FREE[A], TAKEN[B], FREE[C]], seen)
        assert plan.conflicts == (
            Conflict("annotated", 3, C),
            Conflict("duplicate", 4, B),
            Conflict("unknown_code", 5, D),
        )
        assert plan.rows_after == {2: B, 3: C, 4: B, 6: A}


class TestLayout:
    def test_a_lost_layout_writes_nothing_and_forgets_nothing(self):
        plan = update(ABC, tab(("Name",), ("Ada",)))
        lost = LayoutLost(HEADERS)
        assert plan == Plan("layout_lost", None, WRITTEN, conflicts=(Conflict("layout_lost", 1, None),), lost=lost)
        assert plan.is_empty

    def test_a_wholly_empty_tab_is_filled_as_a_new_target(self):
        seen = tab((), ("", None), row_count=2, columns=3)
        assert update(ABC, seen) == plan_new_target(ABC, seen)

    def test_an_edited_header_stays_as_the_customer_has_it(self):
        seen = tab(("Code", *HEADERS[1:4], "Learner", ""), row(A), row(B), row(C))
        plan = update([TAKEN[A], FREE[B], FREE[C]], seen)
        assert {y for y, _ in cells(plan)} == {1}
        assert not plan.header

    def test_a_header_that_was_sorted_away_is_not_written_again(self):
        seen = tab(row(A), row(B), HEADERS, row(C))
        plan = update([TAKEN[A], FREE[B], FREE[C]], seen)
        assert {y for y, _ in cells(plan)} == {0}
        assert plan.rows_after == {1: A, 2: B, 4: C}
        assert writes_nothing_more(plan, [TAKEN[A], FREE[B], FREE[C]], seen)


def test_what_was_written_says_what_every_row_of_ours_holds():
    seen = tab(HEADERS, row(B.upper()), row("Ada's"), row(f"{C}!", "note"), ("Total",), ())
    plan = update(ABC, seen, written=held((2, FREE[B]), (3, FREE[A]), (4, FREE[C])))
    assert plan.written == Written(
        IN_PLACE.columns,
        26,
        (
            HeldRow(2, B, (B.upper(), *FREE[B].status)),
            HeldRow(3, A, ("Ada's", *FREE[A].status)),
            HeldRow(4, C, (f"{C}!", *FREE[C].status)),
            HeldRow(6, A, FREE[A].cells),
        ),
    )
    assert [held.is_exact for held in plan.written.rows] == [True, False, False, True]


class TestPieces:
    wanted = tuple(replace(TAKEN[A], code=f"code {n}", redeemed_by="Ä" * (n % 7)) for n in range(200))

    def test_pieces_hold_every_cell_once_and_in_order(self):
        plan = plan_new_target(self.wanted, tab())
        parts = pieces(plan, limit_bytes=3000)
        assert len(parts) > 5
        values = [line for part in parts for run in part for line in run.values]
        assert tuple(values) == plan.writes[0].values
        assert parts[0][0].values[0] == HEADERS
        assert [run.row for part in parts for run in part] == sorted(run.row for part in parts for run in part)

    def test_pieces_keep_to_the_limit(self):
        parts = pieces(plan_new_target(self.wanted, tab()), limit_bytes=3000)
        sizes = [
            len(json.dumps([{"range": "'Sheet1'!A1:F200", "values": run.values} for run in part])) for part in parts
        ]
        assert max(sizes) <= 3000
        assert min(sizes[:-1]) > 2500

    def test_what_fits_is_one_piece(self):
        plan = plan_new_target(self.wanted, tab())
        assert pieces(plan, 2_000_000) == [plan.writes]

    def test_a_row_larger_than_the_limit_is_a_piece_by_itself(self):
        plan = plan_new_target(ABC, tab())
        assert [run.row for part in pieces(plan, 10) for run in part] == [0, 1, 2, 3]

    def test_nothing_to_write_is_no_piece(self):
        assert pieces(update(ABC, tab(HEADERS, row(A), row(B), row(C))), 1000) == []

    @given(limit=st.integers(1, 2000), runs=st.integers(0, 6))
    def test_many_runs_are_cut_without_loss(self, limit, runs):
        writes = tuple(CellRun(n * 10, n, tuple((n, "x" * k) for k in range(n + 1))) for n in range(runs))
        plan = Plan("update", IN_PLACE, None, writes)
        cut = Plan("update", IN_PLACE, None, tuple(run for part in pieces(plan, limit) for run in part))
        assert cells(cut) == cells(plan)

    def test_the_estimate_is_about_what_update_cells_takes(self):
        plan = plan_new_target(self.wanted, tab())
        request = {
            "updateCells": {
                "start": {"sheetId": 1234567890, "rowIndex": 0, "columnIndex": 0},
                "fields": "userEnteredValue",
                "rows": [
                    {"values": [{"userEnteredValue": {KINDS[type(value)]: value}} for value in line]}
                    for line in plan.writes[0].values
                ],
            }
        }
        size = len(json.dumps({"requests": [request]}))
        assert size <= plan.estimated_bytes <= 1.1 * size
