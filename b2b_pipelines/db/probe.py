"""Ask a PostgreSQL server whether it answers, without signing in."""

import socket
import struct
from typing import Any

SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # the only request that PostgreSQL answers before authentication


def server_answers(family: socket.AddressFamily, address: Any, seconds: float) -> bool:
    """Return whether the server at the address answers a new connection.

    Connecting is not enough, because the kernel also accepts for a dying server. Raises `TimeoutError` for a server
    that accepts but stays silent, and another `OSError` for a connection that is refused or reset.
    """
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(seconds)
        probe.connect(address)
        probe.sendall(SSL_REQUEST)
        return len(probe.recv(1)) == 1
