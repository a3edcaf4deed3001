"""Other session libraries through the torture: what they are known to break is found, and coatcheck breaks nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from torture.history import History, Op, Terms, read
from torture.judging import Violation, judge
from torture.rivals.command import as_json, main, summary
from torture.rivals.contenders import ALL, BY_NAME, CONTENDERS
from torture.rivals.jar import Jar, changes
from torture.rivals.outside import judge_outside
from torture.rivals.running import Finding, Plan, Result, _Tally, run
from torture.rivals.scenes import promises_of
from torture.rivals.site import Site
from torture.rivals.stores import Stores
from torture.rivals.table import markdown
from torture.rivals.telling import tell
from torture.rivals.workers import CannotRun, Worker

Gap = Callable[[str, str], NoReturn]


def _broken(name: str, gap: Gap, found: Path | None = None) -> tuple[dict[int, int], Result]:
    """Run one round of a contender and return in how many scenes each of its promises broke."""
    with Stores() as stores:
        try:
            result = asyncio.run(run(BY_NAME[name], stores, Plan(rounds=1, repeats=5, found=found), lambda: None))
        except CannotRun:
            gap(f"what {name} needs", "make torture-rivals, and apt-get install redis-server")
    assert all(finding.attempts for finding in result.findings)
    return {finding.promise: finding.broken for finding in result.findings}, result


def test_starsessions_breaks_what_it_is_known_to_break(gap: Gap, tmp_path: Path) -> None:
    """Starsessions 2.2 adopts ids, revives sessions, loses updates, keeps old ids alive and writes on every read."""
    broken, result = _broken("starsessions-memory", gap, tmp_path)
    assert {number for number, count in broken.items() if count} == {1, 2, 3, 5, 6}
    assert result.not_offered == [4]
    stories = {finding.promise: finding.story for finding in result.findings}
    assert any("set k" in line for line in stories[3])
    assert stories[3][-1].startswith("=> k")
    (kept,) = tmp_path.iterdir()
    assert {1, 2, 3, 5, 6} <= {violation.promise for violation in judge(read(kept)).violations}


def test_django_loses_updates_and_holds_the_rest(gap: Gap) -> None:
    """Django's database sessions lose overlapping updates; what they refuse or do not offer is no violation."""
    broken, result = _broken("django-db", gap)
    assert {number for number, count in broken.items() if count} == {3}
    assert result.not_offered == [4]


@pytest.mark.parametrize("name", ["coatcheck-memory", "coatcheck-sqlite", "coatcheck-redis"])
def test_coatcheck_breaks_nothing_in_the_same_scenes(name: str, gap: Gap) -> None:
    """Coatcheck's Starlette middleware, driven in the same way, keeps promises 1 to 6, also in two processes."""
    broken, result = _broken(name, gap)
    assert broken == dict.fromkeys(range(1, 7), 0)
    assert result.not_offered == []


def test_a_promise_that_breaks_in_a_scene_of_another_counts() -> None:
    """A lost update is one wherever it shows, and fails coatcheck's own row too (promises 2 and 3)."""
    site = Site(BY_NAME["coatcheck-memory"], [], random.Random(1))  # noqa: S311 - repeatable, not secret
    site.enter(2, "signing out")
    site.enter(2, "ending a user")
    seen = _op(0, "load", session="s1", ticket="t1", actor=site.number("actor"))
    found = Violation(promise=3, rule="rule", text="text", ops=(seen,))
    tally = _Tally(site.contender)
    tally.take(site, [found])
    result = tally.into(_result())
    counted = {one.promise: (one.broken, one.attempts, one.scenes) for one in result.findings if one.attempts}
    assert counted == {
        2: (0, 2, {"signing out": [0, 1], "ending a user": [0, 1]}),
        3: (1, 1, {"ending a user": [1, 1]}),
    }


def test_a_contender_that_cannot_start_says_why() -> None:
    """A worker that cannot open its store is reported with its reason, and leaves no process."""

    async def start() -> None:
        worker = Worker()
        try:
            await worker.start(BY_NAME["coatcheck-sqlite"], "nonsense://")
        finally:
            await worker.stop()

    with pytest.raises(CannotRun, match="nonsense"):
        asyncio.run(start())


def _op(start: int, verb: str, **facts: Any) -> Op:
    return Op(start=start, end=start + 10, clock=0, until=0, actor=facts.pop("actor", 1), verb=verb, **facts)


def _judged(*ops: Op) -> list[Violation]:
    history = History(store="hand", seed=0, terms=Terms(limit=3, exact=False), ops=list(ops))
    return [*judge(history).violations, *judge_outside(history)]


LOGIN = {"user": "ada", "made": "s1", "sent": "t1"}


