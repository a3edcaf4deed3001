"""What people do with their browsers: the requests that an actor makes, drawn by weight from its own seed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from coatcheck.errors import CoatcheckError
from torture import by_id
from torture.browsers import Request
from torture.recording import WROTE, answer_of
from torture.world import BROWSERS, World, repeating

RETRY_AFTER: Final = 0.05
"""Seconds that people wait after a 503, so that an outage is not all that a round consists of."""


class Actor:
    """One task: it makes one request after the other, or acts by id, until the round is over."""

    def __init__(self, world: World, number: int) -> None:
        """Be actor *number*, which no other task of any process is."""
        self.world, self.number = world, number
        self.random = world.seeded("actor", number)
        self.requests = 0
        self.serial = 0

    async def live(self) -> None:
        """Act until the round is over."""
        WROTE.set([0])
        kinds, weights = zip(*ACTIONS, strict=True)
        while not self.world.over:
            (act,) = self.random.choices(kinds, weights)
            before = self.world.recorder.unanswered
            await act(self)
            self.world.tick()
            await asyncio.sleep(0 if before == self.world.recorder.unanswered else RETRY_AFTER)

    def value(self) -> int:
        """Return a number that this actor has not used before."""
        self.serial += 1
        return self.serial

    def unique(self) -> int:
        """Return a number that nobody uses for the shared key."""
        return self.number * 10_000_000 + self.value()

    def request(self, token: str | None = None, *, jar: int | None = None) -> Request:
        """Begin a request with the ticket of a browser drawn by chance, or with *token*."""
        self.requests += 1
        drawn = self.random.randrange(BROWSERS) if jar is None else jar
        presented = self.world.shared.jar(drawn) if token is None else token
        return Request(self.world, self.number, self.requests, drawn, presented)

    def turns(self) -> int:
        """Draw for how many turns a request holds its old view; mostly none, sometimes long."""
        draw = self.random.random()
        return 0 if draw < 0.5 else self.random.randrange(1, 6) if draw < 0.85 else self.random.randrange(10, 60)

    @property
    def lost(self) -> bool:
        """Draw whether an answer is lost on its way."""
        return self.random.random() < 0.03


async def _visit(actor: Actor) -> None:
    """Read, and change nothing."""
    request = actor.request()
    if await request.load():
        await request.hold(actor.turns())
        await request.save(lost=actor.lost)


async def _write(actor: Actor) -> None:
    """Write the own key, now and then the shared one, rarely remove the own one."""
    request = actor.request()
    if not await request.load():
        return
    if request.state.live is None and actor.random.random() < 0.8:
        await request.save()
        return
    await request.hold(actor.turns())
    value = actor.value()
    request.set(f"k{actor.number}", None if value % 7 == 0 else value)
    if actor.random.random() < 0.4:
        request.set("x", actor.unique())
    await request.save(lost=actor.lost)


async def _count(actor: Actor) -> None:
    """Count one further within a request."""
    request = actor.request()
    if not await request.load():
        return
    if request.state.live is not None:
        await request.hold(actor.turns())
        await request.transact()
    await request.save()


async def _sign_in(actor: Actor) -> None:
    """Read the epoch, check a password for a while, sign in."""
    user = actor.random.choice(actor.world.users)
    epoch = epoch_at = None
    if actor.random.random() < 0.9:
        op = actor.world.recorder.begin(actor.number, 0, "epoch", user=user)
        try:
            epoch = await actor.world.sessions.epoch(user)
        except CoatcheckError as error:
            actor.world.recorder.end(op, answer_of(error))
            return
        epoch_at = actor.world.recorder.end(op).end
    await asyncio.sleep(0)
    request = actor.request()
    if not await request.load():
        return
    await request.hold(actor.turns())
    if await request.login(user, epoch, epoch_at) and actor.random.random() < 0.4:
        request.set(f"k{actor.number}", actor.value())
    await request.save(lost=actor.lost)


async def _sign_in_again(actor: Actor) -> None:
    """Sign in while the generator of ids repeats itself."""
    known = [pair for pair in actor.world.known if pair[1] is not None]
    if not known:
        return
    session_id, user = actor.random.choice(known)
    request = actor.request()
    if user is not None and await request.load():
        with repeating(session_id):
            await request.login(user, None, None)
        await request.save()


async def _log_out(actor: Actor) -> None:
    """Sign out."""
    request = actor.request()
    if await request.load():
        await request.hold(actor.turns())
        await request.logout()
        await request.save(lost=actor.lost)


async def _step_up(actor: Actor) -> None:
    """Take a new secret, with or without a change."""
    request = actor.request()
    if not await request.load():
        return
    if request.state.live is not None:
        await request.hold(actor.turns())
        if actor.random.random() < 0.5:
            request.set(f"k{actor.number}", actor.value())
        await request.rotate()
    await request.save(lost=actor.lost)


async def _replay(actor: Actor) -> None:
    """Present a ticket that was replaced or whose session is over; write with it now and then."""
    if not actor.world.old:
        return
    request = actor.request(actor.random.choice(actor.world.old))
    if not await request.load():
        return
    if request.state.live is not None and actor.random.random() < 0.5:
        request.set(f"k{actor.number}", actor.value())
    await request.save(lost=True)


async def _forge(actor: Actor) -> None:
    """Present a ticket that nobody minted, under a made-up id or a real one, and look whether it left a row."""
    ids = [known for known, _ in actor.world.known]
    real = bool(ids) and actor.random.random() < 0.5
    made_up = f"0{_letters(actor, 24)}A"
    token = f"{actor.random.choice(ids) if real else made_up}.{_letters(actor, 42)}A"
    request = actor.request(token)
    if await request.load("forged"):
        await request.save(lost=True)
    if not real:
        await by_id.get(actor, made_up, "forged")


def _letters(actor: Actor, count: int) -> str:
    return actor.random.randbytes(count).hex()[:count]


Act = Callable[[Actor], Awaitable[None]]

ACTIONS: Final[tuple[tuple[Act, float], ...]] = (
    (_visit, 30),
    (_write, 25),
    (_count, 6),
    (_sign_in, 12),
    (_sign_in_again, 0.5),
    (_log_out, 2),
    (_step_up, 4),
    (_replay, 4),
    (_forge, 2),
    (by_id.count_by_id, 4),
    (by_id.enter, 1.5),
    (by_id.look, 5),
    (by_id.list_user, 3),
    (by_id.revoke, 1.5),
    (by_id.revoke_foreign, 1),
    (by_id.revoke_user, 1),
    (by_id.revoke_all, 0.05),
    (by_id.set_roles, 1.5),
    (by_id.sweep, 1),
    (by_id.look_for_leaks, 0.2),
)
"""What an actor may do, each with its weight."""
