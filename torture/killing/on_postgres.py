"""PostgreSQL alone, and with a replica that is promoted."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import closing, contextmanager

from coatcheck.stores.postgres.migrating import migrate
from tests.servers.ports import HOST
from tests.servers.postgres import PostgresServer
from tests.servers.process import wait_for
from tests.servers.proxy import Proxy
from torture.killing.fault import Deployment, Fault


@contextmanager
def alone() -> Generator[Deployment]:
    """One server, behind a network that can be cut."""
    with PostgresServer(15) as server, Proxy(HOST, server.port) as proxy:
        url = _behind(proxy, server)
        migrate(url)
        faults = {
            "restart": Fault(server.kill, server.restart),
            "partition": Fault(proxy.cut, proxy.heal),
            "hang": Fault(server.freeze, server.thaw),
        }
        yield Deployment(url, faults)


@contextmanager
def followed(*, synchronous: bool) -> Generator[Deployment]:
    """A primary and one replica; whoever operates them promotes by hand or by a tool."""
    with closing(Pair(synchronous=synchronous)) as pair:
        yield pair.deployment()


class Pair:
    """A primary and its replica behind one address, which follows whoever is promoted."""

    def __init__(self, *, synchronous: bool) -> None:
        """Start both."""
        self.synchronous = synchronous
        self.primary = PostgresServer(15).start()
        self.proxy = Proxy(HOST, self.primary.port).start()
        self.url = _behind(self.proxy, self.primary)
        migrate(self.url)
        self._follow()

    def deployment(self) -> Deployment:
        """Return what can be done to them."""
        faults = {"failover": Fault(self.primary_dies, self.replica_leads, self.mend)}
        return Deployment(self.url, faults, lag=self.part, settle=self.settle, catch_up=self.catch_up)

    def primary_dies(self) -> None:
        """Kill the primary."""
        self.primary.kill()

    def replica_leads(self) -> None:
        """Promote the replica and lead the address there."""
        self.replica.promote()
        self.proxy.retarget(HOST, self.replica.port)

    def mend(self) -> None:
        """Give the new primary a replica; the old one, which may have gone another way, is thrown away."""
        self.primary.stop()
        shutil.rmtree(self.primary.folder, ignore_errors=True)
        self.between.stop()
        self.primary = self.replica
        self._follow()

    def settle(self) -> None:
        """Wait until the replica has done all that the primary has on disk by now."""
        [(done,)] = self.primary.execute("SELECT pg_current_wal_flush_lsn()")
        asked = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        wait_for(lambda: self.replica.execute(asked, done) == [(True,)], what="replica that has everything")

    def part(self) -> None:
        """Let nothing through to the replica."""
        self.between.stall()

    def catch_up(self) -> None:
        """Lose what is on its way to the replica."""
        self.between.cut()
        self.between.heal()

    def close(self) -> None:
        """End all."""
        self.proxy.stop()
        self.between.stop()
        self.replica.stop()
        self.primary.stop()

    def _follow(self) -> None:
        """Give the primary a replica, over a network that can be cut."""
        self.between = Proxy(HOST, self.primary.port).start()
        self.replica = self.primary.make_replica(synchronous=self.synchronous, through=self.between)


def _behind(proxy: Proxy, server: PostgresServer) -> str:
    return server.url.replace(f":{server.port}/", f":{proxy.port}/") + "?schema=coatcheck"
