"""``coatcheck migrate`` on a real PostgreSQL."""

from __future__ import annotations

from coatcheck.stores.postgres.steps import steps
from tests.fast.cli.conftest import run
from tests.servers.postgres import PostgresServer

STEPS = len(steps())


def test_migrating_and_checking(postgres15: PostgresServer) -> None:
    """``--check`` changes nothing and exits with 1 until ``migrate`` was run; then both say so and exit with 0."""
    url = postgres15.url + "?schema=command"
    postgres15.execute("DROP SCHEMA IF EXISTS command CASCADE")
    before = run("migrate", "--check", "--store", url)
    assert (before.exit_code, before.stderr) == (1, f"the tables are at step 0 of {STEPS}; run: coatcheck migrate\n")
    assert run("migrate", "--store", url).stdout == f"migrated from step 0 to step {STEPS}\n"
    assert run("migrate", "--store", url).stdout == f"the tables are at step {STEPS}; there was nothing to do\n"
    after = run("migrate", "--check", "--store", url)
    assert (after.exit_code, after.stdout) == (0, f"the tables are at step {STEPS}; there is nothing to do\n")
