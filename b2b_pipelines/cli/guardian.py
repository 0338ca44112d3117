"""Ends what a command started once that command is gone, also when it was killed.

`kill -9` lets no program clean up. So `b2b dev` and `b2b demo` start this beside themselves: it waits until its parent is
gone, then ends every process that carries the parent's mark in its environment, and the embedded PostgreSQL if the
parent started that and nothing else uses it.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = "STARTED_BY_B2B"
"""The environment variable that children inherit, theirs too."""
LOOKS_EVERY = 0.2
GENTLE_SECONDS = 3.0
"""How long processes may take to end by themselves."""


def guard(postgres_home: Path | None) -> dict[str, str]:
    """Start the guardian of this process; return the mark that its children must have in their environment.

    `postgres_home` names the installation whose embedded PostgreSQL this process is about to start, if it does. Without
    `/proc` there is no guardian. A process that carries a mark already is guarded by the command that started it.
    """
    if MARK in os.environ:
        return {MARK: os.environ[MARK]}
    mark = secrets.token_hex(16)
    if Path("/proc/self/environ").exists():
        subprocess.Popen(
            [sys.executable, "-m", "b2b_pipelines.cli.guardian", str(os.getpid()), mark, str(postgres_home or "")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ},
        )
    return {MARK: mark}


def marked(mark: str) -> Iterator[int]:
    """The processes of this user that carry the mark."""
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)


def end(mark: str) -> None:
    """Ask every marked process to end; kill those that do not, and those that they start meanwhile."""
    asked: set[int] = set()
    until = time.monotonic() + GENTLE_SECONDS
    while left := set(marked(mark)):
        number = signal.SIGTERM if time.monotonic() < until else signal.SIGKILL
        for pid in left if number == signal.SIGKILL else left - asked:
            with suppress(OSError):
                os.kill(pid, number)
        asked |= left
        time.sleep(LOOKS_EVERY)


def main(parent: int, mark: str, postgres_home: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.getppid() == parent:
        time.sleep(LOOKS_EVERY)
    end(mark)
    if postgres_home:
        from b2b_pipelines.db.embedded import EmbeddedPostgres

        EmbeddedPostgres(Path(postgres_home) / "postgres", patience=5).stop_if_unused()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
