"""``coatcheck migrate`` where no server is needed: what it prints, and what its exit codes say."""

from __future__ import annotations

import pytest

from coatcheck.stores.postgres.steps import steps
from tests.fast.cli.conftest import run

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
