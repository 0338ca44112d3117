"""Find and name the process that prevents a start: behind a port, or the same command in the same home."""

import fcntl
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from b2b_pipelines.errors import Refused

LISTENING = "0A"
"""The state in Linux's table of sockets."""


def require_free_port(host: str, port: int, option: str) -> None:
    """Raise `Refused`, which names the process, when something listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refused(
                f"Cannot listen on port {port} ({error.strerror}{_behind(port)}): stop that process, or use {option}."
            ) from None


def lock(file: Path, command: str) -> int:
    """Prevent a second command of this kind. Return the descriptor that holds the lock until it is closed.

    The kernel releases the lock when the process ends. Raises `Refused`, which names the first process.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        raise Refused(f"`{command}` is already running (process {holder}). Stop it first.") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _behind(port: int) -> str:
    """Return `, by NAME, process PID` for the process that listens there, as far as this user may know."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").split()
                name = " ".join(Path(word).name for word in words[:3])
                return f" by process {process.name}, {name}"
    return ""


def _listening(port: int) -> list[str]:
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                    found.append(columns[9])
    return found


def main(host: str, *named: str) -> None:
    """Exit with a line on stderr when one of these ports is taken; `named` are options and their ports in turn."""
    try:
        for option, port in zip(named[::2], named[1::2], strict=True):
            require_free_port(host, int(port), option)
    except Refused as refused:
        sys.exit(refused.message)


if __name__ == "__main__":
    main(*sys.argv[1:])
