"""What a session shows of itself, whichever world it lives in: a mapping of data, and what is known of its holder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

import msgspec

from coatcheck.durations import Duration, to_millis
from coatcheck.errors import SignInRequired
from coatcheck.lifecycle import Verdict
from coatcheck.model import Device, Millis
from coatcheck.refusals import RoleRequired, StepUpRequired
from coatcheck.state import State, pending_of
from coatcheck.typed import build
from coatcheck.user import User
from coatcheck.wrong_words import FIXED, SESSION, Guarded

T = TypeVar("T")


class Session(Guarded, MutableMapping[str, Any]):
    """What both kinds of session share. Any use of it is a look: it counts as activity and adds ``Vary: Cookie``.

    Values handed out may be changed in place; such a change is found and committed like an assigned one.
    """

    __slots__ = ("_state",)

    _words, _fixed = SESSION, FIXED
    _state: State

    def __init__(self, state: State) -> None:
        """Show *state*; adapters and managers make sessions, applications receive them."""
        object.__setattr__(self, "_state", state)

    def __repr__(self) -> str:
        """Show the public id and the verdict; never a secret or a datum."""
        self._state.looked = True
        return f"<{type(self).__name__} {self._state.id or 'without id'} {self._state.judgement.verdict.value}>"

    # -- data

    def __getitem__(self, key: str) -> Any:
        """Return a key's value."""
        self._look()
        try:
            return self._state.data.get(key)
        except msgspec.DecodeError:
            self._state.is_damaged(key)
            raise KeyError(key) from None

    def __setitem__(self, key: str, value: Any) -> None:
        """Assign a key; committed before the answer's first byte leaves.

        Raises:
            NotEncodable: the value could not be restored as it is.
            InsecureTransport: the request came over plain http from a host that is not local.
            SignInRequired: the policy lets nobody store data who is not signed in.
        """
        self._look()
        self._state.may_write()
        if self._state.live is None and not self._state.may_be_anonymous:
            raise SignInRequired(self._state.judgement.reason or "none")
        self._state.data.set(key, value)

    def __delitem__(self, key: str) -> None:
        """Remove a key."""
        self._look()
        self._state.data.delete(key)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys. A value that cannot be decoded is found first, and then there are none."""
        self._look()
        data = self._state.data
        for key in list(data):
            try:
                data.get(key)
            except msgspec.DecodeError:
                self._state.is_damaged(key)
                break
        return iter(self._state.data)

    def __len__(self) -> int:
        """Count the keys."""
        self._look()
        return len(self._state.data)

    def __contains__(self, key: object) -> bool:
        """Whether the key is there."""
        self._look()
        return key in self._state.data

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keys merged with *other*'s, as a plain dict."""
        return {**self, **other}

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        """Return *other*'s keys merged with these, as a plain dict."""
        return {**other, **self}

    def __ior__(self, other: Mapping[str, Any]) -> Self:
        """Assign *other*'s keys."""
        self.update(other)
        return self

    def copy(self) -> dict[str, Any]:
        """Return the keys as a plain dict that belongs to the caller."""
        return dict(self)

    def typed(self, kind: type[T]) -> T:
        """Return the data as a *kind*: a dataclass or `msgspec.Struct` whose fields are the keys.

        What is changed in it is committed with the request. Asking twice gives the same object.

        Raises:
            DataMismatch: stored data does not fit.
            TypeError: *kind* is neither a dataclass nor a `msgspec.Struct`.
        """
        self._look()
        known: T | None = self._state.data.view(kind)
        if known is not None:
            return known
        try:
            made, view = build(kind, self._state.data)
        except msgspec.DecodeError:
            self._state.is_damaged(kind.__name__)
            made, view = build(kind, self._state.data)
        self._state.data.typed(view)
        return made

    # -- holder

    @property
    def id(self) -> str | None:
        """The public handle, safe to list, log and revoke by; ``None`` while nothing is stored."""
        self._look()
        return self._state.id

    @property
    def signed_in(self) -> bool:
        """Whether the session belongs to a user."""
        return self.user_id is not None

    @property
    def user_id(self) -> str | None:
        """Whom the session belongs to."""
        self._look()
        record = self._state.live
        return None if record is None else record.user_id

    @property
    def roles(self) -> tuple[str, ...]:
        """The user's roles, sorted."""
        self._look()
        record = self._state.live
        return () if record is None else record.roles

    @property
    def user(self) -> User:
        """The signed-in user.

        Raises:
            SignInRequired: nobody is signed in; holds the reason.
        """
        self._look()
        record = self._state.live
        if record is None or record.user_id is None:
            raise SignInRequired(self._why())
        return User(record.user_id, record.roles, record.aal, _moment(record.auth_time), record.origin.actor_id)

    @property
    def pending_user_id(self) -> str | None:
        """Who has begun to sign in here and lacks a factor still; ``None`` when nobody has, or too long ago."""
        self._look()
        begun = pending_of(self._state, self._state.core.now())
        return None if begun is None else begun.user_id

    @property
    def actor_id(self) -> str | None:
        """Who really acts, where somebody impersonates the session's user."""
        self._look()
        record = self._state.live
        return None if record is None else record.origin.actor_id

    @property
    def amr(self) -> tuple[str, ...]:
        """The methods with which the user proved who they are (RFC 8176)."""
        self._look()
        return () if self._state.live is None else self._state.live.amr

    @property
    def aal(self) -> int | None:
        """The assurance level (NIST SP 800-63B), ``None`` when nobody stated one."""
        self._look()
        return None if self._state.live is None else self._state.live.aal

    def require_fresh(self, max_age: Duration, *, aal: int | None = None) -> User:
        """Return the user if they proved who they are within *max_age*, and at level *aal* at least.

        Raises:
            StepUpRequired: they did not; the answer says what to ask them for (RFC 9470).
            SignInRequired: nobody is signed in.
            ValueError: *max_age* is no length of time.
        """
        allowed, user, now = to_millis(max_age), self.user, self._state.core.now()
        record = self._state.live
        shown = None if record is None else record.auth_time
        if shown is None or now - shown > allowed or (aal is not None and (user.aal or 0) < aal):
            raise StepUpRequired(max_age=allowed // 1000, aal=aal)
        return user

    def require_aal(self, aal: int) -> User:
        """Return the user if the session has reached assurance level *aal*.

        Raises:
            StepUpRequired: it has not.
            SignInRequired: nobody is signed in.
        """
        user = self.user
        if (user.aal or 0) < aal:
            raise StepUpRequired(aal=aal)
        return user

    def require_role(self, *roles: str) -> User:
        """Return the user if they have one of *roles*.

        Raises:
            RoleRequired: they have none of them.
            SignInRequired: nobody is signed in.
        """
        user = self.user
        if not any(role in user.roles for role in roles):
            raise RoleRequired(roles)
        return user

    @property
    def reason(self) -> str | None:
        """Why the presented ticket opens nothing: ``"idle"``, ``"expired"``, ``"locked"``, ``"revoked"`` and so on.

        Told only to the holder of the right secret; ``None`` for a live session and for a visitor without one.
        """
        self._look()
        reason = self._state.judgement.reason
        return "expired" if reason == "absolute" else reason

    @property
    def locked(self) -> bool:
        """Whether the session is locked by the idle clock: signing in again as the same user keeps its data."""
        self._look()
        return self._state.judgement.verdict is Verdict.LOCKED

    @property
    def created_at(self) -> datetime | None:
        """When the session began."""
        self._look()
        return None if self._state.live is None else _moment(self._state.live.created_at)

    @property
    def last_seen_at(self) -> datetime | None:
        """The last recorded activity, right to within the policy's ``touch_every``."""
        self._look()
        return None if self._state.live is None else _moment(self._state.live.last_seen_at)

    @property
    def idle_expires_at(self) -> datetime | None:
        """When the session ends if it is not used, as it stands now."""
        self._look()
        return None if self._state.live is None else _moment(self._state.live.idle_expires_at)

    @property
    def expires_at(self) -> datetime | None:
        """When the session ends whatever happens; ``None`` without an absolute timeout."""
        self._look()
        return None if self._state.live is None else _moment(self._state.live.expires_at)

    @property
    def auth_time(self) -> datetime | None:
        """When the user last proved who they are."""
        self._look()
        return None if self._state.live is None else _moment(self._state.live.auth_time)

    @property
    def persistent(self) -> bool:
        """Whether the cookie survives the browser."""
        self._look()
        return self._state.live is not None and self._state.live.persistent

    @property
    def lifetime(self) -> str | None:
        """Which of the policy's lifetimes the session has: ``"default"`` or ``"remember_me"``."""
        self._look()
        return None if self._state.live is None else self._state.live.lifetime

    @property
    def device(self) -> Device | None:
        """What is known of the browser."""
        self._look()
        return None if self._state.live is None else self._state.live.device

    def _why(self) -> str:
        """Say why nobody is signed in."""
        return "pending" if self.pending_user_id is not None else self.reason or "none"

    def _look(self) -> None:
        self._state.look()


def _moment(millis: Millis | None) -> datetime | None:
    return None if millis is None else datetime.fromtimestamp(millis / 1000, UTC)
