"""Core time that the host of a virtual machine takes from it during a measurement."""

import os
import time
from pathlib import Path

COUNTS = Path("/proc/stat")


class Theft:
    """The cores' time that the host gives to others from now on.

    It delays a program without its fault.
    """

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._stolen = _stolen_seconds()

    @property
    def share(self) -> float:
        """Return the share of all cores' time since; 0 where the kernel does not count it."""
        seconds = (time.perf_counter() - self._began) * (os.cpu_count() or 1)
        return (_stolen_seconds() - self._stolen) / seconds


def _stolen_seconds() -> float:
    if not COUNTS.exists():
        return 0.0
    return int(COUNTS.read_text().split(maxsplit=9)[8]) / os.sysconf("SC_CLK_TCK")
