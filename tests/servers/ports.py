"""Free loopback ports that stay free while a server is down."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from typing import Final

HOST: Final = "127.0.0.1"
RANGE: Final = range(20_000, 32_000)
"""Below the range that Linux gives to outgoing connections (32768 and up).

A port from ``bind(0)`` may be given to a client's connection while its server is being restarted, and the server then
cannot come back to it.
"""

_given: set[int] = set()
_random = random.Random(os.urandom(8))  # noqa: S311 - spreads processes over the range; not a secret
os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(8)))


def free_port() -> int:
    """Return a port that nobody listens on and that this process has not handed out before.

    Raises:
        OSError: none was found.
    """
    for _ in range(200):
        port = _random.choice(RANGE)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise OSError("no free port between 20000 and 31999")


def is_free(port: int) -> bool:
    """Whether a server could bind the port now."""
    with socket.socket() as probe, contextlib.suppress(OSError):
        # As servers do: a port whose old connections linger in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        return True
    return False
