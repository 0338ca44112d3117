"""Shared parts of all stand-ins: a lock, a log of requests, a queue of faults, a state file."""

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from sandbox.faults import Faults
from sandbox.requests_log import RequestLog


class Stateful(Protocol):
    """A vendor as the world sees it: it owns paths, and its state is dropped, kept and read back with the others'."""

    @property
    def name(self) -> str: ...

    @property
    def prefix(self) -> str: ...

    @property
    def url(self) -> str: ...

    def owns(self, path: str) -> bool: ...

    def clear(self) -> None: ...

    def dump(self) -> Any: ...

    def load(self, state: Any) -> None: ...


class World:
    """Everything the sandbox knows. `url` is where it is served, once it is."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.log = RequestLog()
        self.faults = Faults()
        self.url = ""
        self.vendors: Sequence[Stateful] = ()

    def reset(self) -> None:
        """Be as new: nothing kept, nothing logged, no fault waiting. Accounts keep their keys and tokens."""
        with self.lock:
            for vendor in self.vendors:
                vendor.clear()
            self.faults.clear()
            self.log.reset()

    def dump(self) -> dict[str, Any]:
        with self.lock:
            return {vendor.name: vendor.dump() for vendor in self.vendors}

    def load(self, state: dict[str, Any]) -> None:
        with self.lock:
            for vendor in self.vendors:
                if state.get(vendor.name) is not None:
                    vendor.load(state[vendor.name])


class StateFile:
    """A world on disk: read once, and written whenever it differs, whole or not at all."""

    def __init__(self, path: Path, world: World) -> None:
        self.path = path
        self.world = world
        self._written = ""

    def read(self) -> None:
        """Take the world from the file, if there is one."""
        if self.path.exists():
            self._written = self.path.read_text("utf-8")
            self.world.load(json.loads(self._written))

    def write(self) -> None:
        """Write the world down unless the file holds it already."""
        text = json.dumps(self.world.dump(), ensure_ascii=False)
        if text == self._written:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        beside.write_text(text, "utf-8")
        beside.replace(self.path)
        self._written = text
