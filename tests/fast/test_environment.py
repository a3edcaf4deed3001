"""The store's URL from the environment: a fresh shell with one variable set, and what is refused (S-70)."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from coatcheck import AsyncSessions, ConfigurationError, Sessions
from coatcheck.stores import SCHEMES, VARIABLES

SECRET = "hunter2"
UNKNOWN = [
    f"mysql://app:{SECRET}@db/app?sslmode=require",
    f"mongodb+srv://app:{SECRET}@cache",
    f"rediss+sentinel://:{SECRET}@one,two/primary",
    f"valkey://:{SECRET}@cache:6379",
    f"cookie://{SECRET}",
]
"""Schemes that no release can open, some of them near one that there is."""

VISIT = """
import sys
from coatcheck import Sessions
with Sessions.from_env() as sessions:
    session = sessions.load(sys.argv[1] if len(sys.argv) > 1 else None)
    visits = session["visits"] = session.get("visits", 0) + 1
    outcome = sessions.save(session)
    print(visits, outcome.token or "-")
"""


@pytest.fixture(autouse=True)
def fresh_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begin in an empty folder with none of the variables set."""
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def visit(*arguments: str, **variables: str) -> list[str]:
    """Run a program that counts its visits, in a process with *variables*; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", VISIT, *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    return done.stdout.split()


@pytest.mark.parametrize("name", [*VARIABLES, None])
def test_a_fresh_shell_with_one_variable(tmp_path: Path, name: str | None) -> None:
    """Any one variable, or none, is enough: a second process finds what the first one left in that file (S-70)."""
    variables = {name: "sqlite:///mine.db"} if name else {}
    first, token = visit(**variables)
    second, _ = visit(token, **variables)

    assert (first, second) == ("1", "2")
    assert [path.name for path in tmp_path.glob("*.db")] == ["mine.db" if name else "sessions.db"]


def test_the_variables_are_read_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment counts as it is at the call, not as it was at import (S-70)."""
    assert Sessions.from_env().store.traits.name == "sqlite"
    monkeypatch.setenv("DATABASE_URL", "memory://")
    assert Sessions.from_env().store.traits.name == "memory"
    monkeypatch.setenv("REDIS_URL", f"gopher://{SECRET}")
    with pytest.raises(ConfigurationError, match="REDIS_URL"):
        Sessions.from_env()
    monkeypatch.setenv("COATCHECK_STORE", "sqlite:///sessions.db")
    assert Sessions.from_env().store.traits.name == "sqlite"


@pytest.mark.parametrize("url", UNKNOWN)
@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("kind", [AsyncSessions, Sessions])
def test_a_store_that_is_not_there_is_refused(
    kind: type[AsyncSessions | Sessions], name: str, url: str, tmp_path: Path
) -> None:
    """It is named with those there are; no later variable takes its place; nothing else is shown (S-70)."""
    usable = dict.fromkeys(VARIABLES[VARIABLES.index(name) + 1 :], "sqlite:///other.db")
    with pytest.raises(ConfigurationError) as refused:
        kind.from_env({name: url, **usable})

    [fault] = refused.value.faults
    assert fault.startswith(name)
    assert url.partition("://")[0] + "://" in fault
    assert [scheme for scheme in SCHEMES if f"{scheme}://" not in fault] == []
    assert [part for part in (SECRET, "cache", "one", "db/app", "sslmode") if part in fault] == []
    assert list(tmp_path.iterdir()) == []


def test_a_scheme_is_known_in_capitals_too() -> None:
    """Schemes are the same in either case (RFC 3986, 3.1), for stores there are and for others."""
    assert Sessions.from_env({"COATCHECK_STORE": "SQLite:///sessions.db"}).store.traits.name == "sqlite"
    assert Sessions.from_env({"COATCHECK_STORE": "MEMORY://"}).store.traits.name == "memory"
    assert Sessions.from_env({"COATCHECK_STORE": "REDIS://cache"}).store.traits.name == "redis"
    with pytest.raises(ConfigurationError, match="oracle://"):
        Sessions.from_env({"COATCHECK_STORE": "ORACLE://db"})


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"COATCHECK_STORE": "memory://"}, ["COATCHECK_STORE", "memory://"]),
        ({"DATABASE_URL": "sqlite:///mine.db"}, ["DATABASE_URL", "sqlite://"]),
        ({}, ["sqlite:///sessions.db"]),
    ],
)
def test_it_says_at_start_which(env: dict[str, str], said: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """By the time the store is open the log has named the variable and the store that it chose (DESIGN section 4)."""

    async def start() -> None:
        async with AsyncSessions.from_env(env):
            pass

    with caplog.at_level(logging.INFO, logger="coatcheck"):
        asyncio.run(start())
    lines = [entry.getMessage() for entry in caplog.records if entry.name.startswith("coatcheck")]
    assert [line for line in lines if all(part in line for part in said)] != []
