"""One contender's site as the torture sees it: requests go in, steps of the history come out.

Tickets and sessions get numbered names, so that no secret enters a history. A session is named when it is made, and
every ticket that its answers set afterwards opens the same one.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Final

import msgspec

from torture.history import UNKNOWN, Op
from torture.rivals.contenders import Contender
from torture.rivals.jar import Jar, changes
from torture.rivals.wire import Answer, Body
from torture.rivals.workers import Worker

MAX_WORK: Final = 4
"""How long a handler works at most, in milliseconds: requests overlap as they do when handlers ask a database."""

SLOW: Final = 8 * MAX_WORK
"""How long a slow sign-in works after the password was checked, in milliseconds: less than a good password hash."""


class Entered(msgspec.Struct, frozen=True):
    """A scene that was played: its number in the round, the promise that it tries, and its name."""

    number: int = 0
    promise: int = 0
    name: str = ""


_SCENE: ContextVar[Entered] = ContextVar("_SCENE", default=Entered())  # noqa: B039 - it is frozen


class Seen(msgspec.Struct):
    """One request's answer, with what the history calls what it carried."""

    op: Op
    status: int
    body: Body
    issued: str | None = None


class Site:
    """The contender's workers, and the history of the round."""

    def __init__(self, contender: Contender, workers: Sequence[Worker], chance: random.Random) -> None:
        """Begin a round; *chance* decides the workers and how long handlers work."""
        self.contender, self.chance = contender, chance
        self.ops: list[Op] = []
        self.errors: Counter[int] = Counter()
        self.scenes: list[Entered] = []
        self.scene_of: dict[int, Entered] = {}
        self._workers = workers
        self._names: dict[str, str] = {}
        self._tickets: dict[str, str] = {}
        self._sessions: dict[str, str] = {}
        self._users: dict[str, str] = {}
        self._dead: set[str] = set()
        self._count: Counter[str] = Counter()

    # --- names ---

    def enter(self, promise: int, name: str) -> None:
        """Begin a scene in this task: what its actors do belongs to it."""
        self.scenes.append(Entered(len(self.scenes) + 1, promise, name))
        _SCENE.set(self.scenes[-1])

    def number(self, what: str) -> int:
        """Return the next number of its kind."""
        self._count[what] += 1
        if what == "actor":
            self.scene_of[self._count[what]] = _SCENE.get()
        return self._count[what]

    def session_of(self, ticket: str | None) -> str | None:
        """Return the session that a ticket belongs to."""
        return None if ticket is None else self._sessions.get(ticket)

    def jar(self, ticket: str | None = None) -> Jar:
        """Return a new browser's jar."""
        return Jar(self.contender.planted.partition("=")[0], ticket)

    def planted(self) -> str:
        """Return a ticket of the right shape that the library never made."""
        value = self.contender.planted.partition("=")[2]
        hexadecimal = all(letter in "0123456789abcdef-" for letter in value)
        letters = "0123456789abcdef" if hexadecimal else "abcdefghijklmnopqrstuvwxyz"
        first = value[0]  # a version or a region, where the shape has one
        return first + "".join(self.chance.choice(letters) if c.isalnum() else c for c in value[1:])

    def _name(self, ticket: str | None) -> str | None:
        if ticket is None:
            return None
        name = self._names.setdefault(ticket, f"t{len(self._names) + 1}")
        self._tickets[name] = ticket
        return name

    # --- requests ---

    async def read(self, jar: Jar, actor: int, **facts: Any) -> Seen:
        """Look at the session."""
        seen = await self._ask("GET", "/read", jar, Op(**_blank("load", actor), **facts))
        self._opened(seen)
        self._keep(seen.op)
        return seen

    async def put(self, jar: Jar, actor: int, key: str, value: int, **facts: Any) -> Seen:
        """Set one key: a `load` of what the handler saw, and a `save` with the answer."""
        ticket = jar.ticket
        op = Op(**_blank("load", actor), request=self.number("request"), **facts)
        seen = await self._ask("POST", f"/set?key={key}&value={value}", jar, op)
        self._opened(seen)
        self._keep(op)
        save = msgspec.structs.replace(op, verb="save", answer=_answer(seen.status), change={key: value}, data=None)
        loaded = op.answer == "ok"
        save.note, op.sent = "loaded" if loaded else "", None  # the cookie comes with the answer
        if seen.issued is not None and not loaded and self._sessions.get(seen.issued) is None:
            save.made = self._sessions[seen.issued] = f"s{self.number('session')}"
        save.session = save.made or (self.session_of(ticket) if loaded else None)
        self._keep(save)
        return msgspec.structs.replace(seen, op=save)

    async def sign_in(self, jar: Jar, actor: int, user: str, *, slow: bool = False) -> Seen:
        """Sign in; the password was checked when the site said so, and a *slow* site takes its time after that."""
        before = self.session_of(jar.ticket)
        op = Op(**_blank("login", actor), user=user, request=self.number("request"))
        seen = await self._ask("POST", f"/in?user={user}", jar, op, work=SLOW if slow else None)
        op.answer, op.session, op.epoch_at = _answer(seen.status), before, seen.body.checked or None
        if op.ok:
            op.made = f"s{self.number('session')}"
            op.note = self._moves(before, user) if before else ""
            self._users[op.made] = user
            if seen.issued is not None:
                self._sessions[seen.issued] = op.made
        self._keep(op)
        return seen

    async def sign_out(self, jar: Jar, actor: int) -> Seen:
        """Sign out."""
        session = self.session_of(jar.ticket)
        op = Op(**_blank("logout", actor), session=session, request=self.number("request"))
        seen = await self._ask("POST", "/out", jar, op)
        op.answer = _answer(seen.status)
        if op.ok and session:
            self._dead.add(session)
        self._keep(op)
        return seen

    async def renew(self, jar: Jar, actor: int) -> Seen:
        """Ask for a new ticket."""
        session = self.session_of(jar.ticket)
        op = Op(**_blank("rotate", actor), session=session, request=self.number("request"))
        seen = await self._ask("POST", "/renew", jar, op)
        op.answer = _answer(seen.status)
        if seen.issued is not None and session:
            self._sessions[seen.issued] = session
        self._keep(op)
        return seen

    async def end_user(self, actor: int, user: str) -> Seen:
        """End all sessions of a user at once."""
        seen = await self._ask("POST", f"/end?user={user}", self.jar(), Op(**_blank("revoke_user", actor), user=user))
        seen.op.answer = _answer(seen.status)
        self._keep(seen.op)
        return seen

    async def end_each(self, actor: int, user: str, sessions: Sequence[str]) -> Seen:
        """End a user's *sessions*, which are all that have begun, one by one through the library's list."""
        seen = await self._ask("POST", f"/each?user={user}", self.jar(), Op(**_blank("revoke", actor), user=user))
        for session in sessions:
            self._keep(msgspec.structs.replace(seen.op, session=session, answer=_answer(seen.status)))
        return seen

    def _moves(self, before: str, user: str) -> str:
        """Say what a sign-in does to the session before it: data of another user's session must not move."""
        return "carried" if self._users.get(before, user) == user else "replaced"

    # --- steps ---

    async def _ask(self, method: str, path: str, jar: Jar, op: Op, work: int | None = None) -> Seen:
        work = self.chance.randrange(MAX_WORK + 1) if work is None else work
        ask: Callable[..., Any] = self.chance.choice(self._workers)
        op.ticket, presented = self._name(jar.ticket), jar.ticket
        op.start = time.monotonic_ns()
        answer: Answer = await ask(method, f"{path}{'&' if '?' in path else '?'}work={work}", jar.header)
        op.end = time.monotonic_ns()
        if answer.status >= 400:
            self.errors[answer.status] += 1
        changed = changes(answer.cookies)
        jar.obey(changed)
        issued = changed.get(self.contender.planted.partition("=")[0])
        if changed:
            op.sent = self._name(issued) if issued is not None else ""
        return Seen(op, answer.status, _body(answer), self._inherit(op.verb, presented, issued))

    def _inherit(self, verb: str, presented: str | None, issued: str | None) -> str | None:
        """Let a ticket that a live session's answer sets open that session, as cookies that hold the data need."""
        session = self.session_of(presented)
        if verb == "load" and issued is not None and session is not None and session not in self._dead:
            self._sessions.setdefault(issued, session)
        return issued

    def _opened(self, seen: Seen) -> None:
        """Say in a `load` what the ticket opened."""
        op, body = seen.op, seen.body
        if seen.status >= 400:
            op.answer = _answer(seen.status)
        elif body.user is None and not body.data:
            op.answer = "none"
        else:
            session = self.session_of(self._tickets.get(op.ticket or ""))
            op.session, op.user, op.data = session or f"of {op.ticket}", body.user, body.data

    def _keep(self, op: Op) -> None:
        self.ops.append(op)


def _blank(verb: str, actor: int) -> dict[str, Any]:
    now = int(time.time() * 1000)
    return {"start": 0, "end": 0, "clock": now, "until": now, "actor": actor, "verb": verb}


def _answer(status: int) -> str:
    if status < 400:
        return "ok"
    return UNKNOWN if status >= 500 else f"http_{status}"


def _body(answer: Answer) -> Body:
    try:
        return msgspec.json.decode(answer.body, type=Body)
    except msgspec.DecodeError:
        return Body()  # an error page
