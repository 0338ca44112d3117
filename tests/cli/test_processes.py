"""Commands whose machine fails them: killed, frozen, full. Real processes on a home of their own."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from b2b_pipelines.db.connect import embedded_postgres
from b2b_pipelines.db.embedded import EmbeddedPostgres
from b2b_pipelines.db.engine import Database, DatabaseUnavailable
from b2b_pipelines.settings import PROJECT, Settings
from tests.waiting import take, wait_until

pytestmark = pytest.mark.long

B2B = str(Path(sys.executable).with_name("b2b"))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home whose PostgreSQL is stopped at the end, whatever happened to it."""
    yield tmp_path / ".b2b"
    for each in (tmp_path / ".b2b", tmp_path / ".b2b-demo"):
        server = EmbeddedPostgres(each / "postgres", patience=10)
        with suppress(OSError, IndexError, ValueError):
            os.kill(int((server.data / "postmaster.pid").read_text().splitlines()[0]), signal.SIGCONT)
        server.stop()


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("B2B_", "DAGSTER_"))}
    return {**kept, "B2B_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}


def command(home: Path, *arguments: str, patience: float = 60, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [B2B, *arguments],
        env=environment(home) | more,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started_by(home: Path) -> set[int]:
    """The processes that name this home in their environment, their command line or their working directory."""
    words = str(home).encode()
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
            if words in told or str(process.joinpath("cwd").readlink()).startswith(str(home)):
                found.add(int(process.name))
    return found - {os.getpid()}


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("name", ["dev", "demo"])
def test_nothing_outlives_a_command_that_was_killed(home: Path, name: str):
    port, other, api = free_port(), free_port(), free_port()
    more = ["--sandbox-port", str(other), "--api-port", str(api)] if name == "demo" else []
    with subprocess.Popen(
        [B2B, name, "--port", str(port), *more],
        env=environment(home),
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        wait_until(lambda: answers(port), 120)
        take(random.Random(name).random())
        assert len(started_by(home.parent)) > 3
        second = command(home, name, "--port", str(port), *more)
        assert second.returncode == 1
        assert f"process {process.pid}" in second.stderr
        process.kill()
        process.wait()
        wait_until(lambda: not started_by(home.parent), 10)
    again = command(home, "doctor", "--json")
    assert again.returncode == 0, again.stderr


def test_a_demo_is_not_disturbed_by_a_second_one_and_ends_quickly(home: Path):
    ports = {option: free_port() for option in ("--port", "--sandbox-port", "--api-port")}
    words = [word for option, port in ports.items() for word in (option, str(port))]
    with subprocess.Popen(
        [B2B, "demo", *words],
        env=environment(home),
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        wait_until(lambda: answers(ports["--port"]), 180)
        second = command(home, "demo", "--exit")
        assert second.returncode == 1
        assert f"process {process.pid} at http://127.0.0.1:{ports['--sandbox-port']}" in second.stderr
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        process.wait(30)
        assert time.monotonic() - began < 5
        wait_until(lambda: not started_by(home.parent), 10)


@pytest.mark.parametrize("option", ["--port", "--sandbox-port", "--api-port"])
def test_a_demo_names_what_is_in_the_way_and_empties_nothing(home: Path, option: str):
    kept = home.with_name(".b2b-demo") / "of an earlier demo"
    kept.parent.mkdir(parents=True)
    kept.touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        others = {each: free_port() for each in ("--port", "--sandbox-port", "--api-port")} | {option: port}
        refused = command(home, "demo", *(word for each, number in others.items() for word in (each, str(number))))
    assert refused.returncode == 1
    assert f"port {port}" in refused.stderr
    assert f"process {os.getpid()}" in refused.stderr
    assert option in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert kept.exists()


def test_a_port_that_is_taken_is_named_with_its_process(home: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = command(home, "dev", "--port", str(port))
    assert refused.returncode == 1
    assert f"port {port}" in refused.stderr
    assert f"process {os.getpid()}" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


COMMANDS = [
    ("contract", "create", "Acme", "One", "sso", "--create"), ("list", "contracts"), ("list", "learners"),
    ("codes", "stats"), ("codes", "output"), ("token", "list"), ("licenses", "expired"), ("intents", "list"),
    ("db", "check"), ("db", "upgrade"), ("db", "stop"), ("sheet", "sync", "one"),
]  # fmt: skip


def test_every_command_says_that_postgresql_is_frozen(home: Path):
    assert command(home, "list", "contracts").returncode == 0
    server = embedded_postgres(Settings(home=home))
    pid = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGSTOP)
    try:
        for arguments in COMMANDS:
            began = time.monotonic()
            refused = command(home, *arguments)
            assert time.monotonic() - began < 15, arguments
            assert refused.returncode == 1, arguments
            assert "kill -CONT" in refused.stderr, (arguments, refused.stderr)
            assert len(refused.stderr.strip().splitlines()) == 1
    finally:
        os.kill(pid, signal.SIGCONT)
    assert command(home, "list", "contracts").returncode == 0


def test_a_server_elsewhere_that_is_frozen_is_named_too(home: Path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://b2b@127.0.0.1:{silent.getsockname()[1]}/b2b"
        for arguments in (("list", "contracts"), ("db", "check"), ("db", "upgrade")):
            began = time.monotonic()
            refused = command(home, *arguments, B2B_DATABASE_URL=url)
            assert time.monotonic() - began < 15
            assert (refused.returncode, "PostgreSQL does not answer" in refused.stderr) == (1, True), refused.stderr


def test_a_statement_ends_when_postgresql_freezes_under_it(tmp_path: Path):
    """Over a unix socket, on which no time-out of the kernel holds."""
    server = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    server.ensure_running()
    server.ensure_database("b2b")
    database = Database(server.url("b2b"))
    postmaster = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    frozen: list[int] = []

    def freeze(*pids: int) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            frozen.append(pid)

    began = time.monotonic()
    try:
        with pytest.raises(DatabaseUnavailable), database.session() as session:
            backend = session.connection().connection.driver_connection.get_backend_pid()
            threading.Timer(0.5, freeze, (postmaster, backend)).start()
            session.execute(text("SELECT pg_sleep(60)"))
        assert time.monotonic() - began < 15
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    wait_until(server.is_running, 20)
    with database.session() as session:
        assert session.execute(text("SELECT 1")).scalar() == 1
    database.dispose()
    server.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 90 MB: room for PostgreSQL, and for little else."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=90m,mode=0755", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    server = EmbeddedPostgres(place / ".b2b" / "postgres", patience=10)
    with suppress(Exception):
        server.stop()
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_one_line_and_everything_is_right_once_there_is_room(small_disk: Path):
    home = small_disk / ".b2b"
    made = command(home, "contract", "create", "Acme", "One", "non-sso", "--create", "--max-learners", "5", "--json")
    assert made.returncode == 0, made.stderr
    filler = small_disk / "filler"
    chance = random.Random(7)
    for number in range(4):
        with suppress(OSError), filler.open("wb") as file:
            file.write(b"x" * shutil.disk_usage(small_disk).free)
        with suppress(OSError), (small_disk / "rest").open("wb") as file:
            while True:
                file.write(b"x")
                file.flush()
        refused = command(home, "contract", "create", "Acme", f"Full {number}", "non-sso", "--max-learners", "2000")
        if refused.returncode:
            assert "disk" in refused.stderr, refused.stderr
            assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr
        filler.unlink()
        (small_disk / "rest").unlink(missing_ok=True)
        take(chance.random())
    listed = command(home, "list", "contracts", "--json")
    assert listed.returncode == 0, listed.stderr
    assert json.loads(listed.stdout)[0]["slug"] == "one"
    assert command(home, "codes", "validate").returncode == 0
    assert command(home, "db", "check").returncode == 0


def test_a_command_killed_at_any_point_leaves_everything_right(home: Path):
    chance = random.Random(5)
    made = command(home, "course", "add", "course-v1:A+1", "One", "--source-run", "SOURCE")
    assert made.returncode == 0, made.stderr
    took = time.monotonic()
    assert command(home, "list", "contracts").returncode == 0
    took = time.monotonic() - took
    for number in range(8):
        with subprocess.Popen(
            [B2B, "contract", "create", "Acme", f"C {number}", "non-sso", "--create", "--max-learners", "500"],
            env=environment(home), cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            with suppress(subprocess.TimeoutExpired):
                process.wait(took * 1.6 * chance.random())
            process.kill()
    assert command(home, "codes", "validate").returncode == 0
    listed = json.loads(command(home, "list", "contracts", "--json").stdout)
    for contract in listed:
        given = command(home, "contract", "courseware", contract["slug"], "course-v1:A+1", "--no-create-runs")
        assert given.returncode in (0, 1)
    assert command(home, "db", "check").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try as somebody else")
def test_nobody_else_of_the_machine_comes_into_the_embedded_postgresql(tmp_path: Path):
    server = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    server.ensure_running()
    tmp_path.chmod(0o755)
    for folder in (*tmp_path.parents, server.directory, server.data):
        folder.chmod(folder.stat().st_mode | 0o011)
    (server.data / ".s.PGSQL.5432").chmod(0o777)
    owner = server.data.stat().st_uid
    attempt = (
        "import os, sys, psycopg2\nos.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))\n"
        "try: psycopg2.connect(host=sys.argv[2], port=5432, user='b2b', dbname='postgres')\n"
        "except psycopg2.OperationalError as error: print('refused', 'Peer' in str(error) or 'ident' in str(error))\n"
    )
    for uid in (owner, 1, 65534):
        tried = subprocess.run(
            [sys.executable, "-c", attempt, str(uid), str(server.data)], capture_output=True, text=True, check=False
        )
        assert tried.stdout.startswith("refused"), (uid, tried.stdout, tried.stderr)
    server.data.chmod(0o700)
    server.stop()
