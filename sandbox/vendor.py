"""The base class of every stand-in of a vendor.

A vendor's package holds one class derived from `Vendor`. The sandbox serves its `routes` below its `prefix`, counts its
requests, and puts faults between it and its clients (`faults.py`); the vendor itself knows of neither.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from starlette.routing import BaseRoute

from sandbox.world import World


class Vendor:
    """A stand-in of one vendor's service.

    `prefix` is the path it is served under (`""`: the root), so its base URL is `world.url + prefix`. A route may set
    `request.state.account` to the caller's name: the request log shows it.

    Routes are `async` and do their work at once, holding `world.lock`; nothing in them may wait for another request.
    """

    name: ClassVar[str]
    prefix: ClassVar[str] = ""
    paths: ClassVar[tuple[str, ...]] = ("/",)
    """Beginnings of the paths, below the prefix, that are this vendor's."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def url(self) -> str:
        """The base URL to give to a client."""
        return self.world.url + self.prefix

    def routes(self) -> Sequence[BaseRoute]:
        """Routes with paths below `prefix`."""
        raise NotImplementedError

    def admin_routes(self) -> Sequence[BaseRoute]:
        """Return routes below `/sandbox` for people and tests, without counts and faults."""
        return ()

    def kind(self, method: str, path: str) -> str:
        """`read` or `write`, or another word for what is neither (`token`). `path` is below `prefix`."""
        return "read" if method in ("GET", "HEAD", "OPTIONS") else "write"

    def error_body(self, status: int) -> Any:
        """The JSON that this vendor answers an error with, for a fault that names only a status."""
        return {"detail": f"error {status}"}

    def owns(self, path: str) -> bool:
        """Whether a request's whole path is this vendor's."""
        return any(path.startswith(self.prefix + start) for start in self.paths)

    def clear(self) -> None:
        """Forget everything, as when new."""

    def dump(self) -> Any:
        """Return the vendor's state for a state file, as JSON."""
        return None

    def load(self, state: Any) -> None:
        """Take back what `dump` gave."""
