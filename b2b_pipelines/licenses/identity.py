"""Recognize the holder of a license: compare e-mail addresses. Pure.

`email_key` compares spellings of one address as the LMS does. `person_key` compares people: it also ignores differences
that a reader cannot see.
"""

import re
import unicodedata
from hashlib import blake2b

import idna

ADDRESS = re.compile(r"[^@\s,;:<>()\[\]\"\\]+@[^@\s,;:<>()\[\]\"\\.]+(\.[^@\s,;:<>()\[\]\"\\.]+)+")
PLACEHOLDERS = frozenset({"null", r"\n", "none", "nan"})
"""Words that databases and spreadsheets write for a missing value, without case."""
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Characters without width outside of Unicode's category Cf (format), which holds most of them."""
LONGEST_KEY = 1500
"""Bytes of a key; an index row takes at most 2,700."""


def address(value: str | None) -> str | None:
    """Return the address unchanged; None when it is blank or is a word for a missing value."""
    return value if email_key(value) else None


def email_key(value: str | None) -> str | None:
    """Return the address without case and surrounding space; None when that leaves no address."""
    key = (value or "").strip().lower()
    return key if key and key not in PLACEHOLDERS and _visible(key).strip() else None


def person_key(value: str | None) -> str | None:
    """Return the key that identifies the holder of an address; None without an address.

    NFKC, without case and invisible characters, the domain as IDNA. A key that an index cannot hold ends in a hash.
    """
    spelling = email_key(value)
    if spelling is None or spelling.isascii():
        return spelling
    # A second time, because folding the case can compose or decompose characters.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _visible(spelling)).casefold())
    local, at, domain = _visible(folded).strip().rpartition("@")
    key = f"{local}{at}{_ascii_domain(domain) if at else domain}"
    return key if len(key.encode()) <= LONGEST_KEY else f"{key[:100]}…{blake2b(key.encode()).hexdigest()}"


def is_plausible(value: str) -> bool:
    """Return whether a text looks like an e-mail address, so that a refusal of it is surprising."""
    return ADDRESS.fullmatch(value) is not None


def _visible(text: str) -> str:
    if text.isascii():
        return text
    return "".join(
        letter
        for letter in text
        if unicodedata.category(letter) != "Cf" and letter not in INVISIBLE and not "\ufe00" <= letter <= "\ufe0f"
    )


def _ascii_domain(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return domain
