"""What browsers do to a site: one scene a promise, each with browsers and users of its own, many at the same time.

A scene tries one promise and leaves the verdict to the judge, who sees the history alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from torture.history import Op
from torture.rivals.contenders import LIMIT, Offer
from torture.rivals.jar import Jar
from torture.rivals.site import Seen, Site

AT_ONCE: Final = 12
"""Scenes at the same time: enough that a site always has several requests in hand."""

Scene = Callable[[Site], Awaitable[None]]


async def _signed_in(site: Site, user: str | None = None) -> Jar:
    """Return a browser that has signed in, as a user of its own if none is named."""
    jar = site.jar()
    await site.sign_in(jar, site.number("actor"), user or f"u{site.number('user')}")
    return jar


async def _later(site: Site, do: Awaitable[Seen]) -> Seen:
    """Do something a moment later, so that requests meet in every order."""
    await asyncio.sleep(site.chance.random() * 0.004)
    return await do


def _busy(site: Site, jar: Jar, hands: int) -> list[Awaitable[Any]]:
    """Return requests that one browser makes at the same time: writers of keys of their own, and readers."""
    requests: list[Awaitable[Any]] = []
    for _ in range(hands):
        actor = site.number("actor")
        copy = site.jar(jar.ticket)  # what the browser sends does not change while the request is on its way
        if site.chance.random() < 0.5:
            requests.append(_later(site, site.read(copy, actor)))
        else:
            requests.append(_later(site, site.put(copy, actor, f"k{actor}", 1)))
    return requests


async def overlapping(site: Site) -> None:
    """Requests of one session change different keys at the same time; afterwards all keys are there (promise 3)."""
    jar = await _signed_in(site)
    actors = [site.number("actor") for _ in range(site.chance.randint(2, 4))]
    for value in (1, 2):
        await asyncio.gather(*(site.put(jar, actor, f"k{actor}", value) for actor in actors))
        await site.read(jar, actors[0])


async def signing_out(site: Site) -> None:
    """A sign-out meets requests in flight; afterwards its ticket opens nothing (promise 2)."""
    jar = await _signed_in(site)
    await site.put(jar, *_own_key(site))
    ticket = jar.ticket
    await asyncio.gather(*_busy(site, jar, 3), _later(site, site.sign_out(jar, site.number("actor"))))
    await site.read(site.jar(ticket), site.number("actor"))


async def ending_a_user(site: Site) -> None:
    """All sessions of a user end while one signs in and others work; afterwards no ticket opens (promise 2)."""
    user = f"u{site.number('user')}"
    jars = [await _signed_in(site, user) for _ in range(2)]
    late = site.jar()
    tickets = [jar.ticket for jar in jars]
    await asyncio.gather(
        *_busy(site, jars[0], 2),
        site.sign_in(late, site.number("actor"), user, slow=True),
        _later(site, site.end_user(site.number("actor"), user)),
    )
    for ticket in [*tickets, late.ticket]:
        await site.read(site.jar(ticket), site.number("actor"))


async def ending_each(site: Site) -> None:
    """A user's sessions are listed and ended one by one while they work; afterwards no ticket opens (promise 2)."""
    user = f"u{site.number('user')}"
    jars = [await _signed_in(site, user) for _ in range(2)]
    tickets = [jar.ticket for jar in jars]
    sessions = [session for ticket in tickets if (session := site.session_of(ticket))]
    await asyncio.gather(*_busy(site, jars[0], 2), _later(site, site.end_each(site.number("actor"), user, sessions)))
    for ticket in tickets:
        await site.read(site.jar(ticket), site.number("actor"))


async def signing_in(site: Site) -> None:
    """A visitor with data signs in while a request is in flight; the old ticket opens nothing (promise 5)."""
    jar = site.jar()
    await site.put(jar, *_own_key(site))
    old, user = jar.ticket, f"u{site.number('user')}"
    await asyncio.gather(site.sign_in(jar, site.number("actor"), user), *_busy(site, site.jar(old), 1))
    await site.read(site.jar(old), site.number("actor"))
    await site.read(jar, site.number("actor"))


