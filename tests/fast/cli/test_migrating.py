"""``coatcheck migrate``: what it prints, what its exit codes say, and what it does to a real PostgreSQL."""

from __future__ import annotations

import pytest

from coatcheck.stores.postgres.steps import steps
from tests.fast.cli.conftest import run
from tests.servers.postgres import PostgresServer

STEPS = len(steps())
ELSEWHERE = "postgresql://ann:private@127.0.0.1:1/shop"


def test_the_script_needs_no_server() -> None:
    """``--sql`` prints every step for the URL's schema, as one transaction, and connects to nothing."""
    shown = run("migrate", "--sql", "--store", ELSEWHERE + "?schema=shop")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("BEGIN;\n")
    assert shown.stdout.endswith("COMMIT;\n")
    for step in steps():
        assert f"-- {step.name}\n" in shown.stdout
    assert 'CREATE TABLE "shop".coatcheck_sessions (' in shown.stdout
    assert "__schema__" not in shown.stdout
    assert "private" not in shown.output


def test_the_script_of_later_steps() -> None:
    """``--after`` leaves out what has been run, and the script refuses tables at another step."""
    shown = run("migrate", "--sql", "--after", str(STEPS - 1), "--store", ELSEWHERE).stdout
    assert f"-- {steps()[-1].name}\n" in shown
    assert f"-- {steps()[0].name}\n" not in shown
    assert f"IS DISTINCT FROM {STEPS - 1} THEN" in shown


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


def test_an_outage_and_a_fault_of_set_up_differ() -> None:
    """Exit code 3 when nobody answers, 2 when the URL is wrong; neither repeats the password (promise 7)."""
    down = run("migrate", "--store", ELSEWHERE)
    wrong = run("migrate", "--store", ELSEWHERE + "?timeout=soon")
    assert (down.exit_code, wrong.exit_code) == (3, 2)
    assert "127.0.0.1:1/shop" in down.stderr
    assert "private" not in down.output + wrong.output


@pytest.mark.parametrize("store", ["sqlite:///sessions.db", "memory://"])
def test_other_stores_need_no_migration(store: str) -> None:
    """Stores that make their own tables are told apart, and nothing is made."""
    shown = run("migrate", "--store", store)
    assert (shown.exit_code, shown.stdout.count("nothing to migrate")) == (0, 1)
