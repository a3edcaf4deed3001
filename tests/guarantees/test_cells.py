"""Every cell of the table of guarantees, on servers that are really killed (promises 2 to 5, requirement: issue 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.guarantees.scenes import Scene, broken, deployed, gone, outcome_of, played
from tests.servers import binaries
from tests.servers.fixtures import Gap, needed
from torture.killing.cells import CELLS, LOST, Outcome, cells
from torture.killing.deployments import Deployment

Stage = Callable[[str, str], Scene]


class _Stage:
    """One deployment at a time, and every scene once."""

    def __init__(self, folder: pytest.TempPathFactory, gap: Gap) -> None:
        self._folder, self._gap = folder, gap
        self._scenes: dict[tuple[str, str], Scene | Exception] = {}
        self._open = ExitStack()
        self._now: tuple[str, Deployment] | None = None

    def __call__(self, configuration: str, fault: str) -> Scene:
        """Return a scene, played once."""
        known = self._scenes.get((configuration, fault))
        if known is None:
            deployment = self._deployment(configuration)
            try:
                known = played(deployment, configuration, fault)
            except Exception as error:  # noqa: BLE001 - it is raised for every cell of the scene
                known = error
            self._scenes[configuration, fault] = known
        if isinstance(known, Exception):
            raise known.with_traceback(None)
        return known

    def _deployment(self, configuration: str) -> Deployment:
        if self._now is None or self._now[0] != configuration:
            self.close()
            if configuration.startswith(("redis", "sentinel", "cluster")):
                needed(binaries.redis, self._gap)
            elif configuration.startswith("postgresql"):
                needed(lambda: binaries.postgres(15), self._gap)
            folder = self._folder.mktemp(configuration)
            self._now = configuration, self._open.enter_context(deployed(configuration, folder))
        return self._now[1]

    def close(self) -> None:
        """Stop what runs."""
        self._now = None
        self._open.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, gap: Gap) -> Iterator[Stage]:
    """Play scenes."""
    stage = _Stage(tmp_path_factory, gap)
    yield stage
    stage.close()


@pytest.mark.parametrize(
    ("configuration", "fault", "verb", "outcome"),
    [pytest.param(*cell, id="/".join(cell[:3])) for cell in cells()],
)
def test_cell(stage: Stage, configuration: str, fault: str, verb: str, outcome: Outcome) -> None:
    """What the table says of an acknowledged step holds, and whatever may be lost leaves nothing strange behind."""
    scene = stage(configuration, fault)

    print(f"{configuration}/{fault}/{verb}, which is {outcome}: {outcome_of(scene, verb)}")  # noqa: T201 - shown with -s
    assert broken(scene, verb, outcome) is None


@pytest.mark.parametrize(
    ("configuration", "fault"),
    [pytest.param(name, fault, id=f"{name}/{fault}") for name, faults in CELLS.items() for fault in faults],
)
def test_whatever_was_there_long_before_is_still_there(stage: Stage, configuration: str, fault: str) -> None:
    """A fault costs the last steps at most: only where sign-ins are all lost may older sessions be missing, and are."""
    missing = gone(stage(configuration, fault))

    if CELLS[configuration][fault]["sign-in"] == LOST:
        assert missing
    else:
        assert missing == []
