"""Formulas beside the codes: their new values after our write do not count as edits.

Twelve formulas in five places, through three events: every code stands once, one write, nothing is contended, and no
foreign cell changes.
"""

from itertools import product

import pytest

from b2b_pipelines.sheets.layout import HEADERS
from sandbox.google.a1 import column_letters
from sandbox.google.cells import Formula

FORMULAS = {
    "given": '=IF({code}2="","","given")',
    "repeats": "={code}2",
    "status": '=IF({code}2="","",{total}2)',
    "arithmetic": "={total}2*10+1",
    "text": '=UPPER({code}2)&"-"&${use}$1',
    "absolute": "=${code}$2",
    "counts-this": "=COUNTIF(${code}$2:${code}$100,{code}2)",
    "counts-all": "=COUNTA({code}$2:{code})",
    "looks-up": "=VLOOKUP({code}2,${code}$2:${email}$100,1,FALSE)",
    "used": '=IF({email}2="","free","used")',
    "numbers": "=ROW()-1",
    "truth": '=IF({code}2="",FALSE,TRUE)',
}
PLACES = ("prepared", "beside", "left", "between", "far")
EVENTS = ("cap", "redeemed", "row deleted")


def ours(tab) -> dict[str, int]:
    """Where our columns are, by their header's first row that has it."""
    for row in range(4):
        titles = [tab.shown_at(row, column) for column in range(tab.column_count)]
        if HEADERS[0] in titles:
            return {header: titles.index(header) for header in HEADERS} | {"row": row}
    raise AssertionError("the header is gone")


def put_formulas(tab, formula: str, place: str) -> None:
    """Fill a formula down in one of five places beside six codes."""
    if place == "left":
        tab.insert_columns("A")
    if place == "between":
        tab.insert_columns("C")
    at = ours(tab)
    column = {"left": "A", "between": "C", "far": "P"}.get(place, "H")
    code, use, total, _, email, _ = (column_letters(at[header]) for header in HEADERS)
    tab.type(f"{column}1", "Theirs")
    tab.type(f"{column}2", formula.format(code=code, use=use, total=total, email=email))
    tab.fill_down(f"{column}2", 7 if place == "beside" else 30)


def formulas(tab) -> list[tuple[int, int, str]]:
    return [
        (row, column, cell.text)
        for row, line in enumerate(tab.rows)
        for column, cell in enumerate(line)
        if isinstance(cell, Formula)
    ]


def happens(acme, event: str) -> None:
    if event == "cap":
        acme.modify(max_learners=10)
    elif event == "redeemed":
        acme.redeem(acme.codes()[3], "ann@example.com")
        acme.modify(max_learners=8)
    else:
        acme.tab.delete_rows(4)


@pytest.mark.parametrize(
    ("name", "place", "event"),
    [
        pytest.param(
            name, place, event, id=f"{name}-{place}-{event}", marks=() if name == "given" else pytest.mark.long
        )
        for name, place, event in product(FORMULAS, PLACES, EVENTS)
    ],
)
def test_a_formula_beside_the_codes_is_no_edit(deliver, name, place, event):
    acme = deliver(cap=6)
    acme.sync()
    put_formulas(acme.tab, FORMULAS[name], place)
    acme.sync()
    happens(acme, event)
    before = formulas(acme.tab)
    acme.requests()

    done = acme.sync()

    requests = acme.requests()
    assert (requests["read"] <= 2, requests["write"]) == (True, 1)
    assert [conflict.kind for conflict in done.conflicts] == []
    at = ours(acme.tab)[HEADERS[0]]
    shown = [acme.tab.shown_at(row, at) for row in range(1, 40)]
    assert sorted(filter(None, shown)) == sorted(acme.codes())
    assert formulas(acme.tab) == before
    acme.requests()
    assert not acme.sync().changed
    assert acme.requests()["write"] == 0
