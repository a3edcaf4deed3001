"""Four uvicorn workers on one SQLite file: any worker serves any request, and no death of one signs anybody out."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers.ports import free_port

WORKERS = 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serve the application with four workers and stop them afterwards."""
    port = free_port()
    log = (tmp_path / "server.log").open("w")
    command = [sys.executable, "-m", "uvicorn", "tests.workers.application:app", "--port", str(port)]
    environment = {**os.environ, "COATCHECK_STORE": f"sqlite:///{tmp_path / 'sessions.db'}"}
    with subprocess.Popen(
        [*command, "--workers", str(WORKERS), "--no-access-log"],
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        base = f"http://localhost:{port}"
        try:
            asyncio.run(ready(base))
            yield base
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            log.close()
            sys.stdout.write((tmp_path / "server.log").read_text())


async def ready(base: str) -> None:
    """Ask until the server answers; a minute is the limit, not a measure."""
    async with httpx.AsyncClient(base_url=base) as client:
        for _ in range(600):
            try:
                await client.get("/count/nobody")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return
    raise AssertionError("the server did not start")


async def fresh(base: str, method: str, path: str, cookie: str | None = None) -> httpx.Response:
    """Send one request on a connection of its own, so that any worker may get it; a killed worker's is sent again."""
    for _ in range(20):
        try:
            async with httpx.AsyncClient(base_url=base, timeout=30) as client:
                headers = {"cookie": f"session={cookie}"} if cookie else {}
                return await client.request(method, path, headers={"origin": base, **headers})
        except httpx.TransportError:
            await asyncio.sleep(0.05)
    raise AssertionError(f"{path} was never answered")


async def signed_in(base: str, user_id: str) -> str:
    """Sign in and return the ticket."""
    return str((await fresh(base, "POST", f"/login/{user_id}")).cookies["session"])


def test_any_worker_serves_any_request(server: str) -> None:
    """Nobody is signed out by landing on another worker, and no write of theirs is lost (S-66, S-71, promise 3)."""

    async def story() -> None:
        users = [f"user-{number}" for number in range(12)]
        tickets = await asyncio.gather(*(signed_in(server, user) for user in users))
        writes = [fresh(server, "POST", f"/set/key-{number}", ticket) for ticket in tickets for number in range(6)]
        assert {answer.status_code for answer in await asyncio.gather(*writes)} == {200}
        seen = [await fresh(server, "GET", "/me", ticket) for ticket in tickets]
        assert [answer.json()["user"] for answer in seen] == users
        assert all(len(answer.json()["data"]) == 6 for answer in seen)
        pids = {(await fresh(server, "GET", "/me", tickets[0])).json()["pid"] for _ in range(40)}
        assert len(pids) > 1, "one worker served everything, so nothing was shown"

    asyncio.run(story())


def test_a_limit_holds_over_all_workers(server: str) -> None:
    """A hundred sign-ins at once over four processes leave five sessions (promise 4, S-51)."""

    async def story() -> None:
        answers = await asyncio.gather(*(fresh(server, "POST", "/login/crowd") for _ in range(100)))
        assert {answer.status_code for answer in answers} == {200}
        assert (await fresh(server, "GET", "/count/crowd")).json() == 5

    asyncio.run(story())


def test_a_revocation_is_obeyed_by_every_worker(server: str) -> None:
    """What one worker revoked, every worker refuses from the acknowledgement on (promise 2, S-49)."""

    async def story() -> None:
        tickets = [await signed_in(server, "ann") for _ in range(4)]
        assert (await fresh(server, "POST", "/revoke-all-of-me", tickets[0])).json() == 4
        answers = await asyncio.gather(*(fresh(server, "GET", "/me", ticket) for ticket in tickets * 10))
        assert {answer.status_code for answer in answers} == {401}
        assert {answer.json()["reason"] for answer in answers} == {"revoked"}

    asyncio.run(story())


def test_a_killed_worker_signs_nobody_out(server: str) -> None:
    """Killing a worker in the middle of writes loses no acknowledged sign-in and no acknowledged write (S-10, S-71)."""

    async def story() -> None:
        acknowledged: dict[str, set[str]] = {}
        victims: set[int] = set()

        async def visitor(user_id: str) -> None:
            ticket = await signed_in(server, user_id)
            acknowledged[ticket] = set()
            for number in range(25):
                key = f"key-{number}"
                if (await fresh(server, "POST", f"/set/{key}", ticket)).status_code == 200:
                    acknowledged[ticket].add(key)

        async def killer() -> None:
            for _ in range(2):
                ticket = await signed_in(server, "witness")
                pid = (await fresh(server, "GET", "/me", ticket)).json()["pid"]
                victims.add(pid)
                os.kill(pid, signal.SIGKILL)

        await asyncio.gather(*(visitor(f"v{number}") for number in range(8)), killer())
        assert victims
        for ticket, keys in acknowledged.items():
            answer = await fresh(server, "GET", "/me", ticket)
            assert answer.status_code == 200
            assert keys <= answer.json()["data"].keys()

    asyncio.run(story())
