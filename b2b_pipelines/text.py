"""Which text can be kept."""

import re

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(value: str) -> bool:
    """Whether PostgreSQL can keep that text: it refuses the character NUL and half characters (lone surrogates, which
    JSON's `\\ud800` and bytes of another encoding on the command line become)."""
    return UNSTORABLE.search(value) is None
