"""``coatcheck sweep`` and ``demo``, where the store comes from, exit codes, and what is not installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from coatcheck import Policy, Sessions, StoreUnavailable, __version__, stores
from coatcheck.cli import output, progress
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import FrozenClock
from tests.fast.cli.conftest import NOBODY, ROOT, Desk, run, words


def expire(desk: Desk, count: int) -> None:
    """Make sessions that ended by the idle clock long ago and that nobody swept."""
    past = Sessions(desk.sessions.store, policy=Policy.sensitive(), clock=FrozenClock())
    for _ in range(count):
        desk.add("alice", sessions=past)


def test_sweep_removes_what_has_expired(desk: Desk) -> None:
    """``sweep`` ends what the clocks ended, leaves the rest, and says how many; nothing to do is exit code 0 (S-64)."""
    expire(desk, 3)
    fresh = desk.add("alice")

    assert desk.json("sweep") == {"expired": 0, "abandoned": 3, "total": 3}
    assert desk.live() == {fresh.id}
    again = desk.run("sweep")
    assert (again.exit_code, again.stdout) == (0, "0 swept: 0 past their absolute timeout, 0 idle\n")


def test_sweep_counts_along(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress goes to stderr, a bar at a terminal and lines now and then elsewhere: stdout holds the result alone."""
    expire(desk, 3)
    quiet = desk.run("sweep")
    assert quiet.stderr == ""
    expire(desk, 4)

    shown = desk.run("sweep", env={"FORCE_COLOR": "1", "TERM": "xterm"})

    assert shown.stdout == "4 swept: 0 past their absolute timeout, 4 idle\n"
    assert "4 swept" in shown.stderr
    expire(desk, 2)
    monkeypatch.setattr(progress, "EVERY", 0.0)
    assert desk.run("sweep").stderr == "1 swept\n2 swept\n"


# --- the store, the environment, the exit codes


@pytest.mark.parametrize("command", [("sessions", "list"), ("sweep",), ("sessions", "revoke", "--all", "--yes")])
def test_a_missing_file_is_not_made(command: tuple[str, ...], tmp_path: Path) -> None:
    """A SQLite file that is not there is told and not made: exit code 2 (default store and --store alike)."""
    for asked in (command, (*command, "--store", "sqlite:///nowhere.db")):
        result = run(*asked)
        assert result.exit_code == 2
        assert "there is no file" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_memory_is_refused() -> None:
    """``memory://`` belongs to another process: exit code 2, with what to use instead."""
    for command in (("sessions", "list"), ("sessions", "show", NOBODY), ("sweep",)):
        result = run(*command, "--store", "memory://")
        assert result.exit_code == 2
        assert "sqlite:///" in result.stderr


def test_the_store_may_come_from_the_environment(desk: Desk) -> None:
    """``COATCHECK_STORE``, then ``REDIS_URL``, then ``DATABASE_URL``: the first that is set decides, also if wrong."""
    info = desk.add("alice")
    found = run("sessions", "show", info.id, env={"COATCHECK_STORE": desk.url, "REDIS_URL": "gopher://x"})
    refused = run("sessions", "show", info.id, env={"REDIS_URL": "gopher://:hunter2@x", "DATABASE_URL": desk.url})

    assert found.exit_code == 0
    assert refused.exit_code == 2
    assert "REDIS_URL" in refused.stderr
    assert "hunter2" not in refused.output


def test_unknown_schemes_are_refused() -> None:
    """A scheme that cannot be opened is exit code 2; the rest of the URL, which may hold a password, is not shown."""
    result = run("sweep", "--store", "gopher://:hunter2@x/1")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "gopher://" in result.stderr
    assert "hunter2" not in result.stderr
    assert "Traceback" not in result.output


