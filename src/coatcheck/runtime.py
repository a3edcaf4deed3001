"""What the manager's one body needs of the world it runs in: turns, pauses, and to know its event loop.

The body is ``async def`` and is driven in two ways. Under asyncio it is awaited; in blocking applications `finish`
runs it to its end in one step, which works because nothing it awaits there ever suspends. What would differ between
the two worlds is behind `Runtime`: `BlockingRuntime` here, `AsyncRuntime` in ``coatcheck.runtime_async``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never really suspends to its end, in the caller's thread.

    Raises:
        RuntimeError: it did suspend, which means that a networked or asyncio-only store was given to `Sessions`.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # a generator's return value is untyped
    finally:
        coroutine.close()
    raise RuntimeError("a store suspended under the blocking Sessions; give it a store that declares blocking=True")


class Runtime(Protocol):
    """The world a manager runs in."""

    def enter(self) -> None:
        """Check that this is the world the manager belongs to.

        Raises:
            WrongEventLoop: another event loop, still running, has used it before.
        """
        ...

    def turn(self, name: str, seconds: float | None = None) -> AbstractAsyncContextManager[None]:
        """Wait for a turn that one caller in this process has at a time, by *name*.

        Raises:
            TimeoutError: *seconds* passed first.
        """
        ...

    async def pause(self, seconds: float) -> None:
        """Let *seconds* pass; 0 lets others run."""
        ...

    def elapsed(self) -> float:
        """Return seconds on a clock that only moves forward, for deadlines."""
        ...


class BlockingRuntime:
    """Threads: a turn is a lock, a pause is a sleep."""

    def __init__(self) -> None:
        """Begin with no turns taken."""
        self._guard = threading.Lock()
        self._turns: dict[str, tuple[threading.Lock, int]] = {}

    def enter(self) -> None:
        """Accept any thread."""

    def turn(self, name: str, seconds: float | None = None) -> AbstractAsyncContextManager[None]:
        """Hold the lock of *name*, kept only while somebody wants it."""
        return _BlockingTurn(self._turns, self._guard, name, seconds)

    async def pause(self, seconds: float) -> None:
        """Sleep in the caller's thread."""
        time.sleep(seconds)  # noqa: ASYNC251 - driven by `finish`: there is no event loop to hold up

    def elapsed(self) -> float:
        """Return `time.monotonic`."""
        return time.monotonic()


class _BlockingTurn:
    """One thread's wait for a turn."""

    def __init__(
        self,
        turns: dict[str, tuple[threading.Lock, int]],
        guard: threading.Lock,
        name: str,
        seconds: float | None,
    ) -> None:
        self._turns, self._guard, self._name = turns, guard, name
        self._seconds = -1.0 if seconds is None else max(seconds, 0.0)

    async def __aenter__(self) -> None:
        with self._guard:
            lock, waiting = self._turns.get(self._name, (threading.Lock(), 0))
            self._turns[self._name] = (lock, waiting + 1)
        try:
            taken = lock.acquire(timeout=self._seconds)
        except BaseException:
            self._leave()
            raise
        if not taken:
            self._leave()
            raise TimeoutError

    async def __aexit__(self, *_exc: object) -> None:
        self._leave().release()

    def _leave(self) -> threading.Lock:
        """Forget the lock with the last thread that wants it."""
        with self._guard:
            lock, waiting = self._turns.pop(self._name)
            if waiting > 1:
                self._turns[self._name] = (lock, waiting - 1)
            return lock
