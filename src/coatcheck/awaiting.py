"""What happens to a session's verb whose ``await`` was forgotten: the answer becomes an error that names the line.

A coroutine that is never awaited does nothing, and Python only warns: somebody would not be signed out. The session of
an HTTP request therefore looks, when one of `VERBS` is called, at what the caller does with the coroutine. Where the
very next instruction throws it away (a statement ``session.logout()``) or asks whether it is true, nobody can await it
any more. A coroutine that is passed on, kept or returned is left to whoever has it, and to Python's own warning: an
exception that drops one on its way must not look like a forgotten ``await``.

Only CPython's instructions are known. Elsewhere, outside of requests and once the answer has begun, the verbs are those
of `coatcheck.session.AsyncSession`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import opcode
import sys
from collections.abc import Callable, Coroutine, Iterable
from types import FrameType
from typing import Any, Final

from coatcheck.errors import NotAwaited
from coatcheck.session import AsyncSession as PlainSession
from coatcheck.state import State

Verb = Callable[..., Coroutine[Any, Any, Any]]

VERBS: Final = (
    *("login", "logout", "rotate", "save", "transaction"),
    *("begin_login", "finish_login", "step_up", "revoke_others", "resume", "impersonate", "stop_impersonating"),
)
"""What changes the session of the request."""

_OURS: Final = 2
"""References to a coroutine that only its `_Call` holds: that one, and the one that counting takes."""
_STEP: Final = 2
"""Bytes from one instruction to the next."""
_EMPTY: Final = frozenset(opcode.opmap[name] for name in ("CACHE", "NOP") if name in opcode.opmap)
_DISCARDS: Final = frozenset(
    number
    for name, number in opcode.opmap.items()
    if name in {"POP_TOP", "TO_BOOL", "UNARY_NOT"} or name.startswith("POP_JUMP")
)
_log: Final = logging.getLogger("coatcheck")


class Calls:
    """The verbs called in one request whose coroutine was thrown away."""

    __slots__ = ("_made", "watching")

    def __init__(self) -> None:
        """Begin with none."""
        self._made: list[_Call] = []
        self.watching = True

    def add(self, call: _Call) -> None:
        """Take note of a call."""
        self._made.append(call)

    def conclude(self, status: int) -> None:
        """End the watch, for an answer is about to leave; one that tells of an error is not replaced.

        Raises:
            NotAwaited: a verb was forgotten; holds the line to write for each.
        """
        if status >= 400 or sys.exception() is not None:
            self.log()
        elif lines := self._take():
            raise NotAwaited("\n".join(lines))

    def explain(self, error: BaseException) -> None:
        """End the watch, and add what was forgotten to *error*, which ends the request: it may be the cause."""
        for line in self._take():
            error.add_note(line)

    def log(self) -> None:
        """End the watch, and log what was forgotten and not told yet."""
        for line in self._take():
            _log.warning(line)

    def _take(self) -> Iterable[str]:
        """Return the lines of what was forgotten, and let go of it."""
        self.watching = False
        made, self._made = self._made, []
        return {call.told(): None for call in made if call.close_if_forgotten()} if made else ()


class _Call:
    """One call of a verb whose coroutine was thrown away."""

    __slots__ = ("_awaitable", "_coroutine", "_verb")

    def __init__(self, verb: str, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._verb, self._coroutine = verb, coroutine
        self._awaitable = _in_event_loop()

    def close_if_forgotten(self) -> bool:
        """Return whether it never began and nobody has it who could; if so, close it without Python's warning.

        C code may keep what an instruction seems to throw away: ``kept.extend(map(session.transaction, changes))``.
        """
        began = inspect.getcoroutinestate(self._coroutine) != inspect.CORO_CREATED
        if began or sys.getrefcount(self._coroutine) > _OURS:
            return False
        self._coroutine.close()
        return True

    def told(self) -> str:
        """Say what happened, why, and the line to write."""
        said = f"{self._verb}(...) was called without await, so nothing was done. "
        if self._awaitable:
            return f"{said}Write: await {self._verb}(...)"
        remedy = "ask for session: BlockingSession (coatcheck.web.fastapi), whose verbs are called"
        return f"{said}A plain def endpoint cannot await: write async def, or {remedy}"


class AsyncSession(PlainSession):
    """The session of an HTTP request."""

    __slots__ = ("_calls",)

    _calls: Calls

    def __init__(self, state: State, calls: Calls) -> None:
        """Show *state*; what is forgotten goes to *calls*."""
        super().__init__(state)
        object.__setattr__(self, "_calls", calls)


def is_discarded(frame: FrameType) -> bool:
    """Whether *frame*, which is calling, throws the result away or only asks whether it is true."""
    code = frame.f_code.co_code
    at = frame.f_lasti + _STEP
    while at < len(code) and code[at] in _EMPTY:
        at += _STEP
    return _STEP <= at < len(code) and code[at] in _DISCARDS


def _noted(verb: str, function: Verb) -> Verb:
    """Return *function*, noting a call whose coroutine is thrown away."""

    @functools.wraps(function)
    def called(self: AsyncSession, /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        coroutine = function(self, *args, **kwargs)
        calls = self._calls
        if calls.watching and is_discarded(sys._getframe(1)):  # noqa: SLF001 - the one way to see one's caller
            calls.add(_Call(verb, coroutine))
        return coroutine

    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(called)
    called._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined] # noqa: SLF001
    return called


def _in_event_loop() -> bool:
    """Whether the caller runs in an event loop, where ``await`` is possible; not so in a worker thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


if sys.implementation.name == "cpython" and hasattr(sys, "getrefcount"):
    for _word in VERBS:
        setattr(AsyncSession, _word, _noted(f"session.{_word}", getattr(PlainSession, _word)))
