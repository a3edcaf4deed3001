"""What a manager does beside sessions: sweeping, counting, opening and closing its store."""

from __future__ import annotations

from typing import Self

from coatcheck.manager import counting, sweeping
from coatcheck.manager.core import Core
from coatcheck.manager.sweeping import Swept
from coatcheck.runtime import finish
from coatcheck.wrong_words import Corrected


class AsyncUpkeep(Corrected):
    """The verbs, awaited."""

    _core: Core
    _holder: str

    async def sweep(self) -> Swept:
        """Remove what has expired. Runs by itself in an ASGI application; call it where nothing else does."""
        return await sweeping.sweep(self._core)

    @property
    def sweep_due(self) -> bool:
        """Whether this process's sweep interval is over; costs no I/O."""
        return self._core.policy.sweep_ms is not None and self._core.now() >= self._core.next_sweep

    async def sweep_if_due(self) -> Swept | None:
        """Sweep, bounded, if the policy's interval is over and no other worker does."""
        return await sweeping.sweep_if_due(self._core, self._holder)

    async def sweep_for_ever(self) -> None:
        """Sweep at the policy's interval until cancelled; what an ASGI application's lifespan runs."""
        await sweeping.sweep_for_ever(self._core, self._holder)

    @property
    def upkeep_due(self) -> bool:
        """Whether this process should sweep or write its counts; costs no I/O."""
        return counting.upkeep_due(self._core)

    async def upkeep_if_due(self) -> None:
        """Do what is due: a bounded sweep, in turn with other workers, and writing this process's counts."""
        await sweeping.sweep_if_due(self._core, self._holder)
        await counting.write_if_due(self._core)

    async def count_for_ever(self) -> None:
        """Write counts at the policy's interval until cancelled; what an ASGI application's lifespan runs."""
        await counting.write_for_ever(self._core)

    async def open(self) -> None:
        """Open the store now, so that what is wrong with it is told at start-up.

        Raises:
            ConfigurationError: the store cannot be used as it is set up.
            StoreUnavailable: it did not answer.
        """
        self._core.runtime.enter()
        await self._core.store.open()
        await self._core.sync_clock()

    async def aclose(self) -> None:
        """Write what was counted, and let go of connections and threads. Harmless when nothing is open."""
        await counting.write_safely(self._core)
        await self._core.store.close()

    async def __aenter__(self) -> Self:
        """Open the store."""
        await self.open()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close the store."""
        await self.aclose()


class BlockingUpkeep(Corrected):
    """The verbs, called."""

    _core: Core
    _holder: str

    def sweep(self) -> Swept:
        """As `AsyncSessions.sweep`."""
        return finish(sweeping.sweep(self._core))

    @property
    def sweep_due(self) -> bool:
        """As `AsyncSessions.sweep_due`."""
        return self._core.policy.sweep_ms is not None and self._core.now() >= self._core.next_sweep

    def sweep_if_due(self) -> Swept | None:
        """As `AsyncSessions.sweep_if_due`; a WSGI application calls it after a response."""
        return finish(sweeping.sweep_if_due(self._core, self._holder))

    @property
    def upkeep_due(self) -> bool:
        """As `AsyncSessions.upkeep_due`."""
        return counting.upkeep_due(self._core)

    def upkeep_if_due(self) -> None:
        """As `AsyncSessions.upkeep_if_due`; a WSGI application calls it after a response."""
        finish(sweeping.sweep_if_due(self._core, self._holder))
        finish(counting.write_if_due(self._core))

    def open(self) -> None:
        """As `AsyncSessions.open`."""
        finish(self._core.store.open())
        finish(self._core.sync_clock())

    def close(self) -> None:
        """Write what was counted, and let go of connections. Harmless when nothing is open."""
        finish(counting.write_safely(self._core))
        finish(self._core.store.close())

    def __enter__(self) -> Self:
        """Open the store."""
        self.open()
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the store."""
        self.close()
