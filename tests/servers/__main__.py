"""Start one kind of private server for a person: ``python -m tests.servers redis``; Ctrl-C ends it."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Generator
from typing import Final

from tests.servers import binaries
from tests.servers.process import ServerError


@contextlib.contextmanager
def _one_redis(version: int | None = None) -> Generator[str]:
    from tests.servers.redis import RedisServer

    binary = binaries.valkey(version) if version else binaries.redis()
    with RedisServer(binary=binary, appendonly="everysec") as server:
        yield server.url


@contextlib.contextmanager
def _sentinels() -> Generator[str]:
    from tests.servers.sentinels import Sentinels

    with Sentinels() as servers:
        yield servers.url


@contextlib.contextmanager
def _cluster() -> Generator[str]:
    from tests.servers.cluster import RedisCluster

    with RedisCluster() as servers:
        yield servers.url


@contextlib.contextmanager
def _postgres(version: int) -> Generator[str]:
    from tests.servers.postgres import PostgresServer

    with PostgresServer(version) as server:
        yield server.url


@contextlib.contextmanager
def _pgbouncer() -> Generator[str]:
    from tests.servers.pgbouncer import PgBouncer
    from tests.servers.postgres import PostgresServer

    with PostgresServer(15) as server, PgBouncer(server) as pool:
        yield pool.url


KINDS: Final[dict[str, Callable[[], contextlib.AbstractContextManager[str]]]] = {
    "redis": _one_redis,
    "valkey8": lambda: _one_redis(8),
    "valkey9": lambda: _one_redis(9),
    "sentinels": _sentinels,
    "cluster": _cluster,
    "postgres15": lambda: _postgres(15),
    "postgres18": lambda: _postgres(18),
    "pgbouncer": _pgbouncer,
}


def main() -> int:
    """Start the kind that was named, print its address, and wait."""
    options = argparse.ArgumentParser(prog="python -m tests.servers", description=__doc__)
    options.add_argument("kind", choices=KINDS)
    kind: str = options.parse_args().kind
    # Asked to end in either way, the servers are stopped in order on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with KINDS[kind]() as url:
            sys.stdout.write(f"{url}\n")
            sys.stdout.flush()
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except (binaries.Missing, ServerError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
