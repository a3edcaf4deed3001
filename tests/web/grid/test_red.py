"""Every scenario can fail, for the reason it was written for; and rivals fail what they are known to fail, no more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.web.grid.defects import DEFECTS, BrokenSite
from tests.web.grid.known import RED, RED_IN_A_RIVAL
from tests.web.grid.known_rivals import FAILS
from tests.web.grid.rivals import RIVALS, rival
from tests.web.grid.rivals_facade import NOT_OFFERED, for_scenario, verdict_on
from tests.web.grid.site import outcome_on
from tests.web.scenarios import table

BY_DEFECT = [(defect, name) for defect, names in RED.items() for name in names]


@pytest.fixture(autouse=True)
def _quietly(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Keep the logs of what goes wrong on purpose out of a failure's report."""
    with caplog.at_level("CRITICAL"):
        yield


def test_every_scenario_is_seen_to_fail() -> None:
    """There are at least 60 scenarios, and for each one a defect or a rival that it is red for (issue 5, section 1)."""
    assert len(table()) >= 60
    assert {name for _, name in BY_DEFECT} | RED_IN_A_RIVAL.keys() == table().keys()
    assert all(name in FAILS[of] for name, of in RED_IN_A_RIVAL.items())
    assert RED.keys() <= DEFECTS.keys()


def test_every_scenario_says_what_it_stands_for() -> None:
    """A scenario has one sentence, which the published table shows."""
    assert [name for name, scenario in table().items() if not scenario.title.endswith((".", ")"))] == []


@pytest.mark.parametrize(("defect", "name"), BY_DEFECT)
def test_a_defect_is_found(defect: str, name: str) -> None:
    """A scenario is red in coatcheck's own site with the defect switched on."""
    scenario = table()[name]
    site = BrokenSite(DEFECTS[defect], scenario)

    async def run() -> str | None:
        try:
            return await outcome_on(site, scenario)
        except Exception as error:  # noqa: BLE001 - a scenario that cannot go on has found something too
            return str(error) or type(error).__name__

    assert asyncio.run(run()) is not None


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_fails_what_it_is_known_to_fail(name: str) -> None:
    """What is published of a rival is what it does today: known failures fail, everything else passes."""
    kind = rival(name)
    verdicts = {
        scenario.name: asyncio.run(verdict_on(for_scenario(kind, scenario), scenario)) for scenario in table().values()
    }

    assert {each for each, verdict in verdicts.items() if verdict not in (None, NOT_OFFERED)} == FAILS[name]
