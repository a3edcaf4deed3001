"""The experiments: each drives one library through HTTP alone and says what happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

from msgspec import Struct

from . import verdicts
from .ours import LIMIT
from .shop import Gate
from .trial import Browser, Seen, Trial, Unplayable
from .verdicts import Verdict

CROWD: Final = 100
"""Sign-ins at once."""

_TOO_EARLY: Final = "It did not get as far as the question."

Play: TypeAlias = Callable[[Trial], Awaitable[Verdict]]


class Experiment(Struct, frozen=True):
    """A question, what is done to answer it, what it means for users, and what is fair to say of the libraries."""

    key: str
    question: str
    story: str
    meaning: str
    fairness: str
    play: Play


async def two_tabs(trial: Trial) -> Verdict:
    """Two requests of one session overlap; each adds a thing under a key of its own."""
    you = trial.browser()
    trial.step("You put coffee into your cart.")
    _must_hold(await you.post("/add?thing=coffee"), "coffee")
    trial.step("Two tabs add something at the same moment: one bread, the other milk.")
    requests = (you.post(f"/add?thing={thing}&gate=tabs") for thing in ("bread", "milk"))
    async with held(trial.gate("tabs", 2), *requests) as tabs:
        pass
    trial.step("You look into your cart.")
    after = await you.get()
    return verdicts.of_two_tabs(("coffee", "bread", "milk"), [tab.result() for tab in tabs], after)


async def slow_request(trial: Trial) -> Verdict:
    """A request that was under way at the sign-out writes to the session when it ends."""
    you = trial.browser()
    trial.step("You sign in.")
    await _signed_in(you)
    old = you.cookie
    trial.step("A slow request begins. While it runs, you sign out.")
    async with held(trial.gate("slow", 1), you.post("/add?thing=bread&gate=slow")) as slow:
        _must_be(await you.post("/sign-out"), None)
        trial.step("The slow request ends, and saves what it did.")
    trial.step("You open the next page. Then the cookie from before is tried as well.")
    after = await you.get()
    return verdicts.of_slow_request(slow[0].result(), after, await trial.browser(old).get())


async def stolen_cookie(trial: Trial) -> Verdict:
    """A copy of the cookie is used before and after its owner signs out."""
    you = trial.browser()
    trial.step("You sign in.")
    await _signed_in(you)
    trial.step("A thief has a copy of your cookie and uses it.")
    copy = you.cookie
    _must_be(await trial.browser(copy).get(), "vera")
    trial.step("You sign out.")
    _must_be(await you.post("/sign-out"), None)
    trial.step("The thief uses the copy again.")
    return verdicts.of_stolen_cookie(await trial.browser(copy).get())


async def crowd(trial: Trial) -> Verdict:
    """Many browsers sign the same user in, all at the same moment; then each opens a page."""
    browsers = [trial.browser() for _ in range(CROWD)]
    trial.step(f"{CROWD} browsers sign the same person in at the same moment.")
    requests = (each.send("POST", "/sign-in?user=vera&gate=crowd", quiet=True) for each in browsers)
    async with held(trial.gate("crowd", CROWD), *requests) as sent:
        pass
    entered = [one.result() for one in sent]
    trial.note(f"{CROWD} times POST /sign-in?user=vera", _tally(entered))
    trial.step("Each of them opens a page.")
    seen = await asyncio.gather(*(each.send("GET", "/", quiet=True) for each in browsers))
    trial.note(f"{CROWD} times GET /, each with its own cookie", _tally(seen))
    return verdicts.of_crowd(LIMIT, entered, seen, can_limit=trial.shop.limited)


async def planted_cookie(trial: Trial) -> Verdict:
    """An attacker puts a cookie into the victim's browser and waits for the sign-in: a made-up one, then a real one."""
    made_up = trial.shop.planted()
    you = trial.browser(made_up)
    trial.step("An attacker makes up a cookie and plants it in your browser. You put bread into your cart.")
    _must_hold(await you.post("/add?thing=bread"), "bread")
    trial.step("The attacker opens the shop with the made-up cookie.")
    before = await trial.browser(made_up).get()
    trial.step("You sign in.")
    await _signed_in(you)
    trial.step("The attacker tries the made-up cookie again.")
    after = await trial.browser(made_up).get()
    trial.step("A second way: the attacker visits the shop and plants the real cookie that it gave them.")
    attacker = trial.browser()
    _must_hold(await attacker.post("/add?thing=tea"), "tea")
    trial.step("You sign in with it in your browser.")
    await _signed_in(trial.browser(attacker.cookie))
    trial.step("The attacker opens the shop with their copy.")
    return verdicts.of_planted_cookie(before, after, await attacker.get())


