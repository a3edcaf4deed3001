"""A library that fails proves nothing: the proof page says "No result" of it, of coatcheck too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from coatcheck.demo.proof import ours, signed_cookie
from coatcheck.demo.proof.shop import Shop
from coatcheck.demo.proof.trial import Seen
from coatcheck.demo.proof.verdicts import (
    Verdict,
    of_crowd,
    of_planted_cookie,
    of_slow_request,
    of_stolen_cookie,
    of_two_tabs,
)
from tests.web._proof import Served, served

OURS, SIGNED = "coatcheck", "Starlette"

OUT = Seen(200, None, ())
VERA = Seen(200, "vera", ())
FULL = Seen(200, None, ("bread", "milk"))
FAILED = Seen(500, None, ())


@pytest.fixture(scope="module")
def demo() -> Iterator[Served]:
    """Serve the demo at a port of its own."""
    with served() as made:
        yield made


async def fails(*_args: Any) -> None:
    """Answer as a handler that is broken."""
    raise HTTPException(500)


@pytest.mark.parametrize("shop", [ours.Coatcheck, signed_cookie.SignedCookie])
def test_sign_ins_that_fail_are_no_limit(demo: Served, monkeypatch: pytest.MonkeyPatch, shop: type[Shop]) -> None:
    """Where every sign-in fails nobody is signed in, and that is no limit that holds (promise 4)."""
    monkeypatch.setattr(shop, "sign_in", fails)

    said = demo.run("crowd").verdicts[OURS if shop is ours.Coatcheck else SIGNED]

    assert said.startswith("No result") or "No result" in said
    assert "500" in said


@pytest.mark.parametrize("experiment", ["two-tabs", "slow-request", "planted-cookie"])
def test_carts_that_fail_prove_nothing(demo: Served, monkeypatch: pytest.MonkeyPatch, experiment: str) -> None:
    """Where nothing can be put into the cart there is nothing to lose, to bring back or to read: no verdict."""
    monkeypatch.setattr(ours.Coatcheck, "add", fails)

    assert demo.run(experiment).words()[OURS] == "No result"


@pytest.mark.parametrize(
    "verdict",
    [
        of_two_tabs(("bread",), [OUT, FAILED], FULL),
        of_two_tabs(("bread",), [OUT, OUT], FAILED),
        of_slow_request(FAILED, OUT, OUT),
        of_slow_request(OUT, FAILED, OUT),
        of_slow_request(OUT, OUT, FAILED),
        of_stolen_cookie(FAILED),
        of_crowd(1, [VERA, FAILED], [VERA, OUT], can_limit=True),
        of_crowd(1, [VERA, VERA], [VERA, FAILED], can_limit=True),
        of_crowd(1, [VERA, FAILED], [VERA, OUT], can_limit=False),
        of_planted_cookie(FAILED, OUT, OUT),
        of_planted_cookie(OUT, FAILED, OUT),
        of_planted_cookie(OUT, OUT, FAILED),
        of_stolen_cookie(Seen(503, None, ())),
    ],
    ids=lambda _: "",
)
def test_any_answer_that_failed_leaves_the_question_open(verdict: Verdict) -> None:
    """One answer of 500 and above among those that decide, and nothing is decided; the sentence names the status."""
    assert verdict.kind == "unclear"
    assert "answered with 50" in verdict.text


@pytest.mark.parametrize(
    ("live", "can_limit", "kind"),
    [
        (0, True, "unclear"), (4, True, "unclear"), (5, True, "held"), (6, True, "broken"),
        (0, False, "unclear"), (5, False, "unclear"), (6, False, "absent"),
    ],
)  # fmt: skip
def test_the_limit_holds_only_when_exactly_so_many_are_in(live: int, kind: str, *, can_limit: bool) -> None:
    """Fewer than allowed are signed in: people were kept out, which is no limit that holds (promise 4)."""
    seen = [VERA] * live + [OUT] * (10 - live)

    assert of_crowd(5, [VERA] * 10, seen, can_limit=can_limit).kind == kind


def test_a_refusal_is_no_failure() -> None:
    """A slow request that is refused with 401 or 409 after the sign-out still proves that one is out (promise 2)."""
    assert [of_slow_request(Seen(code, None, ()), OUT, OUT).kind for code in (200, 401, 409)] == ["held"] * 3
