"""The PostgreSQL store for asyncio: look-ups of one tick share a round trip, and the rest has a pool.

It belongs to the first event loop that uses it, because connections do. A loop that was closed gives way to the next,
and a process that was forked makes connections of its own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial

from coatcheck.errors import WrongEventLoop
from coatcheck.model import Found
from coatcheck.stores.postgres import faults, sql
from coatcheck.stores.postgres.async_pool import AsyncPool
from coatcheck.stores.postgres.looking_up import LookUps
from coatcheck.stores.postgres.options import Options
from coatcheck.stores.postgres.rows import RawRow, by_id
from coatcheck.stores.postgres.terms import Parameters
from coatcheck.stores.postgres.verbs import PostgresVerbs


class _Home:
    """What one event loop of one process holds."""

    def __init__(self, options: Options, tenant: str) -> None:
        self.pid, self.loop = os.getpid(), asyncio.get_running_loop()
        self.pool = AsyncPool(options)
        self.look_ups = LookUps(self.ask_many, patience=options.patience, silent=partial(faults.silent, options))
        self._tenant = tenant

    async def ask_many(self, ids: Sequence[str]) -> dict[str, Found]:
        """Look several sessions up in one round trip, on the connection that does nothing else."""
        statement, given = (sql.FIND, {"id": ids[0]}) if len(ids) == 1 else (sql.FIND_MANY, {"ids": list(ids)})
        return by_id(await self.pool.answer(statement, {**given, "tenant": self._tenant}, reading=True, aside=True))


class AsyncPostgresStore(PostgresVerbs):
    """Sessions in a PostgreSQL database, for asyncio applications.

    A caller that is cancelled does not know whether its change was made.

    Args:
        options: where the server is and how to behave there.
        tenant: the namespace of this store's sessions, users and leases. The key belongs to the schema.
    """

    _blocking = False

    def __init__(self, options: Options, *, tenant: str = "") -> None:
        """Remember where the server is; nothing is opened yet."""
        self._home: _Home | None = None
        self._left: list[_Home] = []  # a parent's, kept so that nothing collects them, which would close them there
        super().__init__(options, tenant=tenant)

    def __del__(self) -> None:
        """Leave no connection behind, also when nobody closed the store; those of a parent process are its own."""
        if self._home is not None and self._home.pid == os.getpid():
            self._home.pool.close()

    async def open(self) -> None:
        """Connect, and look whether the tables are there.

        Raises:
            ConfigurationError: a person has to set something right first; often by ``coatcheck migrate``.
            StoreUnavailable: the server cannot be used at the moment.
        """
        await self._here().pool.ready()

    async def close(self) -> None:
        """Close this loop's idle connections; a later verb opens others."""
        home = self._home
        if home is not None and home.pid == os.getpid():
            self._home = None
            home.pool.close()

    async def _look_up(self, ids: Sequence[str]) -> list[Found]:
        return await self._here().look_ups.find(ids)

    async def _read(self, statement: str, parameters: Parameters) -> list[RawRow]:
        return await self._here().pool.answer(statement, parameters, reading=True)

    async def _change(self, statement: str, parameters: Parameters) -> list[RawRow]:
        return await self._here().pool.answer(statement, parameters, reading=False)

    def _here(self) -> _Home:
        """Return what the running loop holds; the first loop owns the store until it is closed."""
        home, loop = self._home, asyncio.get_running_loop()
        if home is not None and home.loop is loop and home.pid == os.getpid():
            return home
        if home is not None and home.pid == os.getpid():
            if home.loop.is_running():
                raise WrongEventLoop(
                    "this AsyncPostgresStore belongs to another event loop that is still running; make one for each "
                    "event loop, or use the blocking PostgresStore in threads"
                )
            home.pool.close()
        elif home is not None:
            self._left.append(home)
        self._home = _Home(self._options, self.tenant)
        return self._home
