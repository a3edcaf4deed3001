"""The proof page: what each library really does, that a broken coatcheck is told, and what the page gives away."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from html import unescape
from importlib.metadata import version
from typing import Any

import pytest

from coatcheck.demo.proof import libraries, ours, trial
from coatcheck.demo.proof.experiments import EXPERIMENTS, Experiment
from coatcheck.demo.proof.shop import Shop
from coatcheck.model import Found, Record, Tombstone
from coatcheck.stores.contract import Store
from coatcheck.stores.memory import MemoryStore
from coatcheck.tokens import digest
from tests.stores.broken import LosesUpdates, RacesTheLimit, Resurrects
from tests.web._proof import Served, served

OURS, SIGNED, STARS = "coatcheck", "Starlette", "starsessions"


@pytest.fixture(scope="module")
def demo() -> Iterator[Served]:
    """Serve the demo at a port of its own."""
    with served() as made:
        yield made


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        ("two-tabs", {OURS: "Holds", SIGNED: "Does not hold", STARS: "Does not hold"}),
        ("slow-request", {OURS: "Holds", SIGNED: "Does not hold", STARS: "Does not hold"}),
        ("stolen-cookie", {OURS: "Holds", SIGNED: "Does not hold", STARS: "Holds"}),
        ("crowd", {OURS: "Holds", SIGNED: "Not offered", STARS: "Not offered"}),
        ("planted-cookie", {OURS: "Holds", SIGNED: "Holds", STARS: "Holds in part"}),
    ],
)
def test_what_each_library_does(demo: Served, experiment: str, words: dict[str, str]) -> None:
    """The real outcome of each experiment on each library, also where another does well (promises 1, 2, 3, 4)."""
    assert demo.run(experiment).words() == words


def test_every_step_says_what_was_sent_and_what_came_back(demo: Served) -> None:
    """Each step has each library's requests with their answers; a refusal is told with its status (promise 2)."""
    steps = demo.run("slow-request").steps

    assert [label[:2] for label, _ in steps] == ["1.", "2.", "3.", "4."]
    assert all(set(cells) == {OURS, SIGNED, STARS} and all(cells.values()) for _, cells in steps)
    assert steps[0][1][OURS] == "POST /sign-in?user=vera answer: → 200 signed in as vera; new cookie A"
    assert steps[2][1][OURS] == "POST /add?thing=bread with cookie A answer: → 401 Unauthorized"
    assert steps[2][1][STARS].startswith(
        "POST /add?thing=bread with cookie A answer: → 200 signed in as vera, cart: bread"
    )


def test_both_tabs_really_overlap(demo: Served) -> None:
    """Both requests carry the same cookie and neither sees what the other adds: the race is not left to chance."""
    (_, cells) = demo.run("two-tabs").steps[1]

    for said in cells.values():
        assert said.count("with cookie A answer: → 200") == 2
        assert "bread and milk" not in said


# --- that a verdict can turn


class EndsNothing(MemoryStore):
    """`end` says that it ended the session, and keeps it."""

    async def end(self, id: str, **terms: Any) -> Tombstone | None:
        """Bring the row back."""
        record = self._rows.live.get(id)
        answer = await super().end(id, **terms)
        if record is not None:
            self._rows.ended.pop(id, None)
            self._rows.live[id] = record
        return answer


class AdoptsThePlanted(MemoryStore):
    """`find` makes a session of the made-up ticket."""

    def __init__(self, planted: list[Any]) -> None:
        """Know what was made up."""
        super().__init__()
        self._planted = planted

    async def find(self, ids: Any) -> list[Found]:
        """Adopt."""
        for ticket in self._planted:
            if ticket.id in ids and self._rows.get(ticket.id) is None:
                self._rows.insert(
                    Record(
                        id=ticket.id, secret_digest=digest(ticket), created_at=0, last_seen_at=0, idle_expires_at=None,
                        expires_at=None, rotated_at=0,
                    )
                )  # fmt: skip
        return await super().find(ids)


