"""E-mail addresses in text, masked for people who may not see them. Pure."""

import re

ADDRESS = re.compile(
    r"(?P<first>[^\s@<>()\[\],;:\"\'=|/])(?P<rest>[^\s@<>()\[\],;:\"\'=|/]*)@(?P<host>[^\s@<>()\[\],;:\"\'|/]+)"
)


def masked_text(text: str) -> str:
    """Return a text in which everything that looks like an e-mail address reads `j•••@example.com`."""
    return ADDRESS.sub(lambda match: f"{match['first']}•••@{match['host']}", text) if "@" in text else text
