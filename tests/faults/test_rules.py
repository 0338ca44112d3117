"""Which changes of faults are reported, and how the messages describe them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2b_pipelines.faults.rules import NAMED, Finished, Lasting, Seen, Subject, messages, news, who_acts

SHEET = Subject("partition", "sheet_snapshots", "acme")
CHECK = Subject("check", "sheet_has_no_conflicts (sheet_snapshots)", "acme")


def wrong(subject: Subject, words: str = "share the sheet", *, warning: bool = False) -> Seen:
    return Seen(subject, False, words, warning=warning)


def right(subject: Subject) -> Seen:
    return Seen(subject, True)


@pytest.mark.parametrize(
    ("known", "seen", "begun", "over"),
    [
        pytest.param([], [wrong(SHEET)], 1, 0, id="a-new-fault-begins"),
        pytest.param([SHEET], [wrong(SHEET)], 0, 0, id="a-known-fault-is-no-news"),
        pytest.param([SHEET], [right(SHEET)], 0, 1, id="a-known-fault-ends"),
        pytest.param([], [right(SHEET)], 0, 0, id="what-was-right-is-no-news"),
        pytest.param([], [wrong(SHEET), right(SHEET)], 0, 0, id="the-second-try-went-well"),
        pytest.param([SHEET], [right(SHEET), wrong(SHEET)], 0, 0, id="the-last-word-counts"),
        pytest.param([SHEET], [], 0, 0, id="what-was-not-looked-at-stays-wrong"),
    ],
)
def test_news(known: list[Subject], seen: list[Seen], begun: int, over: int) -> None:
    changes = news([Lasting(subject) for subject in known], seen)
    assert (len(changes.begun), len(changes.over)) == (begun, over)


def test_a_new_cause_is_a_new_fault_and_what_is_right_ends_all_of_them() -> None:
    unshared, defect = Seen(SHEET, False, cause="sheet_unshared"), Seen(SHEET, False, cause="KeyError")
    assert news([unshared.fault], [defect]).begun == (defect,)
    assert news([unshared.fault, defect.fault], [defect]).begun == ()
    assert news([unshared.fault, defect.fault], [right(SHEET)]).over == (SHEET,)


def test_an_unexpected_error_is_for_developers_and_an_unsynced_sheet_for_the_customer() -> None:
    assert who_acts(Lasting(SHEET, "KeyError")) == "developers"
    assert who_acts(Lasting(SHEET, "google_unavailable")) == "operators"
    assert who_acts(Lasting(Subject("check", "sheet_is_synced (sheet_snapshots)", "acme"))) == "customer"


subjects = st.builds(Subject, st.just("partition"), st.sampled_from("ab"), st.sampled_from("xyz"))
runs = st.lists(st.lists(st.builds(Seen, subjects, st.booleans(), st.just("words")), max_size=6), max_size=8)


@given(runs)
def test_every_beginning_is_followed_by_one_end_before_the_next_beginning(seen: list[list[Seen]]) -> None:
    known: set[Subject] = set()
    for shown in seen:
        changes = news([Lasting(subject) for subject in known], shown)
        assert not known & {each.subject for each in changes.begun}
        assert known >= set(changes.over)
        known = (known | {each.subject for each in changes.begun}) - set(changes.over)
        last = {each.subject: each.right for each in shown}
        assert all((subject in known) != well for subject, well in last.items())


def told(failed: bool, seen: list[Seen], known: tuple[Subject, ...] = ()) -> list[dict[str, object]]:
    finished = Finished("1f", "sheet_refresh_job", failed, seen)
    return list(
        messages(
            finished, news([Lasting(each) for each in known], seen), dict.fromkeys(known, "2026-11-01T10:00:00+00:00")
        )
    )


def test_a_failed_run_is_one_message_that_names_what_failed_and_why() -> None:
    [message] = told(True, [wrong(SHEET), wrong(Subject("partition", "sheet_snapshots", "zeta"), "no such tab")])
    assert message["event"] == "run_failed"
    assert message["text"] == (
        "sheet_refresh_job failed: sheet_snapshots of acme: share the sheet; sheet_snapshots of zeta: no such tab"
    )
    assert message["failures"][0] == {"what": "sheet_snapshots", "partition": "acme", "reason": "share the sheet"}  # type: ignore[index]


def test_a_failed_run_with_nothing_new_says_nothing() -> None:
    assert told(True, [wrong(SHEET)], known=(SHEET,)) == []


def test_a_check_that_failed_for_several_contracts_is_one_message() -> None:
    other = Subject("check", CHECK.name, "zeta")
    [message] = told(False, [wrong(CHECK, "2 conflicts", warning=True), wrong(other, "1 conflict", warning=True)])
    assert (message["event"], message["severity"], message["count"]) == ("check_failed", "warning", 2)
    assert "acme, zeta: 2 conflicts" in str(message["text"])


def test_what_is_right_again_says_since_when_it_was_wrong() -> None:
    [message] = told(False, [right(SHEET)], known=(SHEET,))
    assert message["event"] == "recovered"
    assert message["recovered"] == [
        {"what": "sheet_snapshots", "partition": "acme", "failed_since": "2026-11-01T10:00:00+00:00"}
    ]


def test_a_thousand_faults_are_counted_and_some_of_them_named() -> None:
    many = [wrong(Subject("partition", "sheet_snapshots", f"c{number}")) for number in range(1000)]
    [message] = told(True, many)
    assert message["count"] == 1000
    assert len(message["failures"]) == NAMED  # type: ignore[arg-type]
    assert str(message["text"]).endswith("; and 980 more")
