"""The proof page around its experiments: the throw-away session, who may reach what, and the bounds."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from coatcheck.demo.proof import libraries
from coatcheck.demo.proof.experiments import EXPERIMENTS, Experiment
from coatcheck.demo.proof.running import MOST_WAITING, PREFIX, Busy, Lab, Runner
from coatcheck.demo.proof.signed_cookie import SignedCookie
from coatcheck.demo.proof.trial import RUN_HEADER, Trial
from coatcheck.demo.proof.verdicts import Verdict
from tests.web._demo import Demo, browser
from tests.web._proof import Served, line_of, served


@pytest.fixture
def demo() -> Iterator[Served]:
    """Serve the demo at a port of its own."""
    with served() as made:
        yield made


def cookie_in(line: str) -> str:
    """Return the cookie of a line for the terminal."""
    found = re.search(r'-b "proof=([^"]+)"', line)
    assert found
    return found[1]


# --- the throw-away session


def test_the_line_works_as_it_is_pasted(demo: Served, gap: Callable[[str, str], NoReturn]) -> None:
    """A shell runs the line of the page: signed in before the sign-out, signed out after it (promise 2)."""
    if not shutil.which("curl"):
        gap("curl", "apt-get install curl")
    with demo.visitor() as visitor:
        line = line_of(visitor.post("/proof/by-hand/begin").text)
        assert line is not None
        before = subprocess.check_output(["sh", "-c", line], text=True)
        ended = visitor.post("/proof/by-hand/end").text
        after = subprocess.check_output(["sh", "-c", line], text=True)

    assert (before, after) == ("signed in\n", "signed out\n")
    assert "Signed out. Run the same line again" in ended
    assert line_of(ended) is None


def test_the_throw_away_session_ends_after_a_minute(demo: Served) -> None:
    """It is signed in to the last second, however often it is used; then it is over and off the page (promise 8)."""
    with demo.visitor() as visitor:
        visitor.post("/proof/by-hand/begin")
        demo.clock.advance(seconds=59)
        assert visitor.get("/proof/by-hand").text == "signed in\n"
        demo.clock.advance(seconds=1)

        assert visitor.get("/proof/by-hand").text == "signed out\n"
        assert line_of(visitor.get("/proof").text) is None


def test_its_cookie_is_sent_to_the_proof_alone_and_opens_nothing_else(demo: Served) -> None:
    """The cookie has the path of the page, and presented as the demo's own it is a stranger's (promise 1)."""
    with demo.visitor() as visitor:
        begun = visitor.post("/proof/by-hand/begin", follow_redirects=False)
        header = begun.headers["set-cookie"]
        stolen = header.partition("=")[2].partition(";")[0]
    answer = httpx.get(f"{demo.url}/devices", headers={"cookie": f"session={stolen}", "accept": "text/html"})

    assert header.startswith("proof=")
    assert {"Path=/proof", "HttpOnly", "SameSite=Lax"} <= set(header.split("; "))
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/devices")


def test_no_log_tells_its_cookie(demo: Served, caplog: pytest.LogCaptureFixture) -> None:
    """The page shows this one cookie to its visitor, by design; nothing else does, also not to the next visitor."""
    with caplog.at_level(logging.DEBUG), demo.visitor() as visitor, demo.visitor() as other:
        line = line_of(visitor.post("/proof/by-hand/begin").text)
        assert line is not None
        elsewhere = [visitor.get("/").text, other.get("/proof").text, visitor.post("/proof/by-hand/end").text]

    secret = cookie_in(line).partition(".")[2]
    assert len(secret) == 43
    assert all(secret not in text for text in [*elsewhere, *(record.getMessage() for record in ours(caplog))])


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return what was logged by the server's side; the test's own client logs what it sends."""
    return [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]


def test_only_a_live_throw_away_session_is_shown(demo: Served) -> None:
    """What a visitor sends as that cookie is not put into the line unless this page made it (S-52)."""
    with demo.visitor() as visitor:
        page = visitor.get("/proof", headers={"cookie": 'proof=x"; rm -rf "'}).text

    assert line_of(page) is None
    assert "rm -rf" not in page


def test_a_host_that_is_no_host_is_not_in_the_line(demo: Served) -> None:
    """What the request says of its host is pasted into a shell only if it can be nothing but a host."""
    with demo.visitor() as visitor:
        visitor.post("/proof/by-hand/begin")
        page = visitor.get("/proof", headers={"host": "localhost:1$(id)"}).text

    assert "$(id)" not in (line_of(page) or "")


def test_a_hundred_of_them_is_the_most(demo: Served) -> None:
    """One more ends the one used longest ago, so that visitors cannot fill the memory (promise 4)."""
    with demo.visitor() as first, demo.visitor() as others:
        first.post("/proof/by-hand/begin")
        for _ in range(100):
            demo.clock.advance(seconds=0.1)
            demo.timer.advance(seconds=3)
            others.cookies.clear()
            others.post("/proof/by-hand/begin", follow_redirects=False)

        assert first.get("/proof/by-hand").text == "signed out\n"


# --- who may reach what


def test_the_shops_are_there_for_their_run_alone(demo: Served) -> None:
    """Nobody else reaches a shop: not without the run's name, not with a guessed one."""
    for headers in ({}, {RUN_HEADER: ""}, {RUN_HEADER: "guessed"}):
        for library in libraries.LIBRARIES:
            answer = httpx.get(f"{demo.url}/proof/lab/{library.key}/", headers=headers)
            assert (answer.status_code, "There is no such page" in answer.text) == (404, True)


