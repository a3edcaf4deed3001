"""``memory://`` says so where it is out of place: in a second worker process, and on a public host (S-62)."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from coatcheck import AsyncSessions
from coatcheck.stores.memory import MemoryStore
from coatcheck.web.starlette import SessionMiddleware

if sys.platform == "win32":
    pytest.skip("file locks as on POSIX are what the warning rests on (decision 0011)", allow_module_level=True)

REMEDY = 'AsyncSessions("sqlite:///sessions.db")'

WORKER = """
import logging, sys
from coatcheck import AsyncSessions, Sessions
logging.basicConfig(level="DEBUG")
for _ in range(int(sys.argv[1])):
    Sessions(sys.argv[2])
    AsyncSessions(sys.argv[2])
print("ready", flush=True)
sys.stdin.read()
"""


class Parent:
    """A program's folder, and the worker processes that this process started for it; they live until the test ends."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Begin without workers; their markers are kept in *folder* too."""
        self.folder, self.stack = folder, stack
        self.markers = folder / "markers"
        self.markers.mkdir()
        self.workers: list[subprocess.Popen[str]] = []

    def program(self, name: str, code: str = WORKER) -> Path:
        """Write a program."""
        path = self.folder / name
        path.write_text(textwrap.dedent(code))
        return path

    def start(self, program: Path, *, times: int = 1, url: str = "memory://", cwd: Path | None = None) -> None:
        """Start a worker and wait until its managers are made."""
        worker = subprocess.Popen(
            [sys.executable, str(program), str(times), url],
            cwd=cwd or self.folder,
            env={**os.environ, "TMPDIR": str(self.markers)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stack.enter_context(worker)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n", worker.communicate()[1]
        self.workers.append(worker)

    def end(self) -> list[list[str]]:
        """End the workers and return the warnings of each."""
        told = [worker.communicate(timeout=30)[1] for worker in self.workers]
        assert [worker.returncode for worker in self.workers] == [0] * len(told)
        self.workers.clear()
        return [[line for line in text.splitlines() if line.startswith("WARNING:coatcheck:")] for text in told]


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    """Give a program's folder with markers of its own."""
    with ExitStack() as stack:
        made = Parent(tmp_path, stack)
        yield made
        made.end()


def test_a_second_worker_warns_once(parent: Parent) -> None:
    """Of three workers of one parent the first is silent; each other one warns once, with the line to write (S-62)."""
    program = parent.program("shop.py")
    for _ in range(3):
        parent.start(program, times=3)
    first, *others = parent.end()

    assert first == []
    assert [len(told) for told in others] == [1, 1]
    for [warning] in others:
        assert "memory:// is open in a second worker process" in warning
        assert f"Write {REMEDY}" in warning


def test_a_restart_is_no_second_worker(parent: Parent) -> None:
    """Once the first process has ended, the next one is the first again: a reloading server never warns (S-62)."""
    program = parent.program("shop.py")
    for _ in range(2):
        parent.start(program)
        assert parent.end() == [[]]


def test_a_killed_worker_leaves_nothing_behind(parent: Parent) -> None:
    """The kernel drops the lock of a process that was killed, so its successor is silent (decision 0011)."""
    program = parent.program("shop.py")
    parent.start(program)
    killed = parent.workers.pop()
    killed.kill()
    killed.communicate(timeout=30)
    parent.start(program)

    assert parent.end() == [[]]


def test_other_programs_are_no_second_worker(parent: Parent) -> None:
    """Two programs, or one program in two folders, are not workers of one application (S-62)."""
    elsewhere = parent.folder / "elsewhere"
    elsewhere.mkdir()
    parent.start(parent.program("shop.py"))
    parent.start(parent.program("blog.py"))
    parent.start(parent.program("shop.py"), cwd=elsewhere)

    assert parent.end() == [[], [], []]


def test_workers_on_sqlite_are_welcome(parent: Parent) -> None:
    """Several workers on one SQLite file are what it is for: nobody warns (S-62)."""
    program = parent.program("shop.py")
    for _ in range(2):
        parent.start(program, url="sqlite:///sessions.db")

    assert parent.end() == [[], []]


FORKED = """
import logging, os, sys
from coatcheck import Sessions

def work(sessions):
    session = sessions.load(None)
    session["key"] = "value"
    sessions.save(session)

logging.basicConfig(level="WARNING")
made = Sessions("memory://") if {preload} else None
print("ready", flush=True)
children = []
for _ in range(2):
    done, go = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(go[1])
        work(made or Sessions("memory://"))
        os.write(done[1], b".")
        os.read(go[0], 1)
        os._exit(0)
    os.read(done[0], 1)
    children.append((pid, go[1]))
sys.stdin.read()
for pid, held in children:
    os.write(held, b".")
    os.waitpid(pid, 0)
"""


@pytest.mark.parametrize("preload", [False, True])
def test_prefork_workers_warn(parent: Parent, preload: bool) -> None:
    """Two workers forked by a server warn, whether each loads the application or it was loaded before (S-62)."""
    parent.start(parent.program("prefork.py", FORKED.format(preload=preload)))
    [told] = parent.end()

    assert told != []
    assert [line for line in told if REMEDY not in line] == []
    assert preload or len(told) == 1


SERVED = """
from starlette.applications import Starlette
from coatcheck import AsyncSessions
from coatcheck.web.starlette import SessionMiddleware
app = Starlette()
app.add_middleware(SessionMiddleware, sessions=AsyncSessions("memory://"))
"""


def test_uvicorn_workers_warn(parent: Parent) -> None:
    """``uvicorn --workers 2`` over ``memory://`` shows the warning once, on the console of who started it (S-62)."""
    parent.program("served.py", SERVED)
    with subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "served:app", "--workers", "2", "--port", "0"],
        cwd=parent.folder,
        env={**os.environ, "TMPDIR": str(parent.markers)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        assert server.stdout is not None
        said = []
        while sum("Application startup complete" in line for line in said) < 2:
            said.append(server.stdout.readline())
            assert said[-1], said
        server.terminate()
        said += server.communicate(timeout=30)[0].splitlines()

    assert len([line for line in said if REMEDY in line]) == 1


def test_a_hostile_folder_is_left_alone(parent: Parent) -> None:
    """A marker folder that others may enter is not used: nothing is made there, and nothing warns (decision 0011)."""
    folder = parent.markers / f"coatcheck-{os.getuid()}"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    program = parent.program("shop.py")
    for _ in range(2):
        parent.start(program)

    assert parent.end() == [[], []]
    assert list(folder.iterdir()) == []


# --- a host that people reach


async def look(request: Request) -> Response:
    """Answer without touching the session."""
    return PlainTextResponse("here")


async def talk(websocket: WebSocket) -> None:
    """Accept and leave."""
    await websocket.accept()
    await websocket.close()


@contextmanager
def serving(sessions: AsyncSessions, **options: object) -> Iterator[TestClient]:
    """Serve a small application."""
    app = Starlette(routes=[Route("/", look), WebSocketRoute("/ws", talk)])
    app.add_middleware(SessionMiddleware, sessions=sessions, **options)  # type: ignore[arg-type]
    with TestClient(app) as client:
        yield client


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said on coatcheck's logger, warnings and above."""
    return [
        entry.getMessage() for entry in caplog.records if entry.name == "coatcheck" and entry.levelno > logging.INFO
    ]


@pytest.mark.parametrize(
    "host", ["https://shop.example", "http://shop.example", "http://192.168.1.7:8000", "https://localhost.evil.example"]
)
def test_a_host_that_people_reach_warns_once(caplog: pytest.LogCaptureFixture, host: str) -> None:
    """The first request for a host that is not this machine warns and names the remedy; later ones do not (S-62)."""
    with serving(AsyncSessions(MemoryStore())) as client:
        for _ in range(3):
            client.get(f"{host}/")

    [warning] = warnings(caplog)
    assert "memory:// keeps sessions in this process alone and loses them at a restart" in warning
    assert host.partition("://")[2] in warning
    assert REMEDY in warning


def test_each_middleware_warns_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    """Two applications in one process are two set-ups to mend; a WebSocket is a request too (S-62)."""
    for _ in range(2):
        with serving(AsyncSessions(MemoryStore())) as client, client.websocket_connect("wss://shop.example/ws"):
            pass
        client.get("https://other.example/")

    assert len(warnings(caplog)) == 2


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "app.localhost", "127.0.0.1:8000", "[::1]:8000", "testserver"],
)
def test_this_machine_never_warns(caplog: pytest.LogCaptureFixture, host: str) -> None:
    """On a developer's machine and under a test client the memory store is where it belongs (S-62)."""
    with serving(AsyncSessions(MemoryStore())) as client:
        client.get("/", headers={"host": host})

    assert warnings(caplog) == []


def test_a_proxy_says_which_host(caplog: pytest.LogCaptureFixture) -> None:
    """Behind a trusted proxy the host is the one that people reach, not the local one it connects to (S-62)."""
    with serving(AsyncSessions(MemoryStore()), trusted_proxies=1) as client:
        client.get(
            "/", headers={"host": "localhost:8000", "x-forwarded-for": "192.0.2.7", "x-forwarded-host": "shop.example"}
        )

    [warning] = warnings(caplog)
    assert "shop.example" in warning


def test_sqlite_never_warns(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """A store that outlives the process has nothing to warn of (S-62)."""
    with serving(AsyncSessions(f"sqlite:///{tmp_path}/sessions.db")) as client:
        client.get("https://shop.example/")

    assert warnings(caplog) == []