async def changing_places(site: Site) -> None:
    """Somebody else signs in at a browser that is signed in; the ticket before it opens nothing (promise 5)."""
    jar = await _signed_in(site)
    old = jar.ticket
    await site.sign_in(jar, site.number("actor"), f"u{site.number('user')}")
    await site.read(site.jar(old), site.number("actor"))
    await site.read(jar, site.number("actor"))


async def renewing(site: Site) -> None:
    """A new ticket is asked for; the old one opens nothing (promise 5)."""
    jar = await _signed_in(site)
    old = jar.ticket
    await site.renew(jar, site.number("actor"))
    await site.read(site.jar(old), site.number("actor"))
    await site.read(jar, site.number("actor"))


async def planting(site: Site) -> None:
    """A ticket that somebody made up and planted never becomes a session (promise 1)."""
    planted = site.planted()
    victim = site.jar(planted)
    if "anonymous" in site.contender.offers and site.number("planting") % 2:
        actor, key, value = _own_key(site)
        await site.put(victim, actor, key, value, note="forged")
    else:
        await site.sign_in(victim, site.number("actor"), f"u{site.number('user')}")
    await site.read(site.jar(planted), site.number("actor"), note="forged")


async def crowding(site: Site) -> None:
    """More sign-ins of one user at the same time than the limit allows; no more tickets open than that (promise 4)."""
    user = f"u{site.number('user')}"
    jars = [site.jar() for _ in range(LIMIT + 3)]
    await asyncio.gather(*(_later(site, site.sign_in(jar, site.number("actor"), user)) for jar in jars))
    seen = [await site.read(jar, site.number("actor")) for jar in jars if jar.ticket]
    listed = tuple(one.op.session for one in seen if one.op.ok and one.op.session)
    first, last = seen[0].op, seen[-1].op
    site.ops.append(
        Op(
            start=first.start, end=last.end, clock=first.clock, until=last.until, actor=site.number("actor"),
            verb="list", user=user, note="quiet", listed=listed,
        )
    )  # fmt: skip


async def looking(site: Site) -> None:
    """Requests that only look, one after the other, are answered without a cookie (promise 6)."""
    jar = await _signed_in(site)
    for _ in range(3):
        await site.read(jar, site.number("actor"))


def _own_key(site: Site) -> tuple[int, str, int]:
    actor = site.number("actor")
    return actor, f"k{actor}", 1


_SCENES: Final[tuple[tuple[Scene, int, Offer | None], ...]] = (
    (planting, 1, None),
    (signing_out, 2, None),
    (ending_a_user, 2, "end_user"),
    (ending_each, 2, "end_each"),
    (overlapping, 3, None),
    (crowding, 4, "limit"),
    (signing_in, 5, "anonymous"),
    (changing_places, 5, None),
    (renewing, 5, "renew"),
    (looking, 6, None),
)
"""Each scene, the promise that it tries, and what a library must offer for it."""


def promises_of(offers: frozenset[Offer]) -> frozenset[int]:
    """Return the promises that a library with these *offers* can be tried on."""
    return frozenset(promise for _, promise, needs in _SCENES if needs is None or needs in offers)


async def play(site: Site, repeats: int) -> None:
    """Play every scene *repeats* times, many at once, in an order of chance."""
    offers = site.contender.offers
    playing = [(scene, promise) for scene, promise, needs in _SCENES if needs is None or needs in offers] * repeats
    site.chance.shuffle(playing)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(scene: Scene, promise: int) -> None:
        async with room:
            site.enter(promise, scene.__name__.replace("_", " "))
            await scene(site)

    await asyncio.gather(*(asyncio.create_task(one(scene, promise)) for scene, promise in playing))
