"""The code that ran, read from the source files: what is the same for all libraries, and what each does its own way."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from textwrap import dedent
from typing import Any

from msgspec import Struct

from . import verdicts
from .experiments import Experiment, held
from .libraries import LIBRARIES, shops
from .shop import Gate, Shop


class Code(Struct, frozen=True):
    """A piece of source and what it is."""

    title: str
    text: str


def code_of(experiment: Experiment) -> tuple[Code, ...]:
    """Return what ran in *experiment*, the common part first."""
    verdict: Callable[..., Any] = getattr(verdicts, f"of_{getattr(experiment.play, '__name__', '')}")
    common = (
        Code("The same for all three: the handlers, and the gate that makes requests overlap", _source(*SHARED)),
        Code("The same for all three: the experiment", _source(experiment.play, held)),
        Code("The same for all three: the verdict", _source(verdict)),
    )
    own = (Code(f"Only {library.name}", _source(shop)) for library, shop in zip(LIBRARIES, shops(), strict=True))
    return (*common, *own)


def _source(*parts: Callable[..., Any]) -> str:
    return "\n".join(dedent(inspect.getsource(part)) for part in parts)


SHARED = (Shop.add, Shop.route, Gate)
"""What no library's shop overrides: the line that changes the session, the handler around it, and the gate."""
