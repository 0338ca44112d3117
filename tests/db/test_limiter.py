"""Pacing over threads and processes, with minutes of about a second."""

import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from b2b_pipelines.db.engine import Database
from b2b_pipelines.db.limiter import Kind, Limiter, OutOfPermits, RequestPermits
from tests.statements import statements
from tests.waiting import take, wait_until

ACCOUNT = "b2b@project.iam.gserviceaccount.com"

WORK = """
import random, sys, time
from concurrent.futures import ThreadPoolExecutor
from sqlalchemy import create_engine
from b2b_pipelines.db.limiter import Limiter

engine = create_engine(sys.argv[1])

def work(thread):
    limiter = Limiter(engine, "b2b@project.iam.gserviceaccount.com", int(sys.argv[2]), window=0.8, margin=0.1)
    for _ in range(4):
        limiter.wait("read")
        print(f"{time.time()} ", end="", flush=True)  # one write: threads must not mix their times
        time.sleep(random.random() / 10)

with ThreadPoolExecutor(3) as threads:
    list(threads.map(work, range(3)))
"""


@pytest.fixture
def engine(database: Database) -> Engine:
    RequestPermits.metadata.create_all(database.engine, [RequestPermits.__table__], checkfirst=True)
    return database.engine


def limiter(engine: Engine, per_minute: int, window: float, max_wait: float = 30, account: str = ACCOUNT) -> Limiter:
    return Limiter(engine, account, per_minute, window=window, margin=0, max_wait=max_wait)


@pytest.mark.long
@pytest.mark.parametrize("per_minute", [5, 13])
def test_never_more_than_allowed_in_any_window_over_processes_and_threads(
    engine: Engine, database_url: str, per_minute: int
) -> None:
    command = [sys.executable, "-c", WORK, database_url, str(per_minute)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[0] for process in processes]
    times = sorted(float(line) for each in told for line in each.split())
    assert len(times) == 2 * 3 * 4
    gaps = [later - earlier for earlier, later in zip(times, times[per_minute:], strict=False)]
    assert min(gaps) > 0.8
    assert times[-1] - times[0] < 0.9 * len(times) / per_minute + 5


def test_what_is_free_is_given_at_once_and_the_rest_when_the_window_has_passed(engine: Engine) -> None:
    paced = limiter(engine, 5, window=0.5)
    assert sum(paced.wait("write") for _ in range(5)) < 0.3
    assert 0.2 < paced.wait("write") < 0.6


def test_kinds_and_accounts_do_not_count_against_each_other(engine: Engine) -> None:
    kinds: list[Kind] = ["read", "write"]
    for account in ("one@example.com", "other@example.com"):
        for kind in kinds:
            assert limiter(engine, 1, window=30, account=account).wait(kind) < 0.3


def test_the_name_of_the_account_is_not_kept(engine: Engine) -> None:
    limiter(engine, 1, window=1).wait("read")
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT request_permits::text FROM request_permits")).scalars().all()
    assert len(kept) == 1
    assert "b2b" not in kept[0]
    assert "@" not in kept[0]


def test_first_come_first_served(engine: Engine) -> None:
    served: list[int] = []

    def come(number: int) -> None:
        limiter(engine, 1, window=0.15).wait("read")
        served.append(number)

    with ThreadPoolExecutor(8) as threads:
        for number in range(8):
            threads.submit(come, number)
            take(0.02)
    assert served == list(range(8))


@pytest.mark.long
def test_a_process_killed_while_it_waits_has_wasted_one_permit(engine: Engine, database_url: str) -> None:
    paced = limiter(engine, 1, window=1.0)
    paced.wait("read")
    program = (
        "import sys; from sqlalchemy import create_engine; from b2b_pipelines.db.limiter import Limiter;"
        f"limiter = Limiter(create_engine(sys.argv[1]), {ACCOUNT!r}, 1, window=1.0, margin=0);"
        "limiter.wait('read'); limiter.wait('read')"  # the first is free where the start took a second
    )
    with subprocess.Popen([sys.executable, "-c", program, database_url]) as waiting:
        wait_until(lambda: permits_in_future(engine) > 0, 90)
        waiting.kill()
    given = time.monotonic()
    waited = paced.wait("read")
    assert 0.9 < waited < 2.1
    assert time.monotonic() - given < 2.1


def permits_in_future(engine: Engine) -> int:
    with engine.connect() as connection:
        newest = text("SELECT count(*) FROM request_permits WHERE slots[cardinality(slots)] > clock_timestamp()")
        return int(connection.execute(newest).scalar_one())


def test_a_wait_longer_than_allowed_is_refused_at_once_and_costs_nothing(engine: Engine) -> None:
    limiter(engine, 1, window=0.6).wait("read")
    began = time.monotonic()
    for _ in range(5):
        with pytest.raises(OutOfPermits, match="more than 0 s, at 1 a minute"):
            limiter(engine, 1, window=0.6, max_wait=0.01).wait("read")
    assert time.monotonic() - began < 0.4
    assert limiter(engine, 1, window=0.6).wait("read") < 0.7