@asynccontextmanager
async def held(gate: Gate, *requests: Coroutine[Any, Any, Seen]) -> AsyncGenerator[list[asyncio.Task[Seen]]]:
    """Send *requests* and go on when all are inside their handlers; at the end they are let go and awaited.

    One that is answered before it reaches its handler holds nobody up: what came back decides.
    """
    full = asyncio.create_task(gate.full())
    sent = [asyncio.create_task(request) for request in requests]
    try:
        await asyncio.wait([full, *sent], return_when=asyncio.FIRST_COMPLETED)
        yield sent
        gate.open()
        await asyncio.gather(*sent)
    finally:
        gate.open()
        for task in (full, *sent):
            task.cancel()


async def _signed_in(browser: Browser) -> None:
    _must_be(await browser.post("/sign-in?user=vera"), "vera")


def _must_be(seen: Seen, user: str | None) -> None:
    """Go on only if *user* is signed in, or nobody.

    Raises:
        Unplayable: it is not so.
    """
    if seen.status != 200 or seen.user != user:
        raise Unplayable(_TOO_EARLY)


def _must_hold(seen: Seen, thing: str) -> None:
    """Go on only if *thing* is in the cart.

    Raises:
        Unplayable: it is not.
    """
    if seen.status != 200 or thing not in seen.cart:
        raise Unplayable(_TOO_EARLY)


def _tally(answers: list[Seen]) -> str:
    signed_in = sum(one.user == "vera" for one in answers)
    refused = sum(one.status >= 400 for one in answers)
    return f"{signed_in} signed in, {len(answers) - signed_in - refused} not signed in, {refused} errors"


EXPERIMENTS: Final = (
    Experiment(
        key="two-tabs",
        question="Two tabs, one cart: is anything lost?",
        story="Two requests of the same visitor overlap, and both put something into the cart.",
        meaning="Where it holds, what somebody adds or fills in is still there, however fast they click.",
        fairness=(
            "All three run the same line: session[thing] = 1. Where two tabs change the same key, the last one wins in "
            "coatcheck too, unless the change is made in session.transaction()."
        ),
        play=two_tabs,
    ),
    Experiment(
        key="slow-request",
        question="You sign out while a slow page is loading: are you out?",
        story="A request is under way when you sign out. It saves its session when it ends.",
        meaning="Where it holds, whoever signs out on a shared computer and walks away is really signed out.",
        fairness="The request that was under way may fail: coatcheck refuses what it wants to save.",
        play=slow_request,
    ),
    Experiment(
        key="stolen-cookie",
        question="Somebody copied your cookie: does signing out help?",
        story="A copy of your cookie is used before and after you sign out.",
        meaning="Where it holds, signing out locks a thief out at once.",
        fairness=(
            "A signed cookie holds the whole session: no store is asked, and none can fail. That is why nothing on the "
            "server can end it before its time."
        ),
        play=stolen_cookie,
    ),
    Experiment(
        key="crowd",
        question=f"{CROWD} sign-ins at once, {LIMIT} allowed: how many get in?",
        story=f"{CROWD} browsers sign the same person in at the same moment. The limit is {LIMIT} sessions.",
        meaning="Where it holds, a shared password opens five devices and never more, however many try at once.",
        fairness="Neither of the other two has a limit to set; an application that needs one has to write it.",
        play=crowd,
    ),
    Experiment(
        key="planted-cookie",
        question="An attacker chose your cookie: do they get in with you?",
        story="A cookie is planted in your browser before you sign in: first a made-up one, then a real one.",
        meaning="Where it holds, nobody gets at your data by preparing a shared computer for you.",
        fairness=(
            "The starsessions shop makes a new id at sign-in with regenerate_session_id(), as its documentation "
            "advises. A signed cookie refuses what it did not sign."
        ),
        play=planted_cookie,
    ),
)
"""All experiments, in the order of the page."""
