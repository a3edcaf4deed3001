"""What happens to a verb whose ``await`` was forgotten: the request's answer becomes an error that names the line.

A coroutine that is never awaited does nothing, and Python only warns. Where that was a ``revoke_user``, somebody stays
signed in. So a verb that is called in a request is kept until it begins. One that did not begin when the answer is
about to leave, and that nobody else holds, was forgotten. A verb that a task or a background job holds is theirs.
Outside of requests, and once the answer has begun, verbs are plain coroutine functions.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from coatcheck.errors import NotAwaited

K = TypeVar("K", bound=type)
Verb = Callable[..., Coroutine[Any, Any, Any]]

_OURS: Final = 2
"""References to a coroutine that only its `_Call` holds: that one, and the one that counting takes."""
_verbs: Final[list[Verb]] = []


class Calls:
    """The verbs called in one request that did not begin yet."""

    __slots__ = ("_waiting", "watching")

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: set[_Call] | None = None
        self.watching = True

    def add(self, call: _Call) -> None:
        """Take note of a call."""
        if self._waiting is None:
            self._waiting = set()
        self._waiting.add(call)

    def remove(self, call: _Call) -> None:
        """Forget a call that is under way."""
        if self._waiting is not None:
            self._waiting.discard(call)

    def check(self) -> None:
        """End the watch, for the answer is about to leave.

        Raises:
            NotAwaited: a verb was forgotten; holds the line to write for each.
        """
        self.watching = False
        if self._waiting:
            waiting, self._waiting = self._waiting, None
            forgotten = [call for call in waiting if call.is_forgotten()]
            for call in forgotten:
                call.close()
            if forgotten:
                raise NotAwaited("\n".join({call.told(): None for call in forgotten}))

    def explain(self, error: BaseException) -> None:
        """End the watch, and add to *error*, which ends the request, what did not begin: it may be the cause."""
        self.watching = False
        waiting, self._waiting = self._waiting or (), None
        lines = {call.told(): None for call in waiting if not call.is_closed()}
        for call in waiting:
            if call.is_forgotten():
                call.close()
        for line in lines:
            error.add_note(line)


current: Final[ContextVar[Calls | None]] = ContextVar("coatcheck calls", default=None)
"""The calls of the request that runs here; ``None`` outside of requests."""


class _Call:
    """One call of a verb that did not begin yet."""

    __slots__ = ("_awaitable", "_calls", "_coroutine", "_verb")

    def __init__(self, calls: Calls, verb: str) -> None:
        self._calls, self._verb = calls, verb
        self._awaitable = _in_event_loop()
        self._coroutine: Coroutine[Any, Any, Any] | None = None

    def of(self, function: Verb, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Coroutine[Any, Any, Any]:
        """Return the coroutine, which keeps the verb's name in Python's own messages."""
        coroutine = self._coroutine = _begin(self, function, args, kwargs)
        coroutine.__qualname__ = function.__qualname__  # type: ignore[attr-defined]  # a coroutine object has one
        self._calls.add(self)
        return coroutine

    def begin(self) -> None:
        self._coroutine = None
        self._calls.remove(self)

    def is_closed(self) -> bool:
        """Whether it was cancelled before it began; whoever did that knew of it."""
        return inspect.getcoroutinestate(self._coroutine) == inspect.CORO_CLOSED  # type: ignore[arg-type]

    def is_forgotten(self) -> bool:
        """Whether nobody is left who could await it."""
        return not self.is_closed() and sys.getrefcount(self._coroutine) <= _OURS

    def close(self) -> None:
        """Let go of the coroutine, without Python's warning: the error says more."""
        if self._coroutine is not None:
            self._coroutine.close()

    def told(self) -> str:
        """Say what happened, why, and the line to write."""
        said = f"{self._verb}(...) was called without await, so nothing was done. "
        if self._awaitable:
            return f"{said}Write: await {self._verb}(...)"
        remedy = "use the blocking Sessions(...) there"
        if self._verb.startswith("session."):
            remedy = "ask for session: BlockingSession (coatcheck.web.fastapi), whose verbs are called"
        return f"{said}A plain def endpoint cannot await: write async def, or {remedy}"


def told_of_calls(name: str) -> Callable[[K], K]:
    """Watch over all public coroutine functions of a class, whose instances are called *name* in messages."""

    def watched(kind: K) -> K:
        for word, function in tuple(vars(kind).items()):
            if inspect.iscoroutinefunction(function) and not word.startswith("_"):
                setattr(kind, word, _noted(function, f"{name}.{word}"))
        return kind

    return watched


def _noted(function: Verb, verb: str) -> Verb:
    """Return *function*, noting its calls while a request is watched."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        calls = current.get()
        if calls is None or not calls.watching:
            return function(*args, **kwargs)
        return _Call(calls, verb).of(function, args, kwargs)

    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(called)
    _verbs.append(called)
    return called


async def _begin(call: _Call, function: Verb, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    call.begin()
    return await function(*args, **kwargs)


def mark_verbs() -> None:
    """Let asyncio of Python 3.11 see that the verbs are coroutine functions; later releases know from the start."""
    if sys.version_info < (3, 12):
        from asyncio import coroutines

        for verb in _verbs:
            verb._is_coroutine = coroutines._is_coroutine  # type: ignore[attr-defined] # noqa: SLF001


def _in_event_loop() -> bool:
    """Whether the caller runs in an event loop, where ``await`` is possible; not so in a worker thread."""
    from asyncio import _get_running_loop

    return _get_running_loop() is not None
