"""Every scenario goes well in every framework on every store (promises 1 to 13, issue 5, section 1)."""

from __future__ import annotations

import asyncio

import pytest

from tests.web.grid.cells import ADAPTERS, adapter, applies
from tests.web.grid.grounds import GROUNDS, Grounds, grounds_of
from tests.web.grid.site import OurSite, outcome_on
from tests.web.scenarios import table

CELLS = [
    pytest.param(store, framework, name, id=f"{store}-{framework}-{name}")
    for store in GROUNDS
    for framework in ADAPTERS
    for name, scenario in table().items()
    if applies(framework, scenario)
]


@pytest.fixture(scope="session")
def grounds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Grounds:
    """Give the stores."""
    return grounds_of(request, tmp_path_factory)


@pytest.mark.parametrize(("store", "framework", "name"), CELLS)
def test_scenario(grounds: Grounds, store: str, framework: str, name: str) -> None:
    """A scenario goes well; its own text says what that means, with the requirements' ids."""
    scenario = table()[name]
    site = OurSite(adapter(framework), grounds[store], scenario)

    assert asyncio.run(outcome_on(site, scenario)) is None
