"""Limits on every request and headers of every answer, whatever the route."""

from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.types import Scope

LONGEST_PATH = 2_000
LONGEST_QUERY = 8_000
"""Bytes, as they come over the wire."""

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""Set unless the route sets its own."""
_OVER_TLS = (*_ALWAYS, (b"strict-transport-security", b"max-age=31536000; includeSubDomains"))


def address_fault(scope: Scope) -> tuple[int, str] | None:
    """Return the status and the words of the refusal for an address that no route can mean, or None."""
    raw_path, query = scope.get("raw_path") or scope["path"].encode(), scope["query_string"]
    if len(raw_path) > LONGEST_PATH or len(query) > LONGEST_QUERY:
        return 414, "The address is too long."
    if b"%" not in raw_path and b"%" not in query and b"\0" not in raw_path:
        return None
    plain = unquote_to_bytes(raw_path) + unquote_to_bytes(query)
    if b"\0" in plain:
        return 400, "The address contains the character NUL."
    try:
        plain.decode()
    except UnicodeDecodeError:
        return 400, "The address is not text in UTF-8."
    return None


def is_over_tls(scope: Scope, public_url: str | None) -> bool:
    """Whether the client came over TLS, which ends here or at a proxy in front.

    A client that lies about it in `X-Forwarded-Proto` changes nothing but its own answer.
    """
    if scope["scheme"] == "https" or (public_url is not None and public_url.startswith("https://")):
        return True
    return any(name == b"x-forwarded-proto" and value.lower() == b"https" for name, value in scope["headers"])


def came_over_tls(request: Request) -> bool:
    """`is_over_tls` for a route."""
    return is_over_tls(request.scope, request.app.state.settings.public_url)


def add_headers(headers: list[tuple[bytes, bytes]], *, over_tls: bool) -> None:
    """Add the headers that protect a reader to an answer which lacks them."""
    present = {name.lower() for name, _ in headers}
    additions: Sequence[tuple[bytes, bytes]] = _OVER_TLS if over_tls else _ALWAYS
    headers.extend(header for header in additions if header[0] not in present)


def link(public_url: str | None, path: str, query: str) -> str:
    """Return a link of this service: absolute when its public URL is known, else relative to its host.

    The `Host` header is not asked, because anyone can send any.
    """
    return f"{public_url or ''}{path}{'?' if query else ''}{query}"
