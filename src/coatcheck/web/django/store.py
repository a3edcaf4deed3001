"""Django's session API on a coatcheck session, as ``SESSION_ENGINE`` gives it to whoever asks for a ``SessionStore``.

Test clients, scripts and management commands make these; a request's own is `coatcheck.web.django.request`. What is
asked of the store is asked in the caller's thread; each ``a...`` variant asks in another.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone
from django.utils.asyncio import async_unsafe

from coatcheck import session as verbs
from coatcheck.data import Data
from coatcheck.errors import CoatcheckError
from coatcheck.manager import saving, signing
from coatcheck.model import Millis
from coatcheck.runtime import finish
from coatcheck.session import BlockingSession
from coatcheck.state import State
from coatcheck.web.django import expiry, keys
from coatcheck.web.django.configuration import get_sessions
from coatcheck.web.django.creating import create
from coatcheck.web.django.opening import id_in, opened
from coatcheck.web.django.values import Values
from coatcheck.web.leaving import put
from coatcheck.web.wsgi import core_of

T = TypeVar("T")

_UNSAFE: Final = "this asks the session store and would hold up the event loop; await the variant that begins with 'a'"


def blocking(coroutine: Coroutine[Any, Any, T]) -> T:
    """Finish *coroutine* here, where no event loop is held up by it.

    Raises:
        SynchronousOnlyOperation: there is one; says what to write.
    """
    try:
        return async_unsafe(_UNSAFE)(finish)(coroutine)
    finally:
        coroutine.close()


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Run what asks the store in a worker thread."""
    return await sync_to_async(function, thread_sensitive=False)(*arguments)


