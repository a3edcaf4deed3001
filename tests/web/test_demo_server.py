"""The demo as a program: restarts, ports, stores, what it prints."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import coatcheck.demo as demo_package
from coatcheck.demo import server
from coatcheck.errors import ConfigurationError, MissingExtra
from tests.web._demo import ADA, GRACE, Clock, Demo, browser, sqlite


def test_everybody_is_still_signed_in_after_a_restart(tmp_path: Path) -> None:
    """Two applications, one after the other on one SQLite file: the second knows the first one's sessions (S-10)."""
    clock = Clock()
    with Demo(sqlite(tmp_path), clock).serving() as client:
        first = browser(client)
        first.post("/cart/add", {"thing": "beans"})
        first.sign_in()

    with Demo(sqlite(tmp_path), clock).serving() as client:
        again = browser(client)
        again.token = first.token
        page = again.get("/").text

    assert "Signed in as Ada Lovelace" in page
    assert "Coffee beans <b" in page


def test_a_busy_port_is_named_and_the_next_one_taken() -> None:
    """The wished port is busy: that is said, and another one listens (DESIGN section 6)."""
    said: list[str] = []
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        listening = server.listen("localhost", port, said.append)

    assert said[0] == f"Port {port} is busy."
    assert {each.getsockname()[1] for each in listening} == {port + len(said)}
    for each in listening:
        each.close()


@pytest.mark.parametrize("url", ["mysql://root:hunter2@db/", "redis", "files/demo.db"])
def test_a_store_that_does_not_exist_is_refused(url: str) -> None:
    """A URL that cannot be opened is refused before anything listens; the schemes that can are named, the rest not."""
    with pytest.raises(ConfigurationError, match="sqlite://") as refused:
        server.run(0, url)

    assert "hunter2" not in str(refused.value)


def test_it_starts_and_stops_cleanly(tmp_path: Path) -> None:
    """Started as a program it says where it is, answers there, and an interrupt ends it without a traceback."""
    program = "from coatcheck.demo.server import run; run(0)"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        address = started.stdout.readline().split()[-1]
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as asking:
            asking.sendall(b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = asking.makefile("rb").readline()
        started.send_signal(signal.SIGINT)
        rest, faults = started.communicate(timeout=10)

    assert answer == b"HTTP/1.1 200 OK\r\n"
    assert rest.splitlines()[-1] == "Stopped."
    assert (started.returncode, faults) == (0, "")
    assert (tmp_path / "coatcheck-demo.db").exists()


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the demo says what to install."""
    monkeypatch.setattr("coatcheck.demo.find_spec", lambda name: None if name == "jinja2" else name)

    with pytest.raises(MissingExtra, match=r'needs jinja2.*pip install "coatcheck\[demo\]"'):
        demo_package._require_extra()


def test_the_greeting_tells_how_to_sign_in() -> None:
    """The screen shows the address, both accounts with their passwords, and where sessions are kept."""
    screen = "\n".join(server.greeting("localhost", 8001, "sqlite:///demo.db"))

    assert "http://localhost:8001" in screen
    assert all(f"{one.account.username}" in screen and one.passphrase in screen for one in (ADA, GRACE))
    assert "sqlite:///demo.db" in screen


@pytest.mark.parametrize(("host", "shown"), [("localhost", True), ("127.0.0.1", True), ("0.0.0.0", False)])  # noqa: S104
def test_accounts_are_shown_to_this_machine_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, shown: bool
) -> None:
    """The sign-in page lists the examples only where nobody else can reach it."""
    told: list[bool] = []
    monkeypatch.setattr(server, "_serve", lambda *_facts, show_accounts: told.append(show_accounts))

    server.run(0, sqlite(tmp_path), host=host, say=lambda _line: None)

    assert told == [shown]
