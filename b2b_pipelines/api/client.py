"""The address of the client at the other end of the connection."""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from fastapi import Request

_WITH_PORT = re.compile(r"\[(?P<v6>[^\[\]]+)\](:\d+)?|(?P<v4>[\d.]+):\d+")


def address(request: Request, trusted_proxies: Sequence[str] = ()) -> str:
    """The client's address: the peer's, or behind trusted proxies (addresses or CIDR blocks) the rightmost address in
    `X-Forwarded-For` that is not one of them."""
    peer = request.client.host if request.client else ""
    client = _behind_proxies(request, peer, trusted_proxies) if trusted_proxies else peer
    return _written(client) or peer


def _behind_proxies(request: Request, peer: str, trusted_proxies: Sequence[str]) -> str:
    networks = [ip_network(proxy, strict=False) for proxy in trusted_proxies]

    def trusted(said: str) -> bool:
        known = _parsed(said)
        return known is not None and any(known in network for network in networks)

    said = ",".join(request.headers.getlist("x-forwarded-for"))
    hops = [_without_port(hop.strip()) for hop in said.split(",") if hop.strip()]
    client = peer
    while trusted(client) and hops:
        client = hops.pop()
    return client


def _without_port(hop: str) -> str:
    """The address of `203.0.113.78:4711` and `[2001:db8::9]:4711`, as some proxies write; anything else as it is."""
    found = _WITH_PORT.fullmatch(hop)
    return found["v6"] or found["v4"] if found else hop


def is_local(request: Request) -> bool:
    """Whether the request was made on this machine, and not merely passed on by a proxy here."""
    peer = _parsed(request.client.host) if request.client else None
    forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    return peer is not None and peer.is_loopback and not forwarded


def network(address: str) -> str:
    """Return what a client's requests are counted for: an IPv4 address, or the /64 that an IPv6 address is in.

    A client has at least a whole /64, so a count for each of its addresses would limit nothing.
    """
    known = _parsed(address)
    return address if not isinstance(known, IPv6Address) else _block(known)


@lru_cache(4096)
def _block(address: IPv6Address) -> str:
    return str(IPv6Network((address, 64), strict=False))


@lru_cache(4096)
def _parsed(said: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(said.partition("%")[0])  # a scope id names an interface of this machine, not a client
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


@lru_cache(4096)
def _written(said: str) -> str:
    """Return an address in its canonical spelling, or `""` if the text is not an address."""
    found = _parsed(said)
    return "" if found is None else str(found)
