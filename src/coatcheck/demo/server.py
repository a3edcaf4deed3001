"""Serving the demo from a terminal: a free port, the address and the accounts on the screen, a clean end."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Final

from coatcheck import stores
from coatcheck.errors import ConfigurationError

if TYPE_CHECKING:
    from coatcheck.model import Millis
    from coatcheck.sessions import AsyncSessions

    from .clock import DemoClock

Say = Callable[[str], None]

TRIES: Final = 20
"""Ports that are tried, from the wished one upwards."""

_MOST_PAGES: Final = 100
"""Pages of a thousand sessions that are read for the last use, so that the demo starts on any store."""

_LOOPBACK: Final = ("127.0.0.1", "::1")


def run(
    port: int = 8000,
    store: str | None = None,
    *,
    host: str = "localhost",
    say: Say | None = None,
    opening: Callable[[Callable[[], None]], None] | None = None,
) -> None:
    """Serve until interrupted.

    Args:
        port: the wished port; if it is busy, that is said and the next free one is taken. 0 takes any.
        store: a store's URL; a SQLite file in the working directory when not given.
        host: ``"localhost"`` for this machine alone, on IPv4 and IPv6; else an address to listen on.
        say: prints a line.
        opening: is given what opens the store once, and may call it again if the store does not answer.

    Raises:
        ConfigurationError: the store cannot be used, or no port is free; says what to do.
        StoreUnavailable: the store did not answer.
    """
    from .app import DEFAULT_STORE
    from .clock import DemoClock

    clock = DemoClock()
    tell = say or _print
    url = store or DEFAULT_STORE
    stores.check_scheme(url)
    sockets = listen(host, port, tell)
    try:
        (opening or _at_once)(lambda: _try_store(url, clock))
        for line in greeting(host, sockets[0].getsockname()[1], url):
            tell(line)
        _serve(url, sockets, clock, show_accounts=host in ("localhost", *_LOOPBACK))
        tell("Stopped.")
    finally:
        for listening in sockets:
            listening.close()


def greeting(host: str, port: int, url: str) -> Iterator[str]:
    """Yield the lines that say where the demo is and who can sign in; of the store's URL no user and no password."""
    from .accounts import EXAMPLES

    shown = f"[{host}]" if ":" in host else host
    scheme = stores.check_scheme(url)
    kept = url if scheme == "sqlite" else f"{scheme}://{_place(url)}"
    yield f"coatcheck demo   http://{shown}:{port}"
    yield ""
    for example in EXAMPLES:
        note = f"  operator: http://{shown}:{port}/operator/" if "operator" in example.account.roles else ""
        yield f"  user name  {example.account.username:<8} password  {example.passphrase:<18}{note}".rstrip()
    yield ""
    yield "The demo has one clock, at the top of its pages. Everyone at this demo moves it for all."
    lost = "; they end with this process" if scheme == "memory" else ""
    yield f"Sessions are kept in {kept}{lost}. Ctrl-C stops."


def listen(host: str, wished: int, say: Say) -> list[socket.socket]:
    """Return listening sockets on the first free port from *wished* on, naming those that are busy.

    Raises:
        ConfigurationError: none of `TRIES` ports can be had.
    """
    if not 0 <= wished <= 65_535:
        raise ConfigurationError(f"port {wished} does not exist; choose one between 1024 and 65535")
    for port in range(wished, min(wished + TRIES, 65_536)):
        try:
            return _bind(host, port)
        except OSError as fault:
            if fault.errno != errno.EADDRINUSE:
                raise ConfigurationError(f"cannot listen on {host} port {port}: {fault.strerror}") from fault
            say(f"Port {port} is busy.")
    raise ConfigurationError(f"no port is free from {wished} on; choose another with --port")


def _bind(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of *host*, or on none. A machine without IPv6 has only the first."""
    bound: list[socket.socket] = []
    for address in _LOOPBACK if host == "localhost" else (host,):
        try:
            bound.append(_listening(address, port or (bound[0].getsockname()[1] if bound else 0)))
        except OSError as fault:
            if bound and fault.errno != errno.EADDRINUSE:
                continue
            for other in bound:
                other.close()
            raise
    return bound


def _listening(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere the option lets two servers share a port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((address, port))
        made.listen(128)
    except OSError:
        made.close()
        raise
    return made


def _place(url: str) -> str:
    """Return the hosts and the path of *url*: what stands after a password and before options, which may hold one."""
    return url.partition("://")[2].partition("?")[0].rpartition("@")[2]


def _at_once(work: Callable[[], None]) -> None:
    work()


def _try_store(url: str, clock: DemoClock) -> None:
    """Open the store once, so that what is wrong with it is one sentence and not a traceback.

    In PostgreSQL the demo makes its tables by itself: it is there to be tried out. *clock* goes on from where the
    last session was used.
    """
    from coatcheck.sessions import AsyncSessions

    async def opened() -> None:
        async with AsyncSessions(url, clock=clock) as sessions:
            clock.not_before(await _last_use(sessions))

    if stores.check_scheme(url) in {"postgresql", "postgres"}:
        from coatcheck.stores.postgres.migrating import migrate

        migrate(url)
    asyncio.run(opened())


async def _last_use(sessions: AsyncSessions) -> Millis:
    """Return when any session was used last. It may be an old one: pages list the newest made first."""
    latest, after = 0, None
    for _ in range(_MOST_PAGES):
        infos, after = await sessions.browse(limit=1000, after=after)
        latest = max([latest, *(info.last_seen_at for info in infos)])
        if after is None:
            break
    return latest


def _serve(url: str, sockets: list[socket.socket], clock: DemoClock, *, show_accounts: bool) -> None:
    """Run the server until it is interrupted. Nobody stands before it, so no forwarding header is believed."""
    import uvicorn

    from .app import create_app

    class Server(uvicorn.Server):
        """Takes an interrupt as the wish to stop; uvicorn's own would be raised again and end in a traceback."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
            """Stop after the requests under way; when told twice, at once."""
            self.force_exit = self.should_exit
            self.should_exit = True

    Server(
        uvicorn.Config(
            create_app(store_url=url, clock=clock, show_accounts=show_accounts),
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            lifespan="on",
        )
    ).run(sockets=sockets)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
