"""How many requests a client may make, whatever worker they reach."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from b2b_pipelines.academies import throttle
from b2b_pipelines.academies.throttle import LEASE_SECONDS, Rate, Throttle, grant
from b2b_pipelines.db.engine import DatabaseUnavailable

HOURLY = Rate(120, 3600)


def test_a_rate_is_read_from_its_setting():
    assert Rate.parse("120/hour") == HOURLY
    assert (Rate.parse("5/minute"), Rate.parse("7/day")) == (Rate(5, 60), Rate(7, 86400))


def test_a_client_gets_at_most_a_quarter_of_what_is_left_and_one_if_there_is_one():
    assert grant([], HOURLY, 0.0, 1000).count == 30
    assert grant([[0, 117]], HOURLY, 10.0, 1000).count == 1
    nothing = grant([[0, 120]], HOURLY, 10.0, 1)
    assert nothing.count == 0
    assert nothing.wait == pytest.approx(60 + 3600 + LEASE_SECONDS - 10)


def test_what_was_given_back_does_not_shorten_the_wait():
    assert grant([[0, 0], [5, 120]], HOURLY, 310.0, 1).wait == pytest.approx(6 * 60 + 3600 + LEASE_SECONDS - 310)


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 40)), min_size=1, max_size=60),
    st.integers(1, 30),
)
def test_no_minute_ever_holds_more_than_the_rate_allows(steps, count):
    rate = Rate(count, 60)
    now, grants, given_at = 0.0, [], []
    for pause, wanted in steps:
        now += pause
        granted = grant(grants, rate, now, wanted)
        grants = granted.grants
        given_at += [now] * granted.count
    for moment in given_at:
        assert sum(moment <= other < moment + rate.seconds for other in given_at) <= count


@given(st.lists(st.floats(0, 30), min_size=1, max_size=40), st.integers(1, 5))
def test_whoever_waits_as_told_gets_one(pauses, count):
    rate = Rate(count, 60)
    now, grants = 0.0, []
    for pause in pauses:
        now += pause
        granted = grant(grants, rate, now, 1)
        if not granted.count:
            now += granted.wait + 1e-6
            granted = grant(grants, rate, now, 1)
            assert granted.count == 1
        grants = granted.grants


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def passed(worker, database, client, requests):
    async def ask():
        return [await worker.admit(client, database) for _ in range(requests)]

    return sum(wait is None for wait in asyncio.run(ask()))


def test_of_a_thousand_requests_over_four_workers_exactly_120_pass(database):
    clock = Clock()
    workers = [Throttle(HOURLY, clock=clock) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda worker: passed(worker, database, "198.51.100.7", 250), workers))
    clock.now += LEASE_SECONDS
    for worker in workers:
        worker.tidy(database)
    counts += [passed(worker, database, "198.51.100.7", 50) for worker in workers]
    assert sum(counts) == 120


def test_a_lease_that_is_not_spent_is_given_back(database):
    clock = Clock()
    worker, other = Throttle(HOURLY, clock=clock), Throttle(HOURLY)
    assert passed(worker, database, "a", 100) == 100
    assert worker.leases["a"].left > 0
    clock.now += LEASE_SECONDS * 2
    worker.tidy(database)
    assert worker.leases == {}
    assert passed(other, database, "a", 50) == 20


def test_a_client_that_asks_a_lot_costs_few_queries(database):
    worker = Throttle(Rate(1_000_000, 3600))
    taken = []
    real = throttle.take
    try:
        throttle.take = lambda *arguments: taken.append(1) or real(*arguments)
        assert passed(worker, database, "a", 5000) == 5000
    finally:
        throttle.take = real
    assert len(taken) <= 40


def test_a_busy_clients_lease_is_renewed_before_it_ends(database):
    worker = Throttle(Rate(1_000_000, 3600))

    async def keep_asking():
        renewed_at = []
        for _ in range(20_000):
            lease = worker.leases.get("203.0.113.1")
            held = lease.left if lease else 0
            assert await worker.admit("203.0.113.1", database) is None
            lease = worker.leases["203.0.113.1"]
            if lease.left >= held and lease.granted > throttle.LARGE_LEASE:
                renewed_at.append(held)
            if lease.granted > throttle.LARGE_LEASE and lease.left < lease.granted // 8 and lease.renewal:
                await asyncio.wait([lease.renewal])
        return renewed_at

    renewed_at = asyncio.run(keep_asking())
    worker.tidy(database)
    assert renewed_at
    assert all(renewed_at[1:]), "a large lease was spent to its end before it was renewed"


def test_a_lease_that_cannot_be_renewed_ahead_is_tried_once_and_spent(database, monkeypatch):
    worker, client = Throttle(Rate(1_000_000, 3600)), "203.0.113.3"
    tried = []

    def away(*_: object) -> None:
        tried.append(1)
        raise DatabaseUnavailable("the database is away")

    async def spend():
        while (lease := worker.leases.get(client)) is None or lease.granted < throttle.LARGE_LEASE:
            assert await worker.admit(client, database) is None
        monkeypatch.setattr(throttle, "take", away)
        while lease.left:
            assert await worker.admit(client, database) is None
            if lease.renewal is not None:
                await lease.renewal

    asyncio.run(spend())
    assert tried == [1]


def test_what_was_left_of_a_lease_renewed_ahead_is_given_back(database):
    rate = Rate(1_000_000, 3600)
    worker, client = Throttle(rate), "203.0.113.2"

    async def ask(number):
        for _ in range(number):
            assert await worker.admit(client, database) is None
            if (renewal := worker.leases[client].renewal) is not None:
                await renewal

    asyncio.run(ask(1000))
    lease = worker.leases[client]
    with database.session() as session:
        counted = "SELECT sum((granted ->> 1)::int) FROM throttled_client, jsonb_array_elements(grants) AS granted"
        assert session.scalar(text(counted)) == 1000 + lease.left


def test_clients_do_not_share(database):
    worker = Throttle(Rate(2, 3600))
    assert [passed(worker, database, client, 5) for client in ("a", "b")] == [2, 2]


def test_a_client_with_nothing_left_is_told_how_long_to_wait(database):
    worker = Throttle(Rate(1, 60))

    async def ask():
        return [await worker.admit("a", database) for _ in range(3)]

    first, *rest = asyncio.run(ask())
    assert first is None
    assert all(60 <= wait <= 62 + LEASE_SECONDS for wait in rest)


def test_the_past_is_forgotten(database):
    worker = Throttle(HOURLY)
    passed(worker, database, "a", 1)
    with database.session() as session:
        throttle.forget_the_past(session)
        assert session.scalar(text("SELECT count(*) FROM throttled_client")) == 1
        session.execute(text("UPDATE throttled_client SET ends_at = now() - interval '1 second'"))
        throttle.forget_the_past(session)
        assert session.scalar(text("SELECT count(*) FROM throttled_client")) == 0


def test_many_requests_of_one_client_at_once_are_all_let_in(database):
    worker = Throttle(Rate(1_000_000, 3600))

    async def crowd():
        async def one():
            return [await worker.admit("a", database) for _ in range(100)]

        return [wait for waits in await asyncio.gather(*(one() for _ in range(20))) for wait in waits]

    assert asyncio.run(crowd()) == [None] * 2000


def test_a_crowd_gets_no_more_than_the_rate(database):
    worker = Throttle(HOURLY)

    async def crowd():
        return await asyncio.gather(*(worker.admit("a", database) for _ in range(300)))

    assert sum(wait is None for wait in asyncio.run(crowd())) == 120