def test_the_judge_knows_a_ticket_that_is_kept() -> None:
    """A sign-in that leaves the browser with the ticket it had breaks promise 5; a new ticket keeps it."""
    kept = _op(100, "login", user="ada", ticket="t1", sent="t1", made="s2", session="s1", note="carried")
    (found,) = _judged(_op(0, "save", made="s1", session="s1", sent="t1", change={"k1": 1}), kept)
    assert (found.promise, found.rule) == (5, "a new privilege brings a new ticket")
    renewed = _op(100, "login", user="ada", ticket="t1", sent="t2", made="s2", session="s1", note="carried")
    assert not _judged(_op(0, "save", made="s1", session="s1", sent="t1", change={"k1": 1}), renewed)


def test_the_judge_knows_a_ticket_that_comes_back() -> None:
    """A ticket that opens after its sign-out was answered breaks promise 2, and its story names who met it."""
    login, out = _op(0, "login", **LOGIN), _op(100, "logout", session="s1", ticket="t1", sent="")
    late = _op(95, "load", session="s1", user="ada", ticket="t1", data={}, actor=2)
    late.end = 140
    again = _op(200, "load", session="s1", user="ada", ticket="t1", data={}, actor=3)
    (found,) = _judged(login, late, out, again)
    assert found.promise == 2
    told = tell(found, [login, late, out, again])
    assert [line.split("ms  ")[-1].split(" ")[0] for line in told] == ["sign", "read", "sign", "read", "=>"]
    assert "user ada" in told[3]
    assert not _judged(login, late, out)


def test_the_judge_knows_a_planted_ticket() -> None:
    """A made-up ticket that opens something breaks promise 1; its story begins with what came with it before."""
    put = _op(0, "save", session=None, made="s1", ticket="t9", sent="t9", change={"k1": 1})
    opened = _op(100, "load", session="s1", ticket="t9", data={"k1": 1}, note="forged", actor=2)
    (found,) = _judged(put, opened)
    assert found.promise == 1
    assert len(tell(found, [put, opened])) == 3


def test_a_jar_obeys_what_answers_set() -> None:
    """A jar keeps what is set, forgets what is deleted in any of the ways in use, and sends the rest back."""
    jar = Jar("session")
    jar.obey(changes([" session=abc; Path=/; HttpOnly", "csrf=x; Path=/"]))
    assert (jar.ticket, jar.header) == ("abc", "session=abc; csrf=x")
    for deletion in ('session=""; Max-Age=0; Path=/', "session=''; expires=Thu, 01 Jan 1970 00:00:00 GMT"):
        again = Jar("session", "abc")
        again.obey(changes([deletion]))
        assert again.ticket is None


def test_a_planted_ticket_has_the_shape_and_nobody_minted_it() -> None:
    """Every contender's planted ticket keeps length and punctuation, and no two are alike."""
    for contender in CONTENDERS:
        site = Site(contender, [], random.Random(1))  # noqa: S311 - repeatable, not secret
        first, second = site.planted(), site.planted()
        shape = contender.planted.partition("=")[2]
        assert len(first) == len(shape)
        assert first != second
        assert [c for c in first if not c.isalnum()] == [c for c in shape if not c.isalnum()]


def test_what_is_not_offered_is_not_tried() -> None:
    """A library without limits is never judged by promise 4; one that offers everything is judged by 1 to 6."""
    assert promises_of(frozenset()) == {1, 2, 3, 5, 6}
    assert promises_of(ALL) == {1, 2, 3, 4, 5, 6}


def _result() -> Result:
    findings = [
        Finding(1, attempts=10),
        Finding(2, attempts=10, broken=10, scenes={"signing out": [10, 10]}, story=["a", "=> b"]),
        Finding(3, attempts=10, broken=4, scenes={"overlapping": [4, 10]}, story=["c", "=> d"]),
        Finding(5, attempts=10),
        Finding(6, attempts=10, note="50 reads cost the server 50 set"),
    ]
    return Result(
        name="starlette-cookie", package="starlette", version="1.10.0", store="none", processes=2, command="again",
        operations=1234, findings=findings, not_offered=[4], by_design=[2], errors={"400": 3},
    )  # fmt: skip


def test_the_table_says_what_was_found() -> None:
    """Held, broken, by design and not offered are told apart, and every broken promise has its story and command."""
    page = markdown(as_json([_result()], seed=1, before=None))
    row = next(line for line in page.splitlines() if line.startswith("| `starlette-cookie`"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:4] == ["none, 2 processes", "1,234", "400: 3"]
    assert cells[4:7] == ["held (10)", "by design: 10 of 10", "**4 of 10**"]
    assert cells[7:] == ["not offered", "held (10)", "no cookie, but 50 reads cost the server 50 set"]
    assert page.count("To repeat: `again`") == 3
    assert "broken in 4 of 10" in summary(_result())


def test_running_some_keeps_what_the_others_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--only` replaces the named contenders in the file, keeps the rest, and ends with 0 when coatcheck held."""
    out = tmp_path / "rivals.json"
    assert main(["--only", "coatcheck-memory", "--rounds", "1", "--out", str(out)]) == 0
    merged = as_json([_result()], seed=1, before=out)
    assert [entry["name"] for entry in merged["rivals"]] == ["coatcheck-memory", "starlette-cookie"]
    assert "held" in capsys.readouterr().out
