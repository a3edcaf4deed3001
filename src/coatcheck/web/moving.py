"""The other library's cookie in a request and in its answer; what it comes to is `coatcheck.manager.moving`'s."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from coatcheck import tokens
from coatcheck.cookies import Cookie, Unusable
from coatcheck.errors import ConfigurationError, StoreUnavailable, UnreadableRecord
from coatcheck.lifecycle import Cookie as Directive
from coatcheck.lifecycle import Holder, Verdict
from coatcheck.manager import cutoffs
from coatcheck.manager.cutoffs import Window
from coatcheck.manager.moving import Arrival
from coatcheck.moving.options import Moving
from coatcheck.runtime import BlockingRuntime
from coatcheck.web.caching import RawHeaders, drop_set_cookie, forbid_storing

if TYPE_CHECKING:
    from coatcheck.manager.core import Core
    from coatcheck.state import Outcome, State
    from coatcheck.web.request import Request
    from coatcheck.web.settings import Transport

_EMPTY: Final = ("", "null", "''", '""')
"""What the libraries leave in a cookie that they delete."""

_PAUSE: Final = 5_000
"""Milliseconds until the window is opened again where the store did not answer."""

_log: Final = logging.getLogger("coatcheck")


class Legacy:
    """The other library's cookie, as requests need it. One for each middleware."""

    def __init__(self, moving: Moving) -> None:
        """Prepare checked options."""
        self.moving: Final = moving
        self._until = moving.until_ms
        self._kept: tuple[Cookie, Cookie] | None = None

    def shown(self, transport: Transport, cookies: Sequence[bytes], token: str | None) -> tuple[str | None, str | None]:
        """Return what a request holds in our own cookie, and the credential beside it.

        On plain http both may have one name; then what is no ticket is a credential.
        """
        own = transport.cookie
        if own is None:
            return token, None
        cookie = self._cookie(secure=transport.place.scheme == "https")
        found = cookie.read(cookies)
        if found is None or isinstance(found, Unusable) or found in _EMPTY:
            return token, None
        if own.name != cookie.name:
            return token, found
        return (token, None) if tokens.parse(found) is not None else (None, found)

    def check_blocking(self) -> None:
        """Refuse a source that a blocking application cannot use.

        Raises:
            ConfigurationError: it needs an event loop.
        """
        if self.moving.source.suspends:
            raise ConfigurationError(
                f"the sessions of {self.moving.source.name} are read in an event loop, and this application blocks"
            )

    def arrive(self, state: State, request: Request) -> None:
        """Hand a request's credential to its state, to be asked for when the session is.

        Raises:
            ConfigurationError: the source needs an event loop, and there is none.
        """
        core = state.core
        if core.window is None:
            if isinstance(core.runtime, BlockingRuntime):
                self.check_blocking()
            core.window = Window(self.moving.source.name, self._until, signed=self.moving.source.signed)
        if core.now() >= self._until:
            if not core.window.told:
                core.window.told = True
                _log.warning("Moving(until=%r) is over: it does nothing any more, remove it", self.moving.until)
            return
        if request.legacy is not None and request.token is None and request.visit.rejected is None:
            state.legacy = Arrival(self.moving, request.legacy, core.window)
            state.presented = True

    async def open(self, core: Core) -> None:
        """Let the store know of the window, at a process's first request; a silent store is asked again later."""
        window, now = core.window, core.now()
        if window is None or window.opened is not None or not window.again_at <= now < self._until:
            return
        window.again_at = now + _PAUSE
        with suppress(StoreUnavailable, UnreadableRecord):
            await cutoffs.open_window(core, window)

    def settle(self, headers: RawHeaders, state: State, request: Request, outcome: Outcome) -> RawHeaders:
        """Delete the other library's cookie where it is used up, and where the user signs out."""
        if request.legacy is None or not (_is_used_up(state, outcome) or outcome.cookie is Directive.DELETE):
            return headers
        cookie = self._cookie(secure=request.place.scheme == "https")
        own = request.cookie
        if own is not None and own.name == cookie.name:
            if outcome.cookie is not Directive.KEEP and _scope(own) == _scope(cookie):
                return headers  # what was said of ours replaces it
            return [*forbid_storing(headers), (b"set-cookie", cookie.delete().encode("latin-1"))]
        return [
            *forbid_storing(drop_set_cookie(headers, cookie.name)),
            (b"set-cookie", cookie.delete().encode("latin-1")),
        ]

    def _cookie(self, *, secure: bool) -> Cookie:
        """Return it on https or on plain http; asked for late, for its source may not know it before."""
        if self._kept is None:
            told = self.moving.source.cookie()
            domain = f"; Domain={told.domain}" if told.domain else ""
            partitioned = "; Partitioned" if told.partitioned else ""
            plain = f"; Path={told.path}{domain}; HttpOnly; SameSite=Lax"
            self._kept = (
                Cookie(name=told.name, attributes=plain),
                Cookie(
                    name=told.name,
                    attributes=f"; Path={told.path}{domain}; Secure; HttpOnly; SameSite=Lax{partitioned}",
                ),
            )
        return self._kept[secure]


def _is_used_up(state: State, outcome: Outcome) -> bool:
    """Whether the browser needs the credential no more: it has its ticket, or gets it, or nothing comes of it."""
    if state.legacy is None or not state.legacy.judged or not state.looked:
        return False
    if state.problem is not None and outcome.cookie is Directive.KEEP:
        return False  # it led to a session that could not be read just now
    waits = state.judgement.verdict in (Verdict.LIVE, Verdict.LOCKED) and state.judgement.holder is Holder.WAITING
    return outcome.cookie is not Directive.KEEP or not waits


def _scope(cookie: Cookie) -> set[str]:
    """Return where a browser keeps a cookie: its path and its domain."""
    return {part for part in cookie.attributes.split("; ") if part.startswith(("Path=", "Domain="))}
