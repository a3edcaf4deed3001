"""Which epochs the request at hand has raised itself (ruling 13).

Where a framework owns sign-in, nobody reads the epoch before the password is checked; the store then refuses a sign-in
whose request began before the epoch was last raised. A request that ends a user's other sessions and signs them in
again, as after a change of password, has raised it itself and is not refused.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_EVERYBODY: Final = ""
_raised: Final[ContextVar[set[str] | None]] = ContextVar("coatcheck_raised_epochs", default=None)


@contextmanager
def request() -> Generator[None]:
    """Take note of what is raised in this block, in its threads and tasks too."""
    token = _raised.set(set())
    try:
        yield
    finally:
        _raised.reset(token)


def note(user_id: str = _EVERYBODY) -> None:
    """Say that a user's epoch, or everybody's, is being raised."""
    known = _raised.get()
    if known is not None:
        known.add(user_id)


def by_this_request(user_id: str) -> bool:
    """Whether this request has raised the user's epoch."""
    known = _raised.get()
    return known is not None and (user_id in known or _EVERYBODY in known)
