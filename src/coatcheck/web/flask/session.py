"""``flask.session``: a session that speaks Flask's words beside coatcheck's own.

What Flask's words mean here:

* ``session.clear()`` ends the session, as it does where the cookie holds everything: what is written afterwards begins
  another one, with another id. So the common ``session.clear()`` before a sign-in leaves no ticket to plant.
* ``session.permanent`` is whether the cookie survives the browser. It is chosen when somebody signs in: an assignment
  counts for a sign-in of the same request, and the policy's own choice needs none.
* ``session.modified = True`` is not needed, and harmless: every change is found, also one inside a value.
* ``session.accessed`` says whether somebody looked, which is finer than Flask's: what merely holds ``flask.session``
  does not look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeGuard

from flask.sessions import SessionMixin
from markupsafe import Markup

from coatcheck.errors import ConfigurationError
from coatcheck.manager import signing
from coatcheck.model import Millis
from coatcheck.runtime import finish
from coatcheck.session import BlockingSession
from coatcheck.web.exchange import Exchange

FLASHES: Final = "_flashes"
"""Where Flask keeps the messages of ``flash()``."""

_HTML: Final = "html"
"""Third part of a stored message that is markup: those of ``flash()`` have two."""


class FlaskSession(BlockingSession, SessionMixin):
    """See the module's text. ``alone`` says that no middleware is around it, as in ``test_request_context``."""

    __slots__ = ("_began", "_chosen", "alone", "exchange")

    def __init__(self, exchange: Exchange, *, alone: bool) -> None:
        """Show the session of *exchange*, whose request begins now."""
        super().__init__(exchange.state, finish)
        self.exchange, self.alone = exchange, alone
        self._began: Millis = exchange.state.core.now()
        self._chosen: bool | None = None

    # -- data

    def __getitem__(self, key: str) -> Any:
        """Return a key's value."""
        value = super().__getitem__(key)
        return _restored(value) if key == FLASHES else value

    def __setitem__(self, key: str, value: Any) -> None:
        """Assign a key; flashed messages may be markup."""
        super().__setitem__(key, _plain(value) if key == FLASHES else value)

    def clear(self) -> None:
        """End the session, as `logout`; what is written afterwards begins another one.

        Raises:
            TooLate, StoreUnavailable: as `logout`.
        """
        self.logout()

    # -- Flask's words

    @property
    def permanent(self) -> bool:
        """Whether the cookie survives the browser, or will when the session begins."""
        self._look()
        if self._state.live is not None:
            return self._state.live.persistent
        return self._state.core.policy.persistent if self._chosen is None else self._chosen

    @permanent.setter
    def permanent(self, value: bool) -> None:
        """Choose for a sign-in in this request. Costs nothing, so that it may be written before every request.

        Raises:
            ConfigurationError: the policy's cookies end with the browser.
        """
        if value and not self._state.core.policy.persistent:
            raise ConfigurationError(
                "session.permanent = True contradicts the policy, whose cookies end with the browser. Remove the line, "
                "or write Policy(persistent=True), or login(user_id, remember=True) where the user asks for it"
            )
        self._chosen = bool(value)

    @property
    def chosen_permanent(self) -> bool | None:
        """What this request has chosen for `permanent`; ``None`` where it has not."""
        return self._chosen

    @property
    def new(self) -> bool:  # type: ignore[override]  # Flask's is a plain attribute; nobody assigns it
        """Whether nothing is stored yet."""
        return self.id is None

    @property
    def modified(self) -> bool:
        """Whether this request has changed the data. Asking loads nothing."""
        if self._state.lazy is not None or self._state.problem is not None:
            return False
        self._look()
        return bool(self._state.data.delta())

    @modified.setter
    def modified(self, value: bool) -> None:
        """Accept ``True``, which says nothing new.

        Raises:
            AttributeError: ``False`` was to take changes back; says what does.
        """
        if not value:
            raise AttributeError("session.modified = False takes nothing back: write session.reload()", name="modified")

    @property
    def accessed(self) -> bool:
        """Whether somebody looked at the session."""
        return self._state.looked

    @accessed.setter
    def accessed(self, value: bool) -> None:
        """Ignore what Flask notes of everybody who holds the session: uses of it are noted one by one."""

    # -- signing in

    def login(
        self,
        user_id: str,
        *,
        epoch: int | None = None,
        roles: Sequence[str] | None = None,
        remember: bool | None = None,
        amr: Sequence[str] = (),
        aal: int | None = None,
    ) -> None:
        """As `AsyncSession.login`; ``session.permanent = False`` in the same request counts as ``remember=False``."""
        super().login(user_id, epoch=epoch, roles=roles, remember=self._or_chosen(remember), amr=amr, aal=aal)

    def sign_in(self, user_id: str, *, roles: Sequence[str] | None, remember: bool | None) -> None:
        """Sign in where an extension owns it and nobody has read the epoch: the request's beginning counts (ruling 13).

        Without a server no password is being checked, so there is nothing to be earlier than.

        Raises:
            StaleLogin: the user's sessions were ended, or their roles changed, since the request began. Else as
                `login`.
        """
        core = self._state.core
        credentials = signing.Credentials(
            core, user_id, epoch=None, roles=roles, remember=self._or_chosen(remember), amr=(), aal=None
        )
        finish(signing.login(self._state, credentials, began_at=None if self.alone else self._began))

    def _or_chosen(self, remember: bool | None) -> bool | None:  # noqa: FBT001 - it passes on what login() was given
        return False if remember is None and self._chosen is False else remember


def _plain(flashes: Any) -> Any:
    """Return flashed messages in a form that can be stored; markup is told from text, as Flask's own sessions do."""
    return [_message(entry) for entry in flashes] if _is_list(flashes) else flashes


def _message(entry: Any) -> Any:
    if not _has_parts(entry, 2) or not callable(html := getattr(entry[1], "__html__", None)):
        return entry
    return entry[0], str(html()), _HTML


def _restored(flashes: Any) -> Any:
    """Return flashed messages as they were flashed; the stored object itself where none is markup."""
    if not _is_list(flashes) or not any(_has_parts(entry, 3) for entry in flashes):
        return flashes
    # The tags are what the application itself called markup.
    return [(entry[0], Markup(entry[1])) if _has_parts(entry, 3) else entry for entry in flashes]  # noqa: S704 - above


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _has_parts(entry: Any, parts: int) -> TypeGuard[tuple[Any, ...]]:
    return bool(type(entry) is tuple) and len(entry) == parts
