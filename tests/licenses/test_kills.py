"""Killed with SIGKILL around a call to the LMS: the next run repeats at most that call, and everything converges."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select

from b2b_pipelines.db.engine import Database
from b2b_pipelines.licenses.facts import EventName, LicenseStatus
from b2b_pipelines.licenses.models import LicenseEvent
from sandbox.open_edx import CLIENT_ID, CLIENT_SECRET
from sandbox.server import Sandbox
from tests.licenses.reference import HeldLicense, LicenseFacts, Plan

CUSTOMER, PLAN = UUID(int=1), UUID(int=10)
PEOPLE = 230
CALLS = 3
POINTS = 20


class Commands:
    """Starts `b2b licenses …` as a process, through the forker."""

    def __init__(self, environment: dict[str, str], output: Path) -> None:
        self.environment = environment
        self.output = output
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, *arguments: str) -> int:
        asked = {"argv": ["licenses", *arguments], "env": self.environment, "output": str(self.output)}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def status(self) -> int:
        assert self.process.stdout
        return int(self.process.stdout.readline())

    def run(self, *arguments: str) -> int:
        self.start(*arguments)
        return self.status()


class Victim:
    """A process to be killed, which may be known only after its first request came."""

    def __init__(self) -> None:
        self._process = 0
        self._known = threading.Event()

    def begun(self, process: int) -> None:
        self._process = process
        self._known.set()

    def kill(self) -> None:
        assert self._known.wait(5)
        os.kill(self._process, signal.SIGKILL)


@pytest.fixture
def commands(database_url: str, sandbox: Sandbox, tmp_path: Path) -> Iterator[Commands]:
    started = Commands(
        {
            "B2B_DATABASE_URL": database_url,
            "B2B_LMS_URL": sandbox.lms.url,
            "B2B_OAUTH_CLIENT_ID": CLIENT_ID,
            "B2B_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
            "B2B_UNLINK_CUSTOMERS": str(CUSTOMER),
            "B2B_LMS_TIMEOUT_SECONDS": "5",
        },
        tmp_path / "output",
    )
    yield started
    assert started.process.stdin
    assert started.process.stdout
    started.process.stdin.close()
    started.process.wait()
    started.process.stdout.close()


def lapsed_world(*, terminated: bool) -> LicenseFacts:
    expiration = datetime.now(UTC).replace(microsecond=0) - timedelta(days=100)
    licenses = [
        HeldLicense(UUID(int=1000 + number), PLAN, LicenseStatus.ACTIVATED, f"p{number:03}@example.com")
        for number in range(PEOPLE)
    ]
    events = {(each.uuid, EventName.TERMINATED, expiration): expiration for each in licenses} if terminated else {}
    return LicenseFacts({PLAN: Plan(PLAN, CUSTOMER, expiration)}, {each.uuid: each for each in licenses}, events)


def recorded(database: Database, name: EventName) -> int:
    with database.session() as session:
        return session.scalar(select(func.count()).where(LicenseEvent.event_name == name)) or 0


@pytest.mark.long
@pytest.mark.parametrize("verb", ["unlink", "terminate"])
def test_killed_at_random_points_it_converges(
    database: Database, put, sandbox: Sandbox, commands: Commands, verb: str
) -> None:
    dice = random.Random(verb)
    name = EventName.UNLINKED if verb == "unlink" else EventName.TERMINATED
    killed = 0
    for _ in range(POINTS // 2):
        sandbox.reset()
        there = lapsed_world(terminated=verb == "unlink")
        put(there)
        sandbox.lms.link(CUSTOMER, [each.address for each in there.licenses.values() if each.address])
        victim = Victim()
        delay = dice.choice([0.0, 0.0, dice.uniform(0, 0.01)])
        act = victim.kill if delay == 0 else threading.Timer(delay, victim.kill).start
        sandbox.faults.call(act, "after", vendor="lms", kind="write", skip=dice.randrange(CALLS))
        victim.begun(commands.start(verb))
        killed += commands.status() == -signal.SIGKILL
        assert commands.run(verb) == 0, commands.output.read_text()
        assert recorded(database, name) == PEOPLE
        if verb == "unlink":
            assert sandbox.lms.linked(CUSTOMER) == set()
            payloads = Counter(each.addresses for each in sandbox.lms.unlinkings)
        else:
            assert len(sandbox.lms.ended()) == PEOPLE
            payloads = Counter(each.licenses for each in sandbox.lms.expirations)
        assert max(payloads.values()) <= 2
        assert sum(payloads.values()) <= CALLS + 1
    sandbox.log.reset()
    assert commands.run(verb) == 0
    assert sandbox.log.counts()["write"] == 0
    assert killed >= POINTS // 4


@pytest.mark.long
def test_two_processes_at_once_have_one_effect(
    database: Database, put, sandbox: Sandbox, commands: Commands, tmp_path: Path
) -> None:
    there = lapsed_world(terminated=True)
    put(there)
    sandbox.lms.link(CUSTOMER, [each.address for each in there.licenses.values() if each.address])
    sandbox.faults.delay(0.3, "before", vendor="lms", kind="write")
    other = Commands(commands.environment, tmp_path / "other")
    commands.start("unlink", "--json")
    other.start("unlink", "--json")
    assert [commands.status(), other.status()] == [0, 0]
    other.process.stdin.close()  # type: ignore[union-attr]
    other.process.wait()
    other.process.stdout.close()  # type: ignore[union-attr]
    done = [json.loads(path.read_text())[0]["done"] for path in (commands.output, tmp_path / "other")]
    assert sorted(done) == [0, PEOPLE]
    assert len(sandbox.lms.unlinkings) == CALLS