@pytest.mark.parametrize(
    ("experiment", "broken", "said"),
    [
        ("two-tabs", LosesUpdates, "is gone, and both tabs were told that all went well."),
        ("slow-request", Resurrects, "Does not hold Signed out in the browser, but the cookie from before still opens"),
        ("stolen-cookie", EndsNothing, "Does not hold The copy still opens the account."),
        ("crowd", RacesTheLimit, "Does not hold 100 are signed in, 5 are allowed."),
    ],
)
def test_a_broken_store_turns_the_verdict(
    demo: Served, monkeypatch: pytest.MonkeyPatch, experiment: str, broken: type[Store], said: str
) -> None:
    """Over a store that breaks the promise the page says so of coatcheck itself: no verdict is written down."""
    monkeypatch.setattr(ours, "new_store", broken)

    assert said in demo.run(experiment).verdicts[OURS]


def test_an_adopted_ticket_turns_the_verdict(demo: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a store that adopts a made-up ticket the page says so of coatcheck itself (promise 1)."""
    planted: list[Any] = []
    mint = ours.mint

    def remembered(random: Any) -> Any:
        planted.append(mint(random))
        return planted[-1]

    monkeypatch.setattr(ours, "mint", remembered)
    monkeypatch.setattr(ours, "new_store", lambda: AdoptsThePlanted(planted))

    assert "The made-up cookie was accepted" in demo.run("planted-cookie").verdicts[OURS]


def test_a_fixed_session_turns_the_verdict(demo: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its new id at sign-in, starsessions hands the victim's session to the attacker, and the page says so."""
    from coatcheck.demo.proof import starsessions_memory

    monkeypatch.setattr(starsessions_memory, "regenerate_session_id", lambda _request: None)

    assert "became yours: the attacker is signed in as you" in demo.run("planted-cookie").verdicts[STARS]


def test_a_library_that_does_not_get_far_has_no_result(demo: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where signing in fails there is no verdict, and the others have theirs."""

    async def refuse(_self: Any, request: Any, _user: str) -> None:
        request.session.clear()

    monkeypatch.setattr(ours.Coatcheck, "sign_in", refuse)
    result = demo.run("stolen-cookie")

    assert result.words() == {OURS: "No result", SIGNED: "Does not hold", STARS: "Holds"}
    assert result.steps[-1][1][OURS] == "Not reached."


# --- what the page gives away


@pytest.mark.parametrize("experiment", ["two-tabs", "slow-request", "stolen-cookie", "crowd", "planted-cookie"])
def test_no_cookie_is_shown(
    demo: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, experiment: str
) -> None:
    """No value of any library's cookie is on the page or in the log; cookies are called by letters (promise 7)."""
    seen: set[str] = set()
    keep = trial.Browser._keep

    def remembered(self: Any, headers: tuple[str, ...]) -> str:
        told = keep(self, headers)
        seen.update(value for value in (self.cookie,) if value)
        return told

    monkeypatch.setattr(trial.Browser, "_keep", remembered)
    with caplog.at_level(logging.DEBUG):
        page = demo.run(experiment).page

    assert len(seen) >= 3
    for cookie in seen:
        assert all(piece not in page for piece in (cookie.partition(".")[0], cookie.rpartition(".")[2]))
        assert cookie.rpartition(".")[2] not in caplog.text


def test_the_page_names_versions_and_code(demo: Served) -> None:
    """Each column names what it ran: the installed version, and the code of the shop."""
    import starlette

    page = unescape(demo.run("two-tabs").page)

    assert f"Starlette {starlette.__version__}" in page
    assert f"starsessions {version('starsessions')}" in page
    assert "class Starsessions(Shop):" in page
    assert "regenerate_session_id(request)" in page


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda each: each.key)
def test_the_common_code_is_shown_and_is_common(demo: Served, experiment: Experiment) -> None:
    """What changes the session, holds requests, drives and judges is on the page, and no library's shop replaces it."""
    page = unescape(demo.run(experiment.key).page)

    for line in ("request.session[thing] = 1", "await gate.hold()", "await self._open.wait()", "gate.open()"):
        assert line in page
    assert inspect.getsource(experiment.play) in page
    assert f"def of_{experiment.play.__name__}(" in page
    for shop in libraries.shops():
        assert (shop.add, shop.route) == (Shop.add, Shop.route)
