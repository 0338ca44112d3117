"""The time to plan the writes to a tab of 10,000 codes: `python -m benchmarks.plan`.

The best of several rounds, from the values as read to the finished plan: columns found, codes compared, cells to write
merged into rectangles.
"""

import random
import time
import uuid
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from b2b_pipelines.cells import Area, Formula
from b2b_pipelines.sheets.columns import find_layout
from b2b_pipelines.sheets.layout import Cell, CodeRow, Layout, Tab, Written, present_codes
from b2b_pipelines.sheets.plan import Plan, plan_new_target, plan_update

CODES = 10_000
ROUNDS = 9
DAY = "2026-11-01 10:00:00 UTC"


def codes(count: int, chance: random.Random) -> list[CodeRow]:
    """Return codes of which every second one was redeemed."""
    rows = []
    for number in range(count):
        code = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        free = CodeRow(code, "one-time", 0, "", "", "")
        rows.append(CodeRow(code, "one-time", 1, DAY, f"learner{number}@example.com", DAY) if number % 2 else free)
    return rows


def as_read(rows: Sequence[Sequence[Cell]]) -> list[list[Cell]]:
    """Return rows as Google gives them: without trailing blanks."""
    read = [list(row) for row in rows]
    for row in read:
        while row and row[-1] == "":
            row.pop()
    return read


def next_sync(wanted: Sequence[CodeRow], tab: Tab, written: Written | None) -> Plan:
    layout = find_layout(tab, (), written)
    assert isinstance(layout, Layout)
    present_codes(tab, layout)
    return plan_update(wanted, tab, layout, written)


def beside_formulas(tab: Tab) -> Tab:
    """Return the tab beside eight columns of formulas, with a merge in every tenth row, and 1,000 prepared rows."""
    rows = [
        [*row, *[""] * (6 - len(row)), *(Formula(f'=IF(A{n}="","",{letter}{n})', "x") for letter in "ABCDEFGH")]
        for n, row in enumerate([*tab.values, *[[]] * 1_000], 1)
    ]
    merges = tuple(Area(row, row % 6, row + 2, row % 6 + 1) for row in range(1, len(tab.values), 10))
    return Tab(rows, len(rows), 26, merges)


def timed(plan: Callable[[], Plan]) -> tuple[float, Plan]:
    """Return the best time in milliseconds, and the plan."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        result = plan()
        best = min(best, time.perf_counter() - start)
    return best * 1000, result


def measurements() -> list[tuple[str, float, Plan]]:
    """Yield the name of each case, its time in milliseconds, and the plan."""
    chance = random.Random(4)
    wanted = codes(CODES, chance)
    fill = plan_new_target(wanted, Tab((), 1000, 26))
    header, *rows = as_read(fill.writes[0].values)
    tab = Tab([header, *rows], CODES + 1, 26)
    by_code = Tab([header, *sorted(rows, key=str)], CODES + 1, 26)
    header_too = Tab(sorted([header, *rows], key=str), CODES + 1, 26)
    filled_down, sorted_too = beside_formulas(tab), beside_formulas(by_code)
    more = [*wanted, *codes(50, random.Random(5))]
    cleared = Tab([header, *([row[0]] for row in rows)], CODES + 1, 26)
    cases: list[tuple[str, Callable[[], Plan]]] = [
        ("first fill", lambda: plan_new_target(wanted, Tab((), 1000, 26))),
        ("nothing changed", lambda: next_sync(wanted, tab, fill.written)),
        ("50 new codes", lambda: next_sync(more, tab, fill.written)),
        ("all rows sorted", lambda: next_sync(wanted, by_code, fill.written)),
        ("all rows sorted, the header among them", lambda: next_sync(wanted, header_too, fill.written)),
        ("all status cells emptied", lambda: next_sync(wanted, cleared, fill.written)),
        ("50 new codes, beside formulas and merges", lambda: next_sync(more, filled_down, fill.written)),
        (
            "all rows sorted, beside formulas and merges",
            lambda: next_sync(wanted, sorted_too, fill.written),
        ),
    ]
    return [(name, *timed(plan)) for name, plan in cases]


def main() -> None:
    table = Table("10,000 codes", *("ms", "appended", "updated", "unchanged", "rectangles"), title="Planning a sync")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, milliseconds, plan in measurements():
        counts = (plan.appended, plan.updated, plan.unchanged, len(plan.writes))
        table.add_row(name, f"{milliseconds:.1f}", *(f"{count:,}" for count in counts))
    Console().print(table)


if __name__ == "__main__":
    main()
