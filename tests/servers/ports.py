"""Free loopback ports that stay free while a server is down, and that no other run of these tests takes meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import IO, Final

HOST: Final = "127.0.0.1"
RANGE: Final = range(20_000, 32_000)
"""Below the range that Linux gives to outgoing connections (32768 and up).

A port from ``bind(0)`` may be given to a client's connection while its server is being restarted, and the server then
cannot come back to it.
"""

_given: set[int] = set()
_claims: dict[int, IO[bytes]] = {}
_random = random.Random(os.urandom(8))  # noqa: S311 - spreads processes over the range; not a secret
os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(8)))


def free_port() -> int:
    """Return a port that nobody listens on, and that neither this process nor another that lives has handed out.

    Raises:
        OSError: none was found.
    """
    for _ in range(200):
        port = _random.choice(RANGE)
        if port not in _given and is_free(port) and claim(port):
            _given.add(port)
            return port
    raise OSError("no free port between 20000 and 31999")


def claim(port: int) -> bool:
    """Take a port for as long as this process lives, unless another process has; the lock is on a byte of one file.

    Until its server is up, and while that is down, a port is free, and another process would find it too.
    """
    pid = os.getpid()
    if pid not in _claims:  # a forked child holds none of its parent's locks
        path = Path(tempfile.gettempdir(), f"coatcheck-ports-{os.getuid()}.lock")
        _claims[pid] = path.open("ab")  # open for good: closing it would give up every port
    with contextlib.suppress(OSError):
        fcntl.lockf(_claims[pid], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        return True
    return False


def is_free(port: int) -> bool:
    """Whether a server could bind the port now."""
    with socket.socket() as probe, contextlib.suppress(OSError):
        # As servers do: a port whose old connections linger in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        return True
    return False
