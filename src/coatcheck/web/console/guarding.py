"""Who may come in. The application decides; the console only asks."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from starlette.requests import Request

from coatcheck.errors import ConfigurationError

Verdict: TypeAlias = bool | str | None
"""``False``, ``None`` or an empty text: not this one. ``True``: an operator without a name. A text: its name."""

Guard: TypeAlias = Callable[[Request], Verdict | Awaitable[Verdict]]
"""Judges a request before anything is shown. It may look at the application's session, and may raise
`SignInRequired`, which the session middleware answers. The request has no body to read."""

NAME_AT_MOST: Final = 100
"""Characters of an operator's name that are shown and logged."""

_UNGUARDED: Final = (
    "Console needs guard=, a function that says who may see and end everybody's sessions. Write "
    'Console(sessions, guard=lambda request: "operator" in session_of(request).roles), or guard=everybody if something '
    "before the application lets nobody else through"
)


def everybody(_request: Request, /) -> bool:
    """Let everybody in: for a console that something before the application guards, and for nothing else."""
    return True


def checked_guard(guard: Guard | None) -> Guard:
    """Refuse a console that nobody guards.

    Raises:
        ConfigurationError: says the line to write.
    """
    if guard is None or not callable(guard):
        raise ConfigurationError(_UNGUARDED)
    return guard


async def operator_of(guard: Guard, request: Request) -> str | None:
    """Return the operator's name, ``"an operator"`` for one without, ``None`` for somebody who is none."""
    verdict = guard(request)
    if inspect.isawaitable(verdict):
        verdict = await verdict
    if verdict is True:
        return "an operator"
    return verdict[:NAME_AT_MOST] or None if isinstance(verdict, str) else None
