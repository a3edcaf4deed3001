"""How the verbs of the PostgreSQL store reach the server; the client's affair, and each has its own.

`PostgresAsking._read` may be asked again on another connection when one is lost, `PostgresAsking._change` may not,
because what it asked for may have happened. Where it did, and only the wait for a synchronous replica was broken off,
`PostgresAsking._confirmed` keeps the answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from coatcheck.errors import StoreUnavailable, Unconfirmed
from coatcheck.stores.postgres.faults import Unwaited
from coatcheck.stores.postgres.rows import RawRow
from coatcheck.stores.postgres.terms import Parameters


class PostgresAsking(ABC):
    """What a verb may ask of the server."""

    tenant: str

    @abstractmethod
    async def _read(self, statement: str, parameters: Parameters) -> list[RawRow]:
        """Ask something that changes nothing."""

    @abstractmethod
    async def _change(self, statement: str, parameters: Parameters) -> list[RawRow]:
        """Make a change, whole or not at all.

        Raises:
            Unwaited: it is made, and no synchronous replica has confirmed it.
        """

    async def _write(self, statement: str, parameters: Parameters) -> list[RawRow]:
        """Make a change that is as good as unknown where it is not confirmed; the error then holds no row."""
        try:
            return await self._change(statement, parameters)
        except Unwaited as fault:
            said = StoreUnavailable(str(fault))
        raise said

    async def _confirmed(
        self, statement: str, parameters: Parameters, kept: Callable[[Sequence[RawRow]], Mapping[str, Any]]
    ) -> list[RawRow]:
        """Make a change that a failover must not undo unheard.

        Raises:
            Unconfirmed: it is made, and no synchronous replica has confirmed it; holds what is *kept* of the answer.
        """
        try:
            return await self._change(statement, parameters)
        except Unwaited as fault:
            said = Unconfirmed(str(fault), **kept(fault.rows))
        raise said

    async def _anyhow(self, statement: str, parameters: Parameters) -> Sequence[RawRow]:
        """Make a change that does no harm when it is undone, because it is then made again."""
        try:
            return await self._change(statement, parameters)
        except Unwaited as fault:
            return fault.rows