def test_tenants_are_apart(desk: Desk) -> None:
    """``--tenant`` works in that namespace alone; one that cannot be is exit code 2 (SM-13)."""
    with Sessions(desk.url, tenant="acme") as acme:
        theirs = desk.add("alice", sessions=acme)
    ours = desk.add("alice")

    assert [info["id"] for info in desk.json("sessions", "list")["sessions"]] == [ours.id]
    assert [info["id"] for info in desk.json("sessions", "list", "--tenant", "acme")["sessions"]] == [theirs.id]
    assert desk.run("sessions", "list", "--tenant", "a/b").exit_code == 2


def test_an_outage_is_its_own_exit_code(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not answer is exit code 3, loud and without a traceback (promise 9)."""

    class Down(MemoryStore):
        async def find(self, ids: Any) -> Any:
            raise StoreUnavailable("no answer")

    monkeypatch.setattr(stores, "from_url", lambda *_, **__: Down())
    result = desk.run("sessions", "show", NOBODY)

    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "the store did not answer: no answer\n"


def test_help_states_the_exit_codes() -> None:
    """``--help`` documents the exit codes and where the store comes from."""
    told = words(run("--help").stdout)

    for part in ("0 done", "1 nothing matched", "2 wrong usage", "3 the store did not answer", *stores.VARIABLES):
        assert part in told


def test_version() -> None:
    """``--version`` prints the version and does nothing else."""
    result = run("--version")

    assert (result.exit_code, result.stdout) == (0, f"coatcheck {__version__}\n")


def test_moments_are_told_in_one_unit() -> None:
    """A moment is told as people say it, past and to come."""
    hour = 3_600_000
    assert output.relative(0, 3 * 60_000 + 20_000) == "3 minutes ago"
    assert output.relative(7 * 24 * hour, 1) == "in 7 days"
    assert output.relative(0, hour) == "1 hour ago"
    assert output.relative(0, 999) == output.relative(999, 0) == "now"


# --- demo and start


def test_demo_hands_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """``coatcheck demo`` runs the demo's server with the port and the store that were asked for."""
    asked: list[dict[str, Any]] = []
    server = SimpleNamespace(run=lambda **options: asked.append(options))
    monkeypatch.setitem(sys.modules, "coatcheck.demo", SimpleNamespace(server=server))
    monkeypatch.setitem(sys.modules, "coatcheck.demo.server", server)

    assert run("demo").exit_code == 0
    assert run("demo", "--port", "0", "--store", "memory://").exit_code == 0
    assert [options.pop("opening") is not None for options in asked] == [True, True]
    assert asked == [{"port": 8000, "store": None}, {"port": 0, "store": "memory://"}]


def test_demo_names_the_extra_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the demo's packages the command to install them is told: exit code 2."""
    package = ModuleType("coatcheck.demo")
    package.__path__ = [str(tmp_path)]
    (tmp_path / "server.py").write_text("import a_server_that_is_not_there\n")
    monkeypatch.setitem(sys.modules, "coatcheck.demo", package)
    monkeypatch.delitem(sys.modules, "coatcheck.demo.server", raising=False)

    result = run("demo")

    assert result.exit_code == 2
    assert "a_server_that_is_not_there" in result.stderr
    assert 'pip install "coatcheck[demo]"' in result.stderr


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_the_command_names_the_extra_it_needs(package: str) -> None:
    """Without Typer or Rich ``coatcheck`` says how to install them and exits with 2."""
    start = f"import sys; sys.modules[{package!r}] = None; from coatcheck.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", start], capture_output=True, check=False, cwd=ROOT, text=True)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"the coatcheck command needs {package}, ")
    assert done.stderr.endswith('pip install "coatcheck[cli]"\n')


def test_it_runs_as_a_program(desk: Desk) -> None:
    """Another process sees and ends the application's sessions, and says so in its exit code."""
    info = desk.add("alice")
    command = [sys.executable, "-m", "coatcheck.cli", "sessions", "revoke", info.id, "--store", desk.url, "--json"]

    done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT, text=True)
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, {"revoked": 1}, "")
    assert subprocess.run(command, capture_output=True, check=False, cwd=ROOT).returncode == 1
    assert desk.live() == set()
