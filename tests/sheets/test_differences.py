"""The differences between two snapshots."""

from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.sheets.differences import Change, differences


def held(row: int, code: str, redeemer: str = ""):
    return row, code, (code, "one-time", int(bool(redeemer)), "", redeemer, "")


def test_nothing_differs_from_itself():
    rows = [held(2, "a"), held(3, "b", "x@example.com")]
    assert differences(rows, rows) == []


def test_changed_added_gone_and_moved_rows_are_told_apart():
    before = [held(2, "a"), held(3, "b"), held(4, "c"), held(5, "d")]
    after = [held(2, "b"), held(3, "a", "x@example.com"), held(5, "d"), held(6, "e")]
    found = differences(before, after)
    assert [(change.kind, change.code) for change in found] == [
        ("changed", "a"),
        ("added", "e"),
        ("gone", "c"),
        ("moved", "b"),
    ]
    changed = found[0]
    assert (changed.row_before, changed.row_after) == (2, 3)
    assert changed.cells == (("Total Redemptions", 0, 1), ("Redeemed By", "", "x@example.com"))


def test_copies_of_a_code_are_compared_from_the_top():
    before = [held(2, "a"), held(3, "a")]
    after = [held(2, "a"), held(3, "a", "x@example.com"), held(4, "a")]
    kinds = [(change.kind, change.row_after) for change in differences(before, after)]
    assert kinds == [("changed", 3), ("added", 4)]


snapshots = st.lists(
    st.builds(held, st.integers(2, 9), st.sampled_from("abcd"), st.sampled_from(["", "x"])), max_size=8
)


@given(snapshots, snapshots)
def test_what_differs_leads_from_one_to_the_other(before, after):
    found = differences(before, after)
    assert len(after) - len(before) == sum((change.kind == "added") - (change.kind == "gone") for change in found)
    backwards = differences(after, before)
    turned = {Change(c.code, c.row_after, c.row_before, tuple((h, b, a) for h, a, b in c.cells)) for c in backwards}
    assert set(found) == turned
