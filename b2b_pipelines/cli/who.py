"""Who runs a command: the user of the machine, for the history of changes."""

import getpass

from b2b_pipelines.delivery.history import Actor, ActorKind


def actor() -> Actor:
    """Return the user whose command this is."""
    try:
        return Actor(ActorKind.COMMAND, getpass.getuser())
    except (KeyError, OSError):  # a user id without a name, as in containers
        return Actor(ActorKind.COMMAND, "unknown")