class SessionStore(SessionBase):
    """A session by its key. Without one it is a visitor's, and `save` makes it.

    A key is what the cookie holds, or a session's public id, which opens it for whoever manages sessions.
    """

    began_at: Millis | None = None
    """When the request began, which takes the place of an epoch at sign-in (ruling 13)."""

    def __init__(self, session_key: str | None = None) -> None:
        """Open nothing yet."""
        self._key = session_key
        self._state: State | None = None
        self._wish: bool | None = None
        self._granted: signing.Credentials | None = None
        super().__init__(session_key)

    @property
    def state(self) -> State:
        """The session behind this, opened at the first look."""
        if self._state is None:
            self._state = finish(opened(core_of(get_sessions()), self._key))
            finish(expiry.end_if_over(self._state))
        return self._state

    @property
    def typed(self) -> BlockingSession:
        """The same session in coatcheck's own words."""
        return BlockingSession(self.state, blocking)

    # -- the key

    def _get_session_key(self) -> str | None:
        """Return what opens this session again: what a cookie would have to hold, or the id that it was opened by."""
        if self._state is None:
            return self._key
        if self._state.live is None:
            return None
        ticket = self._state.held or self._state.current
        return self._state.id if ticket is None else ticket.token

    def _set_session_key(self, value: str | None) -> None:
        self._key, self._state = value or None, None

    @property
    def session_key(self) -> str | None:
        """What opens this session again; ``None`` where there is none. Not for logs: see `_get_session_key`."""
        return self._get_session_key()

    @property
    def _session_key(self) -> str | None:
        return self._get_session_key()

    @_session_key.setter
    def _session_key(self, value: str | None) -> None:
        self._set_session_key(value)

    # -- data

    def _get_session(self, no_load: bool = False) -> Values:  # noqa: ARG002, FBT001, FBT002 - as Django's own
        self.accessed = True
        state = self.state
        state.look()
        return Values(BlockingSession(state, blocking))

    async def _aget_session(self, no_load: bool = False) -> Values:  # noqa: ARG002, FBT001, FBT002 - as Django's own
        if self._state is None or self._state.lazy is not None:
            return await in_thread(self._get_session)
        return self._get_session()

    _session = property(_get_session)

    def clear(self) -> None:
        """Remove every key."""
        self._get_session().clear()
        self.modified = True

    def is_empty(self) -> bool:
        """Whether there is neither a session nor anything stored."""
        return self.session_key is None and not self._get_session()

    def load(self) -> dict[str, Any]:
        """Return the data as a plain dict."""
        return dict(self._get_session())

    # -- its life

    def exists(self, session_key: str) -> bool:
        """Whether *session_key* opens a live session."""
        return finish(opened(core_of(get_sessions()), session_key)).live is not None

    def create(self) -> None:
        """Make a session now; one that is live gets a new ticket and keeps its data."""
        if self.state.live is not None:
            self.cycle_key()
        else:
            blocking(create(self.state))
        self.modified = True

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - as Django's own
        """Commit the changes now, each key by itself; where there is no session, make one.

        Raises:
            CommitRefused: the session ended or changed its privileges meanwhile; nothing was saved.
        """
        state = self.state
        if must_create or (state.live is None and not state.data.delta()):
            self.create()
            return
        state.look()
        blocking(keys.leave_if_removed(state))
        expiry.restart(state.data, state.core.now())
        blocking(saving.save(state))

    def delete(self, session_key: str | None = None) -> None:
        """End the session that *session_key* names: with a key of another, as an administrator does, else this one."""
        if session_key is None or session_key == self.session_key:
            blocking(verbs.logout(self.state))
        elif (named := id_in(session_key)) is not None:
            get_sessions().revoke(named)

    def flush(self) -> None:
        """End the session, forget its data and delete its cookie.

        Raises:
            StoreUnavailable: not confirmed; the cookie is deleted all the same and the sign-out is tried again.
        """
        self.accessed = self.modified = True
        self._granted = self._wish = None
        blocking(verbs.logout(self.state))

    async def aflush(self) -> None:
        """As `flush`."""
        await in_thread(self.flush)

    def cycle_key(self) -> None:
        """Give the session a new secret; the old one is dead at once. A visitor without a session has none to change.

        Its public id stays: it is a new one at sign-in, which follows where Django calls this for it.
        """
        self._get_session()
        blocking(keys.leave_if_removed(self.state))
        if self.state.live is not None:
            blocking(signing.rotate(self.state))
            self.modified = True

    async def acycle_key(self) -> None:
        """As `cycle_key`."""
        await in_thread(self.cycle_key)

    def sign_in(self, user_id: str, roles: Iterable[str] | None) -> None:
        """Link the session to the user whom Django has signed in: a new id and secret, the user's limit held.

        Raises:
            StaleLogin, SessionLimitReached, StoreUnavailable: nobody is signed in, and what was stored is dropped.
        """
        state = self.state
        named = None if roles is None else tuple(roles)
        own = keys.of_a_sign_in(state.data)
        try:
            granted = signing.Credentials(
                state.core, user_id, epoch=None, roles=named, remember=self._wish, amr=(), aal=None
            )
            blocking(signing.login(state, granted, began_at=self.began_at))
        except CoatcheckError:
            state.data = Data(state.live.data if state.live else {})
            raise
        self._granted = granted
        put(state.data, own)  # nothing comes along from another user's session

    @classmethod
    def clear_expired(cls) -> None:
        """Remove what has expired (``manage.py clearsessions``)."""
        get_sessions().sweep()

    # -- how long it lasts

    def set_expiry(self, value: expiry.Expiry) -> None:
        """End the session sooner than the policy does; see `coatcheck.web.django.expiry`."""
        data, now = self._get_session(), self.state.core.now()
        if value is None or value == 0:
            data.pop(expiry.DEADLINE, None)
        else:
            data[expiry.DEADLINE] = expiry.deadline_for(value, now)
        if value is None:
            data.pop(expiry.EXPIRY, None)
        else:
            data[expiry.EXPIRY] = expiry.as_kept(value, now)
        self.modified = True
        self._wish = expiry.remembered(value, self.state.core.policy, now)
        granted = self._granted
        if granted is not None and granted.remember != self._wish:
            self.sign_in(granted.user_id, granted.roles)

    async def aset_expiry(self, value: expiry.Expiry) -> None:
        """As `set_expiry`."""
        await in_thread(self.set_expiry, value)

    def get_session_cookie_age(self) -> int:
        """Return the policy's idle timeout in seconds, or its absolute one where it has none."""
        span = get_sessions().policy.span("default")
        known = span.idle if span.idle is not None else span.absolute
        return django_settings.SESSION_COOKIE_AGE if known is None else known // 1000

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Return how many seconds the session has left, as things stand; with arguments as Django does."""
        if kwargs:
            return super().get_expiry_age(**_with_expiry(kwargs, self._get_session()))
        self._get_session()
        return max(0, (expiry.ends_at(self.state) - self.state.core.now()) // 1000)

    async def aget_expiry_age(self, **kwargs: Any) -> int:
        """As `get_expiry_age`."""
        await self._aget_session()
        return self.get_expiry_age(**kwargs)

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        """Return when the session ends, as things stand; with arguments as Django does."""
        if kwargs:
            return super().get_expiry_date(**_with_expiry(kwargs, self._get_session()))
        self._get_session()
        moment = datetime.fromtimestamp(expiry.ends_at(self.state) / 1000, UTC)
        return moment if django_settings.USE_TZ else timezone.make_naive(moment)

    async def aget_expiry_date(self, **kwargs: Any) -> datetime:
        """As `get_expiry_date`."""
        await self._aget_session()
        return self.get_expiry_date(**kwargs)

    def get_expire_at_browser_close(self) -> bool:
        """Whether the cookie ends with the browser."""
        self._get_session()
        if self.state.live is not None:
            return not self.state.live.persistent
        return not self.state.core.policy.persistent if self._wish is None else not self._wish

    async def aget_expire_at_browser_close(self) -> bool:
        """As `get_expire_at_browser_close`."""
        await self._aget_session()
        return self.get_expire_at_browser_close()


def _with_expiry(given: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    return {"expiry": data.get(expiry.EXPIRY), **given}
