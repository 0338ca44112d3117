"""Whether Dagster is well, as seen from outside."""

from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy import text

from b2b_pipelines.db.engine import Database
from b2b_pipelines.faults import watch
from b2b_pipelines.faults.watch import Facts, FailingTick


def note(database: Database, facts: Facts) -> None:
    with database.session() as session:
        watch.save(session, facts)


def test_readiness_with_dagster_says_when_its_daemon_reported_last(api_url: str, database: Database) -> None:
    never = httpx.get(f"{api_url}/readyz?dagster")
    assert never.status_code == 503
    assert "has not reported yet" in never.json()["detail"]
    note(database, Facts())
    assert httpx.get(f"{api_url}/readyz?dagster").json() == {"status": "ok"}
    with database.session() as session:
        session.execute(text("UPDATE dagster_watch SET watched_at = watched_at - interval '151 seconds'"))
    late = httpx.get(f"{api_url}/readyz?dagster")
    assert late.status_code == 503
    assert late.json()["error_code"] == "dagster_not_well"
    assert httpx.get(f"{api_url}/readyz").status_code == 200


def test_a_sensor_that_raises_is_named_by_readiness_and_metrics(api_url: str, database: Database) -> None:
    since = (datetime.now(UTC) - timedelta(minutes=2)).timestamp()
    note(database, Facts(failing=(FailingTick("contract_changes", since, "KeyError"),), queued=3, running=2))
    answer = httpx.get(f"{api_url}/readyz?dagster")
    assert answer.status_code == 503
    assert "contract_changes fails with KeyError" in answer.json()["detail"]
    shown = httpx.get(f"{api_url}/metrics").text
    [seconds] = [line for line in shown.splitlines() if line.startswith("b2b_dagster_tick_error_seconds{")]
    assert 'name="contract_changes"' in seconds
    assert 119 < float(seconds.rsplit(" ", 1)[1]) < 200
    assert "b2b_dagster_queued_runs 3.0" in shown
    assert 'b2b_faults{kind="check"} 0.0' in shown