def test_a_run_is_reached_by_its_name_alone() -> None:
    """While a run lasts its shop answers who knows its name; nobody else does, and afterwards it is gone."""
    lab = Lab()
    outside = Starlette(routes=[Mount(PREFIX, lab)])

    async def status(name: str) -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(outside), base_url="http://localhost") as client:
            return (await client.get(f"{PREFIX}/starlette/", headers={RUN_HEADER: name})).status_code

    async def tried() -> list[int]:
        with lab.open("starlette", SignedCookie().app) as run:
            during = [await status(name) for name in ("", "guessed", run)]
        return [*during, await status(run)]

    assert asyncio.run(tried()) == [404, 404, 200, 404]


@pytest.mark.parametrize("path", ["/proof", "/proof/by-hand/begin", "/proof/by-hand/end"])
def test_other_sites_run_nothing(demo: Served, path: str) -> None:
    """A form that another site's page sent is refused (CS-7, CS-8)."""
    answer = httpx.post(f"{demo.url}{path}", data={"experiment": "crowd"}, headers={"origin": "https://evil.example"})

    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_refused")
    assert "set-cookie" not in answer.headers


def test_running_costs_the_visitor_no_session(demo: Served) -> None:
    """The page and its experiments give a visitor no cookie, and no cache keeps them (promise 6)."""
    answers = [httpx.get(f"{demo.url}/proof")]
    answers.append(httpx.post(f"{demo.url}/proof", data={"experiment": "two-tabs"}, headers={"origin": demo.url}))

    assert [answer.headers.get("set-cookie") for answer in answers] == [None, None]
    assert {answer.headers["cache-control"] for answer in answers} == {"private, no-store"}


@pytest.mark.parametrize("experiment", ["", "everything", "two-tabs "])
def test_there_are_only_these_experiments(demo: Served, experiment: str) -> None:
    """A form with another value is refused."""
    answer = httpx.post(f"{demo.url}/proof", data={"experiment": experiment}, headers={"origin": demo.url})

    assert answer.status_code == 400


# --- bounds


def test_a_visitor_who_runs_too_much_waits(demo: Served) -> None:
    """Six runs at once, then one every three seconds: the next is told how long to wait."""
    with demo.visitor() as visitor:
        codes = [visitor.post("/proof", data={"experiment": "stolen-cookie"}).status_code for _ in range(6)]
        refused = visitor.post("/proof", data={"experiment": "stolen-cookie"})
        demo.timer.advance(seconds=3)
        again = visitor.post("/proof", data={"experiment": "stolen-cookie"})

    assert set(codes) == {200}
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
    assert again.status_code == 200


def experiment(play: Any) -> Experiment:
    """Return an experiment that does as it is told."""
    return Experiment(key="x", question="", story="", meaning="", fairness="", play=play)


def test_one_runs_at_a_time_and_few_wait() -> None:
    """Runs take turns; beyond a few that wait, one more is refused at once."""
    running: list[int] = []
    peak: list[int] = []

    async def play(_trial: Trial) -> Verdict:
        running.append(1)
        peak.append(len(running))
        await asyncio.sleep(0)
        running.pop()
        return Verdict("held", "")

    async def many() -> list[Any]:
        runner = Runner(Lab())
        runs = [runner.run(experiment(play), ("127.0.0.1", 1)) for _ in range(MOST_WAITING + 3)]
        return await asyncio.gather(*runs, return_exceptions=True)

    done = asyncio.run(many())

    assert [type(each) for each in done[-3:]] == [Busy] * 3
    assert not any(isinstance(each, Exception) for each in done[:-3])
    assert set(peak) == {1}


def test_a_run_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that gets no answer ends without a verdict, its requests are let go, and the next one has its turn."""
    monkeypatch.setattr("coatcheck.demo.proof.running.LONGEST", 0.01)
    gates: list[Any] = []

    async def play(trial: Trial) -> Verdict:
        gates.append(trial.gate("never", 1))
        await asyncio.Event().wait()
        raise AssertionError

    async def run() -> Any:
        return await Runner(Lab()).run(experiment(play), ("127.0.0.1", 1))

    report = asyncio.run(run())

    assert {column.verdict.kind for column in report.columns} == {"unclear"}
    for gate in gates:
        asyncio.run(asyncio.wait_for(gate.hold(), 1))


def test_a_server_that_cannot_be_reached_gives_no_result(unused_port: int) -> None:
    """Where the server's own port refuses, each library says that there is no result; nothing is made up."""

    async def run() -> Any:
        return await Runner(Lab()).run(EXPERIMENTS[0], ("127.0.0.1", unused_port))

    assert {column.verdict.kind for column in asyncio.run(run()).columns} == {"unclear"}


@pytest.fixture
def unused_port() -> Iterator[int]:
    """Hold a port on which nobody listens."""
    import socket

    with socket.socket() as holding:
        holding.bind(("127.0.0.1", 0))
        yield holding.getsockname()[1]


def test_an_absent_library_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rivals the page opens, and a run says what to install."""
    monkeypatch.delitem(sys.modules, "coatcheck.demo.proof.starsessions_memory", raising=False)
    monkeypatch.setitem(sys.modules, "starsessions", None)
    demo = Demo()
    with demo.serving() as client:
        visitor = browser(client)
        opened = visitor.get("/proof")
        tried = visitor.post("/proof", {"experiment": "two-tabs"})

    assert opened.status_code == 200
    assert tried.status_code == 503
    assert "needs starsessions, which is not installed: pip install" in tried.text


def test_the_libraries_are_imported_when_they_are_used() -> None:
    """The demo starts without them."""
    program = "import sys, coatcheck.demo.app; print({'starsessions', 'itsdangerous'} & set(sys.modules))"

    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "set()\n"
