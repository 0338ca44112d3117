"""Turns taken by threads and processes, on a real PostgreSQL."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, text

from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.locks import Busy, LockLost, exclusive, lock_key, transaction_lock
from b2b_pipelines.errors import TransientError
from tests.waiting import take, wait_until

HOLD = """
import sys
from sqlalchemy import create_engine
from b2b_pipelines.db.locks import exclusive
with exclusive(create_engine(sys.argv[1]), "sheet", "abc", holder=sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def engine(database: Database) -> Engine:
    return database.engine


@pytest.fixture
def holding(database_url: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of sheet abc until its input ends."""
    command = [sys.executable, "-c", HOLD, database_url, "b2b sheet sync acme (process 4711)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def advisory_locks(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).scalar_one())


def test_keys_never_change() -> None:
    """A version that computed another key would not see the locks of the one still running beside it."""
    assert lock_key("contract", 7) == lock_key("contract", "7") == 9031455028457169511
    assert lock_key("spreadsheet", "1AbcÄ") == 3026792557510788315


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_keys_fit_and_differ(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert -(2**63) <= lock_key(*one) < 2**63
    if one != other and "\0" not in "".join(one + other):
        assert lock_key(*one) != lock_key(*other)


def test_a_transaction_waits_for_the_other_to_end(database: Database) -> None:
    order = []
    taken = threading.Event()

    def first() -> None:
        with database.session() as session:
            transaction_lock(session, "contract", 7)
            taken.set()
            take(0.2)
            order.append("first")

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(first)
        taken.wait(5)
        with database.session() as session:
            transaction_lock(session, "contract", 8)
            order.append("another contract")
            transaction_lock(session, "contract", 7)
            order.append("second")
        done.result()
    assert order == ["another contract", "first", "second"]


def test_exclusive_work_is_done_one_at_a_time(engine: Engine) -> None:
    inside = 0
    most = 0

    def work(_: int) -> None:
        nonlocal inside, most
        with exclusive(engine, "sheet", "abc", holder="test"):
            inside += 1
            most = max(most, inside)
            take(0.01)
            inside -= 1

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(12)))
    assert most == 1
    wait_until(lambda: advisory_locks(engine) == 0)


def test_who_waited_long_enough_is_told_who_is_at_it(engine: Engine, holding: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    with (
        pytest.raises(
            Busy, match=r"^sheet abc is locked by b2b sheet sync acme \(process 4711\): try again"
        ) as refusal,
        exclusive(engine, "sheet", "abc", holder="second", wait=1.3),
    ):
        pytest.fail("two at once")
    assert 1.2 < time.monotonic() - began < 3
    assert refusal.value.code == "busy"
    assert isinstance(refusal.value, TransientError)


def test_not_waiting_at_all_is_allowed(engine: Engine, holding: subprocess.Popen[str]) -> None:
    began = time.monotonic()
    with pytest.raises(Busy), exclusive(engine, "sheet", "abc", holder="second", wait=0):
        pytest.fail("two at once")
    assert time.monotonic() - began < 0.5


def test_the_next_one_comes_in_as_soon_as_the_holder_is_killed(engine: Engine, holding: subprocess.Popen[str]) -> None:
    threading.Timer(0.2, holding.kill).start()
    began = time.monotonic()
    with exclusive(engine, "sheet", "abc", holder="second", wait=20):
        assert time.monotonic() - began < 5


def test_transaction_locks_and_exclusive_work_exclude_each_other(database: Database) -> None:
    with database.session() as session:
        transaction_lock(session, "sheet", "abc")
        with pytest.raises(Busy), exclusive(database.engine, "sheet", "abc", holder="second", wait=0.05):
            pytest.fail("two at once")


@pytest.mark.parametrize(
    ("holder", "shown"),
    [
        ("b2b sheet sync acme-2026 (process 4711)", "b2b sheet sync acme-2026 (process 4711)"),
        (
            "b2b sheet sync " + "long-" * 20 + " (process 4711)",
            "b2b sheet sync long-long-long-long-...long-long- (process 4711)",
        ),
        ("b2b sheet sync ärzte", "b2b sheet sync ?rzte"),
    ],
)
def test_a_holder_is_recognized_whatever_its_name(engine: Engine, holder: str, shown: str) -> None:
    with (
        exclusive(engine, "sheet", "abc", holder=holder),
        pytest.raises(Busy) as refusal,
        exclusive(engine, "sheet", "abc", holder="second", wait=0),
    ):
        pytest.fail("two at once")
    assert f"locked by {shown}: " in str(refusal.value)


def test_during_the_work_the_connection_is_in_no_transaction_and_takes_no_place_in_the_pool(database_url: str) -> None:
    small = create_engine(database_url, pool_size=1, max_overflow=0, pool_timeout=1)
    with exclusive(small, "sheet", "abc", holder="first"), small.connect() as connection:
        states = connection.execute(text("SELECT state FROM pg_stat_activity WHERE application_name = 'first'"))
        assert states.scalars().all() == ["idle"]
    with small.connect() as connection:
        assert connection.execute(text("SHOW application_name")).scalar() == ""
        assert connection.execute(text("SHOW lock_timeout")).scalar() == "0"
    small.dispose()


def test_work_that_raises_lets_go_and_its_error_is_the_one_told(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(engine, "sheet", "abc", holder="first"):
        _ = 1 / 0
    with exclusive(engine, "sheet", "abc", holder="second", wait=0) as held:
        held.confirm()


def cut(engine: Engine, name: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        where = "FROM pg_stat_activity WHERE application_name = :name"
        assert connection.execute(text(f"SELECT pg_terminate_backend(pid) {where}"), {"name": name}).scalar()
        wait_until(lambda: connection.execute(text(f"SELECT count(*) {where}"), {"name": name}).scalar() == 0)


def test_a_lock_lost_during_the_work_is_told_at_the_end(engine: Engine) -> None:
    with pytest.raises(LockLost, match="sheet abc"), exclusive(engine, "sheet", "abc", holder="first"):
        cut(engine, "first")
    with exclusive(engine, "sheet", "abc", holder="second", wait=0):
        pass


def test_a_lost_lock_can_be_noticed_before_a_step_that_matters(engine: Engine) -> None:
    with pytest.raises(LockLost, match="sheet abc"), exclusive(engine, "sheet", "abc", holder="first") as held:
        held.confirm()
        cut(engine, "first")
        held.confirm()
        pytest.fail("went on without the lock")


def test_the_works_own_error_is_not_hidden_by_a_lost_lock(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(engine, "sheet", "abc", holder="first"):
        cut(engine, "first")
        _ = 1 / 0


def test_a_statement_timeout_of_the_server_does_not_shorten_the_wait(
    database_url: str, holding: subprocess.Popen[str]
) -> None:
    hasty = create_engine(database_url, connect_args={"options": "-c statement_timeout=100ms"})
    threading.Timer(0.4, holding.kill).start()
    with exclusive(hasty, "sheet", "abc", holder="second", wait=20):
        pass
    hasty.dispose()
