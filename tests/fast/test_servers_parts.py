"""The parts of the private servers that need no server, and the program that fetches some of them."""

from __future__ import annotations

import fcntl
import importlib.util
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

from tests.servers import binaries, descendants, folders, ports, users
from tests.servers.fixtures import needed
from tests.servers.process import ServerError, ServerProcess, wait_for

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(name="fetching")
def _fetching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import scripts/servers.py with an empty cache."""
    spec = importlib.util.spec_from_file_location("fetching", ROOT / "scripts" / "servers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "CACHE", tmp_path / "cache" / "servers")
    monkeypatch.setattr(sys, "argv", ["servers.py"])
    return module


# --- processes


def test_a_process_name_may_hold_anything() -> None:
    """The parent is read from behind the last bracket of the name."""
    assert descendants.parse("42 (post) gres: (x) S 7 42 42 0 -1") == (42, 7)


def test_descendants_are_found_at_any_depth() -> None:
    """A grandchild that leads a session of its own belongs to its grandparent."""
    script = "import subprocess as s; s.run(['setsid', 'sh', '-c', 'echo; read x'], stdin=0)"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = descendants.of(process.pid)
        process.communicate("done\n")

    assert found
    assert descendants.of(process.pid) == set()


def test_a_process_that_ends_is_told_with_its_log(tmp_path: Path) -> None:
    """Waiting for a process that ended fails at once, with what it printed."""
    process = ServerProcess(["sh", "-c", "echo no such luck; exit 1"], log=tmp_path / "log")
    process.start()

    with pytest.raises(ServerError, match=r"(?s)ended by itself.*no such luck"):
        process.wait_until(lambda: False)
    process.stop()
    process.stop()


def test_a_deaf_process_is_killed(tmp_path: Path) -> None:
    """One that ignores SIGTERM, or is frozen, is ended all the same."""
    process = ServerProcess(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"], log=tmp_path / "log")
    process.start()
    process.wait_until(lambda: "up" in process.tail())
    process.freeze()

    process.stop(timeout=0.2)

    assert not process.running


def test_waiting_ends_with_the_last_error() -> None:
    """A bounded poll that fails names what it waited for and the last error."""
    with pytest.raises(ServerError, match=r"no dawn within 0 s \(integer division or modulo by zero\)"):
        wait_for(lambda: bool(1 // 0), timeout=0.1, what="dawn")


# --- ports, users and programs


def test_a_free_port_is_given_once() -> None:
    """Ports are below those of outgoing connections, bindable, and never given twice by one process."""
    given = [ports.free_port() for _ in range(100)]

    assert len(set(given)) == 100
    assert all(port in ports.RANGE for port in given)


def test_a_given_port_is_given_by_no_other_process() -> None:
    """Two runs at once never share a port, whether or not its server is up yet; a forked child is another process."""
    code = (
        "import sys; from tests.servers import ports; ports.RANGE = range(int(sys.argv[1]), int(sys.argv[1]) + 1)\n"
        "print(ports.free_port())"
    )
    port = ports.free_port()
    beside = subprocess.run(
        [sys.executable, "-c", code, str(port)], capture_output=True, check=False, cwd=ROOT, text=True
    )

    assert ports.is_free(port)
    assert (beside.returncode, "no free port" in beside.stderr) == (1, True)
    assert ports.claim(port)


def test_a_taken_port_is_not_free() -> None:
    """A port with a listener is not handed out."""
    with socket.create_server((ports.HOST, 0)) as listener:
        assert not ports.is_free(listener.getsockname()[1])


def test_a_closed_folder_is_out_of_reach(tmp_path: Path) -> None:
    """An unprivileged server cannot pass through a folder that only its owner may enter."""
    inner = tmp_path / "closed" / "inner"
    inner.mkdir(parents=True)
    inner.parent.chmod(0o700)

    assert not users.can_reach(inner, users.Account(65534, 65534))
    assert users.can_reach(inner, None)


@pytest.mark.parametrize(
    ("find", "remedy"),
    [
        (binaries.redis, "apt-get install redis-server"),
        (binaries.pgbouncer, "apt-get install pgbouncer"),
        (lambda: binaries.valkey(8), "make servers"),
        (lambda: binaries.postgres(18), "make servers"),
        (lambda: binaries.postgres(15), "apt-get install postgresql-15"),
    ],
)
def test_a_missing_program_names_its_remedy(
    find: Callable[[], Path], remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not here is told with the command that adds it."""
    monkeypatch.setattr(binaries, "CACHE", tmp_path)
    monkeypatch.setattr(binaries, "POSTGRES_PLACES", ())
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)

    with pytest.raises(binaries.Missing) as missing:
        find()

    assert missing.value.remedy == remedy


def test_only_abandoned_folders_are_removed(tmp_path: Path) -> None:
    """A folder whose owner holds its lock stays, and so does one that is not yet locked."""
    held, left, new = (tmp_path / f"{folders.PREFIX}{name}" for name in ("held", "left", "new"))
    for folder in (held, left, new):
        folder.mkdir()
    (left / "lock").touch()
    with (held / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folders.remove_abandoned(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([held.name, new.name])


def test_a_missing_program_is_a_gap() -> None:
    """A fixture names what it lacks and the command that adds it, where `gap` skips."""

    def find() -> None:
        raise binaries.Missing("Valkey 9", "make servers")

    def gap(what: str, remedy: str) -> NoReturn:
        pytest.fail(f"{what}: {remedy}")

    with pytest.raises(pytest.fail.Exception, match="Valkey 9: make servers"):
        needed(find, gap)


# --- fetching


def test_fetching_leaves_alone_what_is_there(fetching: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """A server in the cache that runs is not fetched again."""
    for name, (_, program) in fetching.SERVERS.items():
        fake = fetching.CACHE / name / program
        fake.parent.mkdir(parents=True)
        fake.write_text("#!/bin/sh\necho version 1\n")
        fake.chmod(0o755)

    assert fetching.main() == 0
    assert capsys.readouterr().out.count("version 1") == len(fetching.SERVERS)
    assert (fetching.CACHE.parent / ".gitignore").read_text() == "*\n"


def test_fetching_refuses_another_file(
    fetching: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tarball that is not the pinned one is refused, nothing is left in the cache, and the run fails."""
    monkeypatch.setattr(sys, "argv", ["servers.py", "postgres18"])
    monkeypatch.setattr(fetching, "run", lambda *_, cwd: (cwd / "other.tgz").write_bytes(b"other"))

    assert fetching.main() == 1
    assert "not the file that was pinned" in capsys.readouterr().err
    assert [path.name for path in fetching.CACHE.iterdir()] == []


def test_one_that_cannot_be_fetched_stops_no_other(
    fetching: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every server is tried, and each that cannot be had is told with its reason."""

    def fail(*_: object, **__: object) -> str:
        raise fetching.CannotFetchError("the network is down")

    monkeypatch.setattr(fetching, "run", fail)
    monkeypatch.setattr(fetching, "KEYRING", ROOT / "pyproject.toml")

    assert fetching.main() == 1
    assert capsys.readouterr().err.count("the network is down") == len(fetching.SERVERS)


def test_fetching_an_unknown_server_is_refused(fetching: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong name is answered with the right ones, and nothing is fetched."""
    monkeypatch.setattr(sys, "argv", ["servers.py", "oracle"])

    assert fetching.main() == 2
    assert not fetching.CACHE.exists()
