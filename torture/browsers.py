"""One request of one browser, step by step: load, what the handler does, save, and the cookie."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from coatcheck.errors import CoatcheckError
from coatcheck.lifecycle import Cookie, Verdict
from coatcheck.session import AsyncSession
from coatcheck.state import Outcome, State
from torture.history import Op, ticket_name
from torture.recording import answer_of
from torture.world import World


def increment(data: MutableMapping[str, Any]) -> int:
    """Count one further; what every transaction does."""
    data["n"] = data.get("n", 0) + 1
    return int(data["n"])


class Request:
    """A request under way."""

    def __init__(self, world: World, actor: int, number: int, jar: int, token: str | None) -> None:
        """Present *token*; the answer goes to *jar*."""
        self.world, self.actor, self.number, self.jar = world, actor, number, jar
        self.token, self.presented = token, ticket_name(token)
        self.change: dict[str, int | None] = {}
        self.note = "loaded"
        self.session: AsyncSession

    @property
    def state(self) -> State:
        """What the manager knows of the request; the machine records more than an application may ask."""
        return self.session._state  # noqa: SLF001 - see above

    def _begin(self, verb: str, **facts: Any) -> Op:
        return self.world.recorder.begin(self.actor, self.number, verb, ticket=self.presented, **facts)

    def _end(self, op: Op, answer: str = "ok") -> bool:
        self.world.recorder.end(op, answer)
        return answer == "ok"

    async def load(self, note: str = "") -> bool:
        """Load the session and read all of it; whether the request goes on."""
        op = self._begin("load", note=note)
        try:
            self.session = await self.world.sessions.load(self.token)
        except CoatcheckError as error:
            return self._end(op, answer_of(error))
        self.session._state.look()  # noqa: SLF001 - a look that costs nothing
        self._read(op)
        self._end(op, "ok" if op.session else "none")
        return True

    def _read(self, op: Op) -> None:
        record = self.state.live
        if record is None:
            op.note = op.note or self.state.judgement.reason or ""
            return
        op.session, op.user, op.roles = record.id, record.user_id, record.roles
        op.idle, op.expires, op.seen = record.idle_expires_at, record.expires_at, record.last_seen_at
        op.due = record.rotate_due or (record.waiting and self.state.judgement.holder.value == "current")
        op.rotated = record.rotated_at
        op.data = dict(self.session)
        self.world.meet(record.id, record.user_id)

    async def hold(self, turns: int) -> None:
        """Let others act while this request has its old view."""
        for _ in range(turns):
            await asyncio.sleep(0)

    def set(self, key: str, value: int | None) -> None:
        """Change a key; it is written when the request ends."""
        if value is not None:
            self.session[key] = value
        elif key in self.session:
            del self.session[key]
        else:
            return
        self.change[key] = value

    def _pending(self) -> dict[str, int | None]:
        change, self.change = self.change, {}
        return change

    async def login(self, user_id: str, epoch: int | None, epoch_at: int | None) -> bool:
        """Sign in; the session of the request ends and its data moves along where it may."""
        state, record = self.state, self.state.record
        replaces = record is not None and state.judgement.reason != "superseded"
        carries = replaces and record is not None and record.user_id in (None, user_id)
        held = state.judgement.verdict is Verdict.LIVE
        note = "carried" if carries and held else "replaced" if replaces else ""
        op = self._begin(
            "login", session=record.id if record and replaces else None, user=user_id, epoch_at=epoch_at, note=note,
            roles=self.world.policy.default_roles,
        )  # fmt: skip
        try:
            await self.session.login(user_id, epoch=epoch)
        except CoatcheckError as error:
            return self._end(op, answer_of(error))
        made = self.state.record
        if made is not None:
            op.made, op.idle, op.expires, op.seen = made.id, made.idle_expires_at, made.expires_at, made.last_seen_at
            self.world.meet(made.id, user_id)
        self.note = ""
        return self._end(op)

    async def logout(self) -> bool:
        """Sign out."""
        live = self.state.live
        op = self._begin("logout", session=live.id if live else None, user=live.user_id if live else None)
        try:
            await self.session.logout()
        except CoatcheckError as error:
            return self._end(op, answer_of(error))
        self.note = ""
        return self._end(op, "ok" if live else "none")

    async def rotate(self) -> bool:
        """Take a new secret for a new privilege."""
        live = self.state.live
        op = self._begin("rotate", session=live.id if live else None, change=self._pending())
        try:
            await self.session.rotate()
        except CoatcheckError as error:
            return self._end(op, answer_of(error))
        return self._end(op)

    async def transact(self) -> bool:
        """Count one further, in this request's session."""
        live = self.state.live
        op = self._begin("transact", session=live.id if live else None)
        try:
            op.data = {"n": await self.session.transaction(increment)}
        except CoatcheckError as error:
            return self._end(op, answer_of(error))
        return self._end(op)

    async def save(self, *, lost: bool = False) -> bool:
        """End the request; a *lost* answer never arrives."""
        before = self.state.id
        op = self._begin("save", session=before, change=self._pending(), note=self.note)
        try:
            outcome = await self.world.sessions.save(self.session)
        except CoatcheckError as error:
            return self._end(op, answer_of(error))
        made = self.state.live
        if before is None and made is not None:
            op.made, op.idle, op.expires, op.seen = made.id, made.idle_expires_at, made.expires_at, made.last_seen_at
            self.world.meet(made.id, None)
        if outcome.cookie is Cookie.DELETE:
            op.sent = ""
        elif outcome.cookie is Cookie.SEND:
            op.sent = ticket_name(outcome.token)
        self._end(op)
        if not lost:
            self._receive(outcome)
        return True

    def _receive(self, outcome: Outcome) -> None:
        if outcome.cookie is Cookie.KEEP:
            return
        if self.token is not None:
            self.world.old.append(self.token)
        self.world.shared.put(self.jar, outcome.token if outcome.cookie is Cookie.SEND else None)
