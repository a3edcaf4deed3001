"""A worker that starts in the middle of a failover serves when it is over."""

from __future__ import annotations

import time

import pytest

from coatcheck.errors import StoreUnavailable
from coatcheck.runtime import finish
from tests.servers import binaries
from tests.servers.fixtures import Gap, needed
from torture.killing.deployments import DEPLOYMENTS
from torture.killing.witness import opened


@pytest.mark.parametrize("configuration", ["sentinel-confirm", "cluster-confirm"])
def test_a_store_opened_while_the_primary_is_dead(
    configuration: str, tmp_path_factory: pytest.TempPathFactory, gap: Gap
) -> None:
    """Promise 9: it answers 503 while nobody leads, and finds the new primary by itself once there is one."""
    needed(binaries.redis, gap)
    with DEPLOYMENTS[configuration](tmp_path_factory.mktemp("store")) as deployment:
        fault = deployment.faults.get("failover-first", deployment.faults["failover"])
        fault.strike()
        store = opened(deployment.url, blocking=True)
        with pytest.raises(StoreUnavailable):
            finish(store.key())
        fault.recover()

        assert len(served(store)) == 32
        finish(store.close())
        fault.mend()


def served(store: object) -> bytes:
    """Ask until the store answers, for ten seconds."""
    until = time.monotonic() + 10
    while True:
        try:
            key: bytes = finish(store.key())  # type: ignore[attr-defined]  # any store has one
        except StoreUnavailable:
            if time.monotonic() > until:
                raise
        else:
            return key
        time.sleep(0.1)
