"""The demo's processes: one demo at a time, ports that are free, everything ended with it."""

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

MARK = "STARTED_BY_B2B"
"""The variable by which the product's guardian recognizes what it must end."""
GENTLE_SECONDS = 0.8


class DemoRefused(Exception):
    """The demo cannot start or go on; the message says why."""

    def __init__(self, message: str, code: str = "refused") -> None:
        super().__init__(message)
        self.code = code


def lock(file: Path) -> int:
    """Keep a second demo of this home away until this process ends. Raises `DemoRefused`, which names the first one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 200).decode(errors="replace").split("\n")
        os.close(descriptor)
        where = f" at {holder[1]}" if len(holder) > 1 and holder[1] else ""
        raise DemoRefused(f"b2b demo is running already (process {holder[0]}{where}): stop it first") from None
    note(descriptor, "")
    return descriptor


def note(descriptor: int, url: str) -> None:
    """Write into the lock who holds it, and where its start page is."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n{url}\n".encode(), 0)


def require_free_ports(ports: Mapping[str, int]) -> None:
    """Raise `DemoRefused`, which names the process, for the first port that is taken. Keys are the options."""
    named = [word for option, port in ports.items() if port for word in (option, str(port))]
    probe = [sys.executable, "-m", "b2b_pipelines.cli.in_the_way", "127.0.0.1", *named]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoRefused(done.stderr.strip())


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def guard(home: Path) -> None:
    """Start the product's guardian, which ends what this process started once this process is gone."""
    mark = secrets.token_hex(16)
    os.environ[MARK] = mark
    if not Path("/proc/self/environ").exists():
        return
    subprocess.Popen(
        [sys.executable, "-m", "b2b_pipelines.cli.guardian", str(os.getpid()), mark, str(home)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ},
    )


def start(command: Sequence[str], environment: Mapping[str, str], log: Path, cwd: Path) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; its output goes to `log`."""
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask each program and its children to end, and kill what does not within `GENTLE_SECONDS`."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    until = time.monotonic() + GENTLE_SECONDS
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, until - time.monotonic()))
    for process in processes:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def stop_postgres(home: Path, patience: float = 3.0) -> None:
    """Shut the embedded PostgreSQL of a home down at once, if it runs. The next demo empties that home anyway."""
    file = home / "postgres" / "data" / "postmaster.pid"
    with suppress(OSError, ValueError, IndexError):
        pid = int(file.read_text(encoding="ascii").splitlines()[0])
        os.kill(pid, signal.SIGQUIT)  # PostgreSQL's immediate shutdown
        until = time.monotonic() + patience
        while file.exists() and time.monotonic() < until:
            time.sleep(0.05)
