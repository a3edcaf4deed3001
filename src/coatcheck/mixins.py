"""Verbs that are written in a class of their own, and told under the name of the class that people hold."""

from __future__ import annotations

import inspect
from typing import TypeVar

T = TypeVar("T")


def spoken_by(kind: type[T]) -> type[T]:
    """Let errors and warnings name *kind* for the verbs of its mixins, each of which has no other class.

    "coroutine 'AsyncSessions.sweep' was never awaited" is what somebody wrote; the mixin's name nobody has seen.
    """
    for base in kind.__bases__:
        for name, verb in vars(base).items():
            if inspect.isfunction(verb) and not name.startswith("_"):
                verb.__qualname__ = f"{kind.__name__}.{name}"
    return kind
