"""Dagster itself going wrong is noticed from outside, within three minutes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import SensorInstigatorData

from b2b_pipelines.db.engine import Database
from b2b_pipelines.faults import watch
from schedules.upkeep import heartbeat
from tests.orchestration.processes import Processes, wait_until


def beat(database: Database, instance: dg.DagsterInstance) -> list[Any]:
    context = dg.build_schedule_context(
        instance, scheduled_execution_time=datetime.now(UTC), resources={"database": database}
    )
    return list(heartbeat(context))  # type: ignore[call-overload]


@pytest.mark.usefixtures("surroundings")
def test_each_minute_dagster_is_looked_at_and_the_dead_mans_switch_is_called(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.instance_for_test() as instance:
        [skipped] = beat(database, instance)
        assert skipped.skip_message == "B2B_HEARTBEAT_URL is not set"
        with database.session() as session:
            assert list(watch.problems(watch.last(session), datetime.now(UTC))) == []
        with switch() as (url, called):
            monkeypatch.setenv("B2B_HEARTBEAT_URL", url)
            [skipped] = beat(database, instance)
            assert skipped.skip_message == "B2B_HEARTBEAT_URL was called"
            assert called == ["/ping"]
            monkeypatch.setenv("B2B_HEARTBEAT_URL", url.replace("ping", "gone"))
            with pytest.raises(dg.Failure, match="answered 404"):
                beat(database, instance)


@contextmanager
def switch() -> Iterator[tuple[str, list[str]]]:
    """A dead man's switch; its URL, and the paths that were called."""
    called: list[str] = []

    class Switch(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            called.append(self.path)
            self.send_response(200 if self.path == "/ping" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Switch)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/ping", called
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.long
@pytest.mark.usefixtures("surroundings")
def test_a_sensor_that_raises_and_a_daemon_that_is_killed_are_noticed(processes: Processes, database: Database) -> None:
    def problems(after: timedelta = timedelta(0)) -> str:
        with database.session() as session:
            found = watch.problems(watch.last(session), datetime.now(UTC) + after)
            return "; ".join(problem.words for problem in found)

    with processes.instance() as instance:
        processes.daemon()
        wait_until(lambda: problems() == "", processes, 180)
        began = datetime.now(UTC)
        [state] = [state for state in instance.all_instigator_state() if state.name == "contract_changes"]
        data = state.instigator_data
        assert isinstance(data, SensorInstigatorData)
        instance.update_instigator_state(state.with_data(data._replace(cursor="not a number")))
        wait_until(lambda: "contract_changes fails with ValueError" in problems(), processes, 180)
        assert datetime.now(UTC) - began < timedelta(minutes=3)
        processes.kill("daemon")
        assert "has not reported since" in problems(after=timedelta(minutes=3))