def test_a_pause_holds_for_those_who_come_and_for_those_who_wait_already(engine: Engine) -> None:
    paced = limiter(engine, 2, window=0.3)
    paced.wait("read")
    paced.wait("read")
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(paced.wait, "read") for _ in range(2)]
        take(0.1)
        paced.pause("read", 1.0)
        paused = time.monotonic()
        assert paced.wait("write") < 0.3
        for each in waiting:
            each.result()
        assert time.monotonic() - paused > 0.95


def test_a_pause_before_the_first_request_holds_and_a_shorter_one_does_not_end_it(engine: Engine) -> None:
    paced = limiter(engine, 5, window=0.1)
    paced.pause("read", 0.6)
    paced.pause("read", 0.0)
    assert 0.5 < paced.wait("read") < 1.0
    assert paced.wait("read") < 0.3


def test_a_pause_longer_than_one_may_wait_is_refused(engine: Engine) -> None:
    paced = limiter(engine, 5, window=0.1, max_wait=1)
    paced.pause("write", 60)
    with pytest.raises(OutOfPermits):
        paced.wait("write")


def test_a_lower_limit_counts_what_was_given_under_the_higher_one(engine: Engine) -> None:
    for _ in range(6):
        limiter(engine, 6, window=0.6).wait("read")
    assert 0.3 < limiter(engine, 2, window=0.6).wait("read") < 0.7


def test_a_permit_that_is_free_costs_one_statement(engine: Engine) -> None:
    paced = limiter(engine, 100, window=60)
    paced.wait("read")
    with statements(engine) as sent:
        for _ in range(20):
            paced.wait("read")
    assert len(sent) == 20


def test_permits_of_a_minute_are_all_that_is_kept(engine: Engine) -> None:
    paced = limiter(engine, 7, window=0.01)
    for _ in range(30):
        paced.wait("read")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT cardinality(slots) FROM request_permits")).scalar() == 7


def test_first_permits_of_an_account_asked_for_at_once_are_counted_too(engine: Engine) -> None:
    together = threading.Barrier(6)

    def ask(_: int) -> float:
        together.wait()
        take(random.random() / 1000)
        return limiter(engine, 3, window=0.7).wait("read")

    with ThreadPoolExecutor(6) as threads:
        waited = sorted(threads.map(ask, range(6)))
    assert waited[2] < 0.4 < waited[3]


def test_a_limit_below_one_makes_no_sense(engine: Engine) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Limiter(engine, ACCOUNT, 0)


def test_routine_work_leaves_its_rest_of_the_window_to_urgent_work_and_reserves_nothing(engine: Engine) -> None:
    routine = Limiter(engine, ACCOUNT, 8, window=2, margin=0, share=0.75)
    urgent = limiter(engine, 8, window=2)
    assert sum(urgent.wait("read") for _ in range(6)) < 0.5
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(routine.wait, "read") for _ in range(4)]
        assert urgent.wait("read") + urgent.wait("read") < 0.5
        assert all(each.result() > 0.5 for each in waiting)


def test_routine_work_spreads_its_share_over_the_window(engine: Engine) -> None:
    routine = Limiter(engine, ACCOUNT, 48, window=6, margin=0, share=0.75, max_wait=0)
    began = time.monotonic()
    for _ in range(6):
        routine.wait("read")
    assert time.monotonic() - began < 0.8
    with pytest.raises(OutOfPermits):
        routine.wait("read")
    urgent = limiter(engine, 48, window=6)
    assert sum(urgent.wait("read") for _ in range(42)) < 0.5
    with pytest.raises(OutOfPermits):
        limiter(engine, 48, window=6, max_wait=0.5).wait("read")


def test_routine_work_gives_up_when_no_permit_is_free_in_time(engine: Engine) -> None:
    routine = Limiter(engine, ACCOUNT, 4, window=30, margin=0, share=0.5, max_wait=0.2)
    routine.wait("read")
    with pytest.raises(OutOfPermits, match="at 2 a minute"):
        routine.wait("read")


def test_one_thread_at_a_time_looks_for_a_permit_of_routine_work(engine: Engine) -> None:
    routine = Limiter(engine, ACCOUNT, 4, window=30, margin=0, share=0.25, max_wait=1)
    routine.wait("read")
    with statements(engine) as looks, ThreadPoolExecutor(16) as threads:
        waiting = [threads.submit(routine.wait, "read") for _ in range(16)]
    assert all(isinstance(each.exception(), OutOfPermits) for each in waiting)
    assert len(looks) <= 20, "each of 16 threads looked again and again"


def test_a_spent_minute_pauses_everybody_until_it_is_over_and_no_longer(database):
    one, other = (Limiter(database.engine, "minute", 100, window=0.6, margin=0) for _ in range(2))
    began = time.monotonic()
    one.pause_until_minute_ends("read")
    take(0.3)
    other.pause_until_minute_ends("read")  # refused too, because it was on its way
    assert other.wait("write") < 0.1, "writes have a quota of their own"
    one.wait("read")
    assert 0.55 <= time.monotonic() - began < 0.85
