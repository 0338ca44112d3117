"""Who runs a command: the user of the machine, for the history of changes."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from b2b_pipelines.delivery.history import Actor


def actor() -> Actor:
    """Return the user whose command this is."""
    from b2b_pipelines.delivery.history import Actor, ActorKind

    try:
        return Actor(ActorKind.COMMAND, getpass.getuser())
    except (KeyError, OSError):  # a user id without a name, as in containers
        return Actor(ActorKind.COMMAND, "unknown")
