"""Whether Dagster is well, from what was last seen of it."""

from datetime import UTC, datetime, timedelta

import pytest

from b2b_pipelines.db.engine import Database
from b2b_pipelines.faults import service, watch
from b2b_pipelines.faults.rules import Finished, Seen, Subject
from b2b_pipelines.faults.watch import Facts, FailingTick, Watched
from tests.commands import Run, run

__all__ = ["run"]

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
WELL = Facts(daemons={"SENSOR": NOW.timestamp() - 20}, queued=1, oldest_queued_since=NOW.timestamp() - 5)


@pytest.mark.parametrize(
    ("watched", "words"),
    [
        pytest.param(Watched(NOW - timedelta(seconds=61), WELL), [], id="all-is-well"),
        pytest.param(None, ["has not reported yet"], id="never-seen"),
        pytest.param(Watched(NOW - timedelta(minutes=3), WELL), ["has not reported since"], id="the-daemon-is-down"),
        pytest.param(
            Watched(NOW, Facts(failing=(FailingTick("contract_changes", NOW.timestamp() - 60, "KeyError"),))),
            ["contract_changes fails with KeyError"],
            id="a-sensor-raises",
        ),
        pytest.param(
            Watched(NOW, Facts(queued=7, oldest_queued_since=NOW.timestamp() - 3600)),
            ["a run waits in the queue since 11:00 UTC, 7 in all"],
            id="the-queue-stands-still",
        ),
        pytest.param(
            Watched(NOW, Facts(daemons={"QUEUED_RUN_COORDINATOR": NOW.timestamp() - 600})),
            ["the QUEUED_RUN_COORDINATOR daemon sends no heartbeat"],
            id="one-daemon-stopped",
        ),
    ],
)
def test_problems(watched: Watched | None, words: list[str]) -> None:
    found = list(watch.problems(watched, NOW))
    assert len(found) == len(words)
    assert all(part in problem.words for part, problem in zip(words, found, strict=True))


def note(database: Database, facts: Facts) -> None:
    with database.session() as session:
        watch.save(session, facts)


def test_status_says_what_is_wrong_and_who_must_do_what(run: Run, database: Database) -> None:
    note(database, Facts(failing=(FailingTick("contract_changes", NOW.timestamp(), "KeyError"),)))
    unshared = Subject("check", "sheet_is_synced (sheet_snapshots)", "acme")
    service.record_run(
        database, Finished("1f", "job", False, [Seen(unshared, False, "share it with b2b@example.test")])
    )
    shown = run("b2b status --json")
    assert shown.status == 0
    problems = shown.json["problems"]
    assert [(each["what"], each["partition"], each["who"]) for each in problems] == [
        ("contract_changes", None, "operators"),
        ("sheet_is_synced (sheet_snapshots)", "acme", "customer"),
    ]
    assert problems[1]["do"] == "share it with b2b@example.test"
    assert "share it with" in run("b2b status").out
    note(database, Facts())
    service.record_run(database, Finished("2f", "job", False, [Seen(unshared, True)]))
    assert run("b2b status --json").json == {"well": True, "problems": []}
