"""Vendors' messages for people: on one line, shortened, without e-mail addresses and codes."""

import html
import json
import logging
import re
from collections.abc import Iterable
from urllib.parse import unquote

import httpx

WORDS_SHOWN = 300
WORDS_READ = 10_000
"""Characters of an answer that are looked through for words to show."""
ENCODINGS = 3
"""The most nested encodings that are decoded."""
CODE = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
_ESCAPE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
ADDRESS = re.compile(r"[^\s\"'<>,;:(){}\[\]]+@[^\s\"'<>,;:(){}\[\]]+")


class _NoQueries(logging.Filter):
    """Removes queries from httpx's log of addresses, because a query may hold an e-mail address."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                each.copy_with(query=None) if isinstance(each, httpx.URL) else each for each in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_NoQueries())


def message_of(response: httpx.Response) -> str:
    """Return the vendor's message about a failure, without the text of web pages."""
    if "html" in response.headers.get("Content-Type", ""):
        return "(a web page)"
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        answer = response.text
    if isinstance(answer, dict) and len(answer) == 1:
        answer = next(iter(answer.values()))
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)


def _quoted(text: str, ascii_only: bool) -> str:
    """Return a text as JSON writes it."""
    return json.dumps(text.strip(), ensure_ascii=ascii_only)[1:-1]


def decoded(message: str) -> str:
    """Return the message with percent, HTML and JSON escapes decoded."""
    for _ in range(ENCODINGS):
        plain = unquote(html.unescape(_ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)), message)))
        if plain == message:
            break
        message = plain
    return message.encode(errors="replace").decode()


def without(message: str, private: Iterable[str]) -> str:
    """Return the message on one line, shortened, with addresses and codes redacted.

    Encoded ones are redacted too.
    """
    message = decoded(message[:WORDS_READ])
    forms = {" ".join(form.split()) for text in private for form in (text, _quoted(text, False), _quoted(text, True))}
    message = " ".join(message.split())
    for text in sorted(forms - {""}, key=len, reverse=True):
        message = re.sub(re.escape(text), "(address)", message, flags=re.IGNORECASE)
    message = CODE.sub("(code)", ADDRESS.sub("(address)", message))
    return message if len(message) <= WORDS_SHOWN else message[:WORDS_SHOWN] + "…"
