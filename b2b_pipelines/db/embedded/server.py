"""The server: start it, ask whether it answers, and stop it."""

import hashlib
import os
import pwd
import re
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import errors as pg_errors
from psycopg2 import sql

from b2b_pipelines.db.embedded.cluster import ROLE, Cluster
from b2b_pipelines.db.embedded.folders import PostgresNotReady, lock, opened, wait_until
from b2b_pipelines.db.embedded.programs import (
    PostgresUnavailable,
    Programs,
    as_seen,
    choose_programs,
    last_lines,
    run_program,
)
from b2b_pipelines.db.probe import server_answers

PRODUCT_DATABASE = "b2b"
PORT = 5432
SOCKET_PATH_BYTES = 107
SHORT_PATHS = Path("/tmp")  # noqa: S108 (the link's owner is verified)
LOG_BYTES_KEPT = 5_000_000
ANSWER_SECONDS = 5
"""Seconds in which a live server must answer."""

# Errors of statements are not logged: psycopg2 puts the values, e-mail addresses among them, into the text.
# Memory is mapped from files because Docker gives /dev/shm 64 MB, and systemd empties it when a user logs out.
SERVER_SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0700",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "dynamic_shared_memory_type": "mmap",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}
NOT_DURABLE: Mapping[str, str] = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """A PostgreSQL cluster in `directory`.

    The directory is created if missing and closed to other users. Objects are cheap and hold nothing open. Any number
    of them, in any number of processes and threads, may name the same directory. The server outlives the command that
    started it, until `stop`, and does not receive the command's Ctrl-C. `durable=False` is for tests: a crash of the
    machine may then lose data.
    """

    def __init__(self, directory: Path, *, durable: bool = True, patience: float = 60) -> None:
        self.directory = directory.absolute()
        self.log = self.directory / "server.log"
        self._durable = durable
        self._patience = patience
        self._cluster = Cluster(self.directory, durable, patience)
        self.data = self._cluster.data

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database of this server, which is stable across runs."""
        return f"postgresql+psycopg2://{ROLE}@/{database}?host={self._socket_folder}&port={PORT}"

    def is_running(self) -> bool:
        """Return whether the server accepts connections now."""
        try:
            return self._postmaster()[1] == "ready" and self._answers()
        except TimeoutError:
            return False

    def ensure_running(self) -> None:
        """Create and start the server if needed, and return once it accepts connections.

        Raises `PostgresUnavailable` with the last lines of its log, or `PostgresNotReady` when another command, or a
        recovery after a crash, takes more than `patience` seconds.
        """
        self._ensure_directory()
        if self.is_running():
            return
        self._require_awake()
        with self._alone():
            if not self.is_running():
                self._start()

    def ensure_database(self, name: str) -> None:
        """Create the database `name` unless it exists. The server must be running."""
        try:
            with closing(self._connect()) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
                    if cursor.fetchone() is None:
                        cursor.execute("SELECT pg_advisory_lock(hashtext('create database'))")
                        with suppress(pg_errors.DuplicateDatabase):
                            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg2.OperationalError as error:
            raise PostgresNotReady(f"the embedded PostgreSQL in {self.directory} does not answer: {error}") from None

    def stop_if_unused(self) -> None:
        """Stop the server, if it runs, unless a client is connected."""
        if not self.is_running():
            return
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            [(others,)] = cursor.fetchall()
        if not others:
            self.stop()

    def _connect(self) -> Any:
        return psycopg2.connect(
            host=self._socket_folder, port=PORT, user=ROLE, dbname="postgres", connect_timeout=ANSWER_SECONDS
        )

    def _require_awake(self) -> None:
        """Raise `PostgresNotReady` for a live server that does not answer, instead of waiting."""
        pid, status = self._postmaster()
        if pid is None or status != "ready" or not self._is_alive():
            return
        if _is_stopped(pid):
            raise PostgresNotReady(
                f"the PostgreSQL in {self.directory} is frozen: continue it with `kill -CONT {pid}`, or end it"
            )
        try:
            self._answers()
        except TimeoutError:
            raise PostgresNotReady(
                f"the PostgreSQL in {self.directory} (process {pid}) does not answer within {ANSWER_SECONDS} s:"
                " try again, or end it"
            ) from None

    def _is_alive(self) -> bool:
        with opened(self.data) as folder:
            if not lock(folder):
                return True
        return False

    def stop(self) -> None:
        """Stop the server, cutting its connections, and wait for its last process. Idempotent."""
        if self._postmaster()[1] == "absent" and not self.data.is_dir():
            return
        self._require_awake()
        with self._alone(), opened(self.data) as folder:
            for how, seconds in ((signal.SIGINT, self._patience), (signal.SIGQUIT, 10.0)):
                if lock(folder):
                    return
                pid, _ = self._postmaster()
                if pid is not None:
                    with suppress(ProcessLookupError):
                        os.kill(pid, how)
                if wait_until(lambda: lock(folder), seconds):
                    return
            raise PostgresNotReady(f"the embedded PostgreSQL in {self.directory} does not stop: see {self.log}")

    @property
    def _socket_folder(self) -> str:
        """Return the data directory, or a short link to it.

        The link is used when the path does not fit a socket or a URL.
        """
        path = str(self.data)
        plain = re.fullmatch(r"[A-Za-z0-9/_.-]+", path) is not None
        if plain and len(f"{path}/.s.PGSQL.{PORT}") <= SOCKET_PATH_BYTES:
            return path
        digest = hashlib.blake2b(os.fsencode(path), digest_size=10).hexdigest()
        return str(SHORT_PATHS / f"b2b-{os.geteuid()}-{digest}")

    def _ensure_directory(self) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if self.directory.stat().st_mode & 0o077:
                self.directory.chmod(0o700)
            if self._socket_folder != str(self.data):
                self._ensure_link(Path(self._socket_folder))
        except OSError as error:
            raise PostgresUnavailable(
                f"the database directory {self.directory} cannot be used ({error.strerror}):"
                " run as the user it belongs to, or set B2B_HOME to a directory of your own"
            ) from None

    def _ensure_link(self, link: Path) -> None:
        with suppress(FileExistsError):
            link.symlink_to(self.data)
        if link.lstat().st_uid != os.geteuid() or link.readlink() != self.data:
            raise PostgresUnavailable(
                f"{link} is not this user's link to {self.data}: remove it, or set B2B_HOME to a shorter path"
            )

    def _postmaster(self) -> tuple[int | None, str]:
        """Return process id and status from the server's file.

        They are valid only while a server is alive.
        """
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return None, "absent"
        except PermissionError:
            raise PostgresUnavailable(
                f"{self.data} belongs to another user: run as that user, or set B2B_HOME"
            ) from None
        pid = int(lines[0]) if lines and lines[0].isdecimal() else None
        return pid, lines[7].strip() if len(lines) > 7 else "starting"

    def _answers(self) -> bool:
        """Return whether the server answers. Raises `TimeoutError` when it accepts but stays silent."""
        try:
            return server_answers(socket.AF_UNIX, f"{self._socket_folder}/.s.PGSQL.{PORT}", ANSWER_SECONDS)
        except TimeoutError:
            raise
        except OSError:
            return False

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other commands from starting or stopping the server at the same time."""
        file = os.open(self.directory / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not wait_until(lambda: lock(file), 2 * self._patience):
                raise PostgresNotReady(
                    f"another command is still starting or stopping the database in {self.directory}"
                )
            yield
        finally:
            os.close(file)

    def _start(self) -> None:
        account = self._cluster.account()
        programs = choose_programs(self.directory, self.data, account)
        if not self.data.exists():
            self._cluster.create(programs, account)
        with opened(self.data) as folder:
            if not wait_until(lambda: lock(folder) or self.is_running(), self._patience):
                raise PostgresNotReady(f"the PostgreSQL in {self.directory} is neither ready nor gone; see {self.log}")
            if self.is_running():
                return
            self._cluster.own(self.data, account)
            for left in ("postmaster.pid", f".s.PGSQL.{PORT}.lock"):  # other processes may have these ids by now
                (self.data / left).unlink(missing_ok=True)
            self._cluster.admit()
            self._launch(programs, account, folder)

    def _launch(self, programs: Programs, account: pwd.struct_passwd | None, folder: int) -> None:
        settings = {**SERVER_SETTINGS, **({} if self._durable else NOT_DURABLE)}
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_KEPT:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            began = log.tell()
            done = run_program(
                [
                    f"{programs.folder}/pg_ctl",
                    *("start", "--silent", "--wait", f"--timeout={self._patience:.0f}"),
                    *("-D", as_seen(folder, self.data, account), "-o", options),
                ],
                account,
                folder,
                output=log,
            )
        if done.returncode == 0:
            return
        if self._postmaster()[1] == "starting":
            raise PostgresNotReady(
                f"the PostgreSQL in {self.directory} is still starting, perhaps after a crash: try again"
            )
        with self.log.open("rb") as log:
            log.seek(began)
            ending = last_lines(log.read().decode(errors="replace"))
        raise PostgresUnavailable(
            f"the PostgreSQL in {self.directory} does not start: {ending} (the whole log: {self.log})"
        )


def _is_stopped(pid: int) -> bool:
    """Return whether a process was stopped by a signal, according to Linux."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
        return False
