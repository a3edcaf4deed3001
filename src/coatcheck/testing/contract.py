"""The conformance suite: what a store proves before its sessions are trusted.

A store's own test file is one fixture::

    import pytest
    from coatcheck.testing import StoreContract


    class TestMyStore(StoreContract):
        @pytest.fixture
        def open_store(self, tmp_path):
            return lambda: MyStore(tmp_path / "sessions")

``open_store`` gives a function that returns a new store object, and each test begins with a store that is empty.
Called again in the same test, the function returns another object over the same data, if the store declares
``persistent`` or ``shared``: restarts and two processes are played with it. If the function takes a keyword
``tenant``, the suite also proves that tenants are apart. The suite closes what it opened.

A second fixture is optional: ``plant`` gives a function ``plant(id, kind)`` that makes the stored session of an id
unreadable behind the store's back. ``"newer"`` puts a format above `coatcheck.model.RECORD_SCHEMA` where the store
looks for it and leaves the rest as it is; ``"damaged"`` puts bytes in the place of the data that no release can
decode. Without it the tests of unreadable sessions are skipped.

The tests are chosen by ``traits``: what a store does not declare is skipped, and the reason is printed. Time is an
argument of every verb, so nothing waits. Races run over `coatcheck.testing.yielding`, which lets other tasks in
between verbs, and over two store objects where the store is shared. No pytest plugin is needed.
"""

from __future__ import annotations

import pytest

# Before the parts are imported: their assertions then explain themselves as those of a test file do.
pytest.register_assert_rewrite(
    "coatcheck.testing.contract_bench",
    "coatcheck.testing.contract_change",
    "coatcheck.testing.contract_count",
    "coatcheck.testing.contract_create",
    "coatcheck.testing.contract_end",
    "coatcheck.testing.contract_limit",
    "coatcheck.testing.contract_list",
    "coatcheck.testing.contract_origin",
    "coatcheck.testing.contract_secrecy",
    "coatcheck.testing.contract_sweep",
    "coatcheck.testing.contract_unreadable",
    "coatcheck.testing.contract_upkeep",
)

from coatcheck.testing.contract_bench import Bench as Bench  # noqa: E402
from coatcheck.testing.contract_bench import Kind as Kind  # noqa: E402
from coatcheck.testing.contract_bench import OpenStore as OpenStore  # noqa: E402
from coatcheck.testing.contract_bench import Plant as Plant  # noqa: E402
from coatcheck.testing.contract_change import Commit, Rotate, Touch  # noqa: E402
from coatcheck.testing.contract_count import Count  # noqa: E402
from coatcheck.testing.contract_create import FindAndCreate, Replace  # noqa: E402
from coatcheck.testing.contract_end import EndMany, EndOne  # noqa: E402
from coatcheck.testing.contract_limit import Epochs, Limits  # noqa: E402
from coatcheck.testing.contract_list import Browse, ListUser  # noqa: E402
from coatcheck.testing.contract_origin import Origins  # noqa: E402
from coatcheck.testing.contract_secrecy import Secrecy  # noqa: E402
from coatcheck.testing.contract_sweep import Sweep  # noqa: E402
from coatcheck.testing.contract_unreadable import Unreadable  # noqa: E402
from coatcheck.testing.contract_upkeep import Lease, Life, Side, Tenants  # noqa: E402


class StoreContract(
    FindAndCreate, Replace, Limits, Epochs, Commit, Touch, Rotate, EndOne, EndMany,
    Origins, ListUser, Browse, Sweep, Unreadable, Side, Lease, Count, Life, Tenants, Secrecy,
):  # fmt: skip
    """Every test of the store contract. Override the fixture ``open_store``."""
