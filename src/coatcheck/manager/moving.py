"""Taking over one session of another library: found by its credential, made once, ended where it was.

The order makes every step repeatable, and keeps the one from before good until the new one is there: the mark, the
session, the end of the old row, the word that the session was made. What two requests do at once comes to the same.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from coatcheck import tokens
from coatcheck.codec import decode, encode
from coatcheck.errors import CoatcheckError, NotEncodable, StoreUnavailable, UnreadableRecord
from coatcheck.manager import cutoffs
from coatcheck.manager.credentials import checked_roles, checked_user
from coatcheck.manager.cutoffs import Window
from coatcheck.manager.ending import tell
from coatcheck.manager.saving import new_record
from coatcheck.model import Found, FromTheFuture, Millis, Record, is_text, replace
from coatcheck.moving import marks
from coatcheck.moving.legacy import Legacy
from coatcheck.moving.marks import Names, Step
from coatcheck.state import State
from coatcheck.verbs import Change, Created, NotCreated

if TYPE_CHECKING:
    from coatcheck.moving.options import Moving

Why: TypeAlias = Literal["unverified", "unknown", "over", "revoked", "spent", "limit"]
"""Why a credential was not taken over, for the event."""

_FOR_GOOD: Final[frozenset[Why]] = frozenset({"over", "revoked", "spent"})

_EARLIEST: Final[Millis] = 1
"""When a credential was made of which nobody knows: before every epoch was raised that ever was."""

Came: TypeAlias = tokens.Ticket | Why
"""What a credential came to."""


class Person:
    """Whose a session is, and as what."""

    __slots__ = ("roles", "user_id")

    def __init__(self, user_id: str | None, roles: tuple[str, ...]) -> None:
        """Keep both."""
        self.user_id, self.roles = user_id, roles


class Arrival:
    """A credential of the other library in one request that has no ticket of ours.

    Attributes:
        judged: somebody has asked for the session, and the credential opened something, or is refused for good.
    """

    __slots__ = ("_moving", "_value", "_window", "judged")

    def __init__(self, moving: Moving, value: str, window: Window) -> None:
        """Ask nobody yet."""
        self._moving, self._value, self._window = moving, value, window
        self.judged = False

    def __repr__(self) -> str:
        """Show the source, never the credential."""
        return f"Arrival(source={self._moving.source.name!r})"

    async def bring(self, state: State) -> None:
        """Give *state* the ticket that the credential stands for, making its session if that is still to be done.

        Raises:
            StoreUnavailable: our store, or the other library's, did not answer.
            UnreadableRecord: a newer release wrote what is needed.
        """
        if state.ticket is not None or self.judged:
            return
        source, core = self._moving.source, state.core
        identity = source.identify(self._value)
        if identity is None:
            self._refuse(state, "unverified")
            return
        opened, now = await cutoffs.open_window(core, self._window), await core.moment()
        if now >= opened.until:
            return
        names = marks.names(await core.key(), core.tenant, source.name, identity)
        came = await _Take(self._moving, self._value, state, names, now=now, kept=opened.kept).ticket()
        if isinstance(came, str):
            self._refuse(state, came)
        else:
            state.ticket, self.judged = came, True

    def _refuse(self, state: State, why: Why) -> None:
        self.judged = why in _FOR_GOOD
        state.core.emit("moving.refused", source=self._moving.source.name, why=why)


class _Take:
    """One credential that fits, in one request."""

    def __init__(self, moving: Moving, value: str, state: State, names: Names, *, now: Millis, kept: Millis) -> None:
        self._moving, self._source, self._value = moving, moving.source, value
        self._state, self._core, self._names = state, state.core, names
        self._now, self._kept = now, kept

    async def ticket(self) -> Came:
        """Return the ticket, or why there is none."""
        mark = await self._find(self._names.mark)
        if mark is None:
            legacy = await self._read()
            if legacy is not None:
                return await self._begin(legacy)
            # Its row may be gone because another request has taken it over just now.
            mark = await self._find(self._names.mark)
        return "unknown" if mark is None else await self._go_on(mark, None)

    async def _begin(self, legacy: Legacy) -> Came:
        """Leave the mark of a credential that is new, and make its session."""
        person = await self._person(legacy)
        if person is None:
            return "unknown"
        if await self._is_cut_off(legacy, person):
            return "revoked"
        core, session_id = self._core, await self._session_id(person)
        data = {marks.SESSION: encode(session_id)}
        row = marks.row(self._names.mark, core.tenant, data, self._now, self._kept + cutoffs.MARGIN)
        with core.writing():
            answer = await core.store.create(row, now=self._now)
        if not isinstance(answer, Created):
            return await self._go_on(await self._find(self._names.mark), legacy)
        return await self._make(legacy, person)

    async def _go_on(self, mark: Found, legacy: Legacy | None) -> Came:
        """Follow a mark, and finish what was begun."""
        step, session_id = await self._judged(mark)
        if step is Step.MAKE:
            legacy = legacy or await self._read()
            if legacy is not None:
                return await self._resume(legacy, session_id)
            # Whoever left the mark has just ended the old row, so the session is there by now.
            mark = await self._find(self._names.mark)
            step, session_id = await self._judged(mark)
        if step is Step.SPENT:
            return "spent"
        if step is Step.MAKE:
            return "unknown"
        if isinstance(mark, Record) and marks.MADE not in mark.data:
            await self._finish()
        return self._names.ticket(session_id)

    async def _judged(self, mark: Found) -> tuple[Step, str]:
        """Say what a mark comes to, and which session it leads to."""
        if not isinstance(mark, Record):
            return Step.SPENT, ""
        session_id: str = decode(mark.data[marks.SESSION])
        session = None if marks.MADE in mark.data else await self._find(session_id)
        resume = min(marks.RESUME, self._core.policy.keep_ended_ms)
        return marks.judge(mark, session, self._now, resume), session_id

    async def _resume(self, legacy: Legacy, session_id: str) -> Came:
        """Make what another request has left a mark for, or has just made; not under another name."""
        person = await self._person(legacy)
        if person is None or await self._session_id(person) != session_id:
            return "unknown"
        if await self._is_cut_off(legacy, person):
            return "revoked"
        return await self._make(legacy, person)

    async def _make(self, legacy: Legacy, person: Person) -> Came:
        """Make the session in one atomic step, unless it is there."""
        core, ticket = self._core, self._names.ticket(await self._session_id(person))
        record, left_out = await self._record(legacy, person, ticket)
        if record.dead_at(self._now) is not None:
            return "over"
        limit = None if person.user_id is None else core.policy.limit
        with core.writing():
            answer = await core.store.create(
                record, now=self._now, limit=limit, began_at=max(legacy.issued_at or 0, _EARLIEST)
            )
        if answer is NotCreated.STALE_EPOCH:
            return "revoked"
        if answer is NotCreated.LIMIT:
            return "limit"
        await self._finish()
        if isinstance(answer, Created):
            self._tell(answer, left_out)
        return ticket

    async def _finish(self) -> None:
        """End the session where it was, and only then say that it is here: what fails in between is done again."""
        try:
            await self._source.end(self._value)
        except CoatcheckError:
            raise
        except Exception as fault:
            raise _silent(self._source.name) from fault
        change = Change({marks.MADE: encode(1)})
        await self._core.store.commit(self._names.mark, generation=1, change=change, now=self._now)

    async def _read(self) -> Legacy | None:
        try:
            return await self._source.read(self._value, self._now)
        except CoatcheckError:
            raise
        except Exception as fault:
            raise _silent(self._source.name) from fault

    async def _person(self, legacy: Legacy) -> Person | None:
        """Return whose it is; ``None`` for a visitor's where the policy knows none, or one without anything."""
        policy, whose = self._core.policy, self._moving.user_of or self._source.user_of
        user_id = None if whose is None else whose(legacy.data)
        if user_id is None:
            return Person(None, ()) if policy.anonymous and legacy.data else None
        which = self._moving.roles_of or self._source.roles_of
        named = None if which is None else which(legacy.data)
        roles = await named if inspect.isawaitable(named) else named
        return Person(checked_user(user_id), checked_roles(policy.default_roles if roles is None else roles))

    async def _record(self, legacy: Legacy, person: Person, ticket: tokens.Ticket) -> tuple[Record, list[str]]:
        """Return the record of the session, whose first secret the credential is, and the keys it cannot keep."""
        core, nonce = self._core, self._core.random(16)
        fresh = await new_record(self._state, ticket, Change({}), self._now, "default")
        absolute = core.policy.span("default").absolute
        since = None if legacy.began_at is None or absolute is None else legacy.began_at + absolute
        data, left_out = _kept(legacy, core.policy.data_limit)
        following = tokens.Ticket(ticket.id, tokens.successor(ticket.secret, nonce))
        record = replace(
            fresh,
            secret_digest=core.digest(following),
            previous_digest=core.digest(ticket),
            successor_nonce=nonce,
            confirmed_at=None,
            user_id=person.user_id,
            roles=person.roles,
            expires_at=marks.earliest(fresh.expires_at, legacy.expires_at, since),
            persistent=fresh.persistent and legacy.persistent is not False,
            data=data,
        )
        return record, left_out

    async def _session_id(self, person: Person) -> str:
        if person.user_id is None:
            return self._names.session_id(None)
        tag = tokens.user_tag(await self._core.key(), person.user_id, tenant=self._core.tenant)
        return self._names.session_id(tag)

    async def _is_cut_off(self, legacy: Legacy, person: Person) -> bool:
        cutoff = await cutoffs.latest(self._core, person.user_id, signed=self._source.signed)
        return marks.is_cut_off(legacy.issued_at, cutoff)

    def _tell(self, answer: Created, left_out: list[str]) -> None:
        made = answer.record
        self._core.emit(
            "session.created",
            session_id=made.id,
            user_id=made.user_id,
            by=f"moving from {self._source.name}",
            lifetime=made.lifetime,
            **({"left_out": ", ".join(left_out)} if left_out else {}),
        )
        tell(self._core, answer.ended)

    async def _find(self, row_id: str) -> Found:
        found = (await self._core.store.find((row_id,)))[0]
        if isinstance(found, FromTheFuture):
            raise UnreadableRecord.written_in(found.id, found.schema)
        return found


def _kept(legacy: Legacy, limit: int) -> tuple[dict[str, bytes], list[str]]:
    """Encode what can be kept; values that could not be restored and keys that no store takes are left out."""
    data, left_out = dict[str, bytes](), list[str]()
    for key, value in legacy.data.items():
        try:
            raw = encode(value, key) if is_text(key) else None
        except NotEncodable:
            raw = None
        if raw is None:
            left_out.append(repr(key))
        else:
            data[key] = raw
    kept, too_large = marks.fitting(data, limit)
    return kept, [*left_out, *too_large]


def _silent(source: str) -> StoreUnavailable:
    return StoreUnavailable(f"the store of {source}, whose sessions are being moved, did not answer")
