"""E-mail addresses, masked for people who may not see them. Pure."""

import re
from typing import Any

_NOT_IN_A_NAME = r"\s@<>\"'`,;:()\[\]{}|/?&="
ADDRESS = re.compile(rf"[^{_NOT_IN_A_NAME}]+(?:@|%40)[^{_NOT_IN_A_NAME}]+", re.IGNORECASE)


def masked(address: str | None) -> str | None:
    """Return an address as `j•••@example.com`; a text that is not an address as `•••`."""
    if address is None:
        return None
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}•••{at}{domain}" if at else "•••"


def masked_text(text: str) -> str:
    """Return the text with every e-mail address in it masked, also one that is quoted in a link."""
    if "@" not in text and "%40" not in text:
        return text
    return ADDRESS.sub(lambda found: masked(found[0].replace("%40", "@")) or "", text)


def masked_anywhere(value: Any) -> Any:
    """Return a JSON value with every e-mail address in its texts and keys masked."""
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, list | tuple):
        return [masked_anywhere(item) for item in value]
    if isinstance(value, dict):
        return {masked_anywhere(key): masked_anywhere(item) for key, item in value.items()}
    return value
