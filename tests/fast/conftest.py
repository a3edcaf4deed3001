"""Both managers, one after the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fast._world import Mode, World

Build = Callable[..., World]


@pytest.fixture(params=["async", "blocking"])
def build(request: pytest.FixtureRequest) -> Build:
    """Return a maker of worlds, of `AsyncSessions` in one run of the test and of `Sessions` in the other."""
    mode: Mode = request.param
    return lambda *args, **options: World(mode, *args, **options)
