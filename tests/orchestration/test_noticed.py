"""Dagster itself going wrong is noticed from outside, within three minutes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import dagster as dg
import httpx
import pytest
from dagster._core.scheduler.instigation import SensorInstigatorData, TickStatus

from b2b_pipelines.db.engine import Database
from b2b_pipelines.faults import watch
from schedules.upkeep import heartbeat
from tests.orchestration.processes import PROGRAMS, Processes, free_port, wait_until

IN_TIME = 180.0
"""Seconds within which somebody outside must be able to see that Dagster is not well."""


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
def test_a_sensor_that_raises_and_a_daemon_that_is_killed_are_noticed_from_outside(processes: Processes) -> None:
    port = free_port()
    processes.start("api", str(PROGRAMS / "b2b"), "api", "--port", str(port))
    with processes.instance() as instance, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as outside:
        processes.daemon()
        wait_until(lambda: is_broken(instance, "contract_changes"), processes, 180)
        seconds = noticed(outside, "contract_changes fails with ValueError", processes)
        assert seconds < IN_TIME
        assert gauge(outside, 'b2b_dagster_tick_error_seconds{name="contract_changes"}') >= 0
        killed = time.time()
        processes.kill("daemon")
        seconds = noticed(outside, "Dagster's daemon has not reported since", processes)
        assert seconds < IN_TIME
        assert gauge(outside, "b2b_dagster_watched_timestamp_seconds") < killed + 1


def is_broken(instance: dg.DagsterInstance, sensor: str) -> bool:
    """Give a sensor a cursor that it cannot read; return whether it has raised."""
    for state in instance.all_instigator_state():
        data = state.instigator_data
        if state.name != sensor or not isinstance(data, SensorInstigatorData):
            continue
        if data.cursor != "not a number":  # or a tick that was under way has moved it since
            instance.update_instigator_state(state.with_data(data._replace(cursor="not a number")))
        [last] = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1) or [None]
        return last is not None and last.status is TickStatus.FAILURE
    return False


def noticed(outside: httpx.Client, problem: str, processes: Processes) -> float:
    """Return the seconds until `/readyz?dagster` names the problem."""

    def names_it() -> bool:
        try:
            answer = outside.get("/readyz?dagster")
        except httpx.TransportError:  # the API starts
            return False
        return answer.status_code == 503 and problem in answer.json()["detail"]

    began = time.monotonic()
    wait_until(names_it, processes, 2 * IN_TIME)
    return time.monotonic() - began


def gauge(outside: httpx.Client, name: str) -> float:
    """Return the value of a gauge in `/metrics`."""
    [value] = [line.rpartition(" ")[2] for line in outside.get("/metrics").text.splitlines() if line.startswith(name)]
    return float(value)
