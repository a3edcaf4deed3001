"""The store is not there when the application starts: an error that says so, or patience where it was asked for."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from coatcheck import StoreUnavailable
from tests.baddays._program import finished, line, rest, started
from tests.baddays._shop import LOCAL, Shop, run, said
from tests.baddays.conftest import PASSWORD, Engine
from tests.servers.ports import free_port

NOWHERE: dict[str, Callable[[int], str]] = {
    "redis": lambda port: f"redis://ada:{PASSWORD}@127.0.0.1:{port}/0",
    "sentinel": lambda port: f"redis+sentinel://ada:{PASSWORD}@127.0.0.1:{port}/sessions",
    "cluster": lambda port: f"redis+cluster://ada:{PASSWORD}@127.0.0.1:{port}",
    "postgres": lambda port: f"postgresql://ada:{PASSWORD}@127.0.0.1:{port}/shop",
}
"""URLs of stores at a port where nobody listens."""


@pytest.mark.parametrize("kind", NOWHERE)
def test_an_application_does_not_start_without_its_store(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """The lifespan fails with host and port in the message and without the password, in the cause and the log too."""
    port = free_port()
    shop = Shop(NOWHERE[kind](port))
    with (
        pytest.raises(StoreUnavailable, match=f"127.0.0.1:{port}") as refused,
        TestClient(shop.app, base_url=LOCAL, headers={"origin": LOCAL}),
    ):
        pass
    error: BaseException | None = refused.value
    while error is not None:
        assert PASSWORD not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    assert PASSWORD not in said(caplog.records)


@pytest.mark.parametrize("kind", NOWHERE)
def test_a_command_says_which_store_does_not_answer(kind: str, tmp_path: Path) -> None:
    """Exit code 3 and one line with host and port: no password, no traceback."""
    port = free_port()
    code, out, err = finished("sessions", "list", "--store", NOWHERE[kind](port), folder=tmp_path)
    assert (code, out) == (3, "")
    assert f"127.0.0.1:{port}" in err
    assert len(err.splitlines()) == 1
    assert PASSWORD not in err


COMMANDS = {
    "sweep": ("sweep",),
    "list": ("sessions", "list"),
    "revoke": ("sessions", "revoke", "--all", "--yes"),
    "migrate": ("migrate",),
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=list(COMMANDS))
def test_a_command_waits_when_asked_to(engine: Engine, words: tuple[str, ...], tmp_path: Path) -> None:
    """With ``--wait`` a command says that it waits, for what and how long, and goes on once the store is there."""
    engine.proxy.cut()
    with started(*words, "--wait", "--store", engine.url, folder=tmp_path) as process:
        if (engine.name, words) != ("redis", ("migrate",)):  # there is nothing to wait for
            waiting = line(process, "stderr")
            assert re.match(r"waiting up to 60 s for the store: .*127\.0\.0\.1:\d+", waiting), waiting
            assert PASSWORD not in waiting
        engine.proxy.heal()
        code, out, err = rest(process)
    assert code == (1 if words[0] == "sessions" else 0), f"1 says that there are no sessions: {out} {err}"


def test_waiting_ends(engine: Engine, tmp_path: Path) -> None:
    """``--wait 1`` gives up after its second, with the same words and exit code as without it."""
    engine.proxy.cut()
    code, out, err = finished("sweep", "--wait", "1", "--store", engine.url, folder=tmp_path)
    assert (code, out) == (3, "")
    assert [text.partition(":")[0] for text in err.splitlines()] == [
        "waiting up to 1 s for the store",
        "the store did not answer",
    ]
    assert PASSWORD not in err


def visit(address: str) -> None:
    """Open the demo's sign-in page."""
    assert httpx.get(f"{address}/sign-in", timeout=20).status_code == 200


def test_the_demo_waits_and_serves(engine: Engine, tmp_path: Path) -> None:
    """``coatcheck demo --wait`` begins before its store; the screen shows where sessions are kept and no password."""
    engine.proxy.cut()
    words = ("demo", "--port", "0", "--wait", "30", "--store", engine.url)
    with started(*words, folder=tmp_path) as process:
        assert line(process, "stderr").startswith("waiting up to 30 s for the store: ")
        engine.proxy.heal()
        address = line(process, "stdout").split()[-1]
        visit(address)
        process.send_signal(signal.SIGINT)
        code, out, err = rest(process)
    assert (code, out.splitlines()[-1]) == (0, "Stopped."), err
    kept = next(text for text in out.splitlines() if text.startswith("Sessions are kept in "))
    assert f"@127.0.0.1:{engine.proxy.port}/" not in kept
    assert f"://127.0.0.1:{engine.proxy.port}/" in kept
    assert PASSWORD not in out + err


def test_the_demo_makes_its_tables(postgres: Engine, tmp_path: Path) -> None:
    """``coatcheck demo --store postgresql://`` on an empty database needs no other command first."""
    url = re.sub(r"schema=\w+", "schema=of_the_demo", postgres.url)
    with started("demo", "--port", "0", "--store", url, folder=tmp_path) as process:
        visit(line(process, "stdout").split()[-1])
        process.send_signal(signal.SIGINT)
        assert rest(process)[0] == 0


def test_a_start_that_failed_can_be_tried_again(engine: Engine) -> None:
    """The same manager opens once its store is there: a supervisor inside the process may go on trying."""
    shop = Shop(engine.url)
    engine.proxy.cut()

    async def story() -> None:
        with pytest.raises(StoreUnavailable):
            await shop.sessions.open()
        engine.proxy.heal()
        async with shop.open(), shop.browser() as ada:
            assert (await ada.post("/login?user=ada")).status_code == 200

    run(story)
