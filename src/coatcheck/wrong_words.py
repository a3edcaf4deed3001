"""Words of other session libraries, and what to write here instead.

Asking a session or a manager for one raises an `AttributeError` with the line to write, so that ``hasattr`` stays
false. Lines are given as asyncio code; `instead` takes the ``await`` off for those who do not await.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

_LOGOUT: Final = "write await session.logout(): it ends the session and deletes its cookie"
_ROTATE: Final = "write await session.rotate() where a privilege changed; login() gives a new ticket by itself"
_RENEW: Final = "write nothing: using a session renews it; how long that lasts is Policy(idle_timeout=...)"
_LIFETIME: Final = (
    "write Policy(idle_timeout=..., absolute_timeout=...), or await session.login(user_id, remember=True)"
)
_FOUND: Final = "write nothing: every change is found, also one inside a value, and committed before the answer leaves"
_ID: Final = "write session.id, which is safe to show; the secret in the cookie is never shown"
_EMPTY: Final = "write session.id is None: nothing is stored until something is written"
_CREATE: Final = "write nothing: a session is made by the first write, or by await session.login(user_id)"
_ITEM: Final = 'write session["key"]: a session is a mapping'
_LOGIN: Final = "write await session.login(user_id), which also gives the browser a new ticket"

SESSION: Final[Mapping[str, str]] = {
    # ending
    **dict.fromkeys(("destroy", "delete", "end", "flush", "aflush", "invalidate", "kill", "revoke"), _LOGOUT),
    **dict.fromkeys(("logout_user", "reset_session", "sign_out", "signout"), _LOGOUT),
    # a new ticket
    **dict.fromkeys(("cycle_key", "acycle_key", "regenerate", "regenerate_id", "change_id", "renew_id"), _ROTATE),
    # signing in
    **dict.fromkeys(("login_user", "sign_in", "signin", "authenticate"), _LOGIN),
    **dict.fromkeys(("is_authenticated", "authenticated", "is_signed_in", "logged_in"), "write session.signed_in"),
    # clocks
    **dict.fromkeys(("touch", "renew", "refresh", "extend", "keep_alive"), _RENEW),
    **dict.fromkeys(("set_expiry", "permanent", "max_age", "ttl", "expires", "set_max_age"), _LIFETIME),
    **dict.fromkeys(("get_expiry_age", "get_expiry_date"), "write session.idle_expires_at or session.expires_at"),
    # the id
    **dict.fromkeys(("sid", "session_id", "session_key", "get_id", "get_session_id", "token"), _ID),
    # data
    **dict.fromkeys(("modified", "changed", "accessed", "mark_modified"), _FOUND),
    **dict.fromkeys(("commit", "asave", "persist"), "write await session.save(); the answer commits by itself"),
    **dict.fromkeys(("new", "is_new", "is_empty"), _EMPTY),
    "create": _CREATE,
    **dict.fromkeys(("set", "aset", "put", "aget", "set_attribute", "get_attribute", "data"), _ITEM),
    **dict.fromkeys(("remove", "unset"), 'write del session["key"], or session.pop("key", None)'),
    **dict.fromkeys(("has", "has_key", "exists"), 'write "key" in session'),
}
"""For a session: each foreign word with what to write."""

_REVOKE: Final = "write await sessions.revoke(session_id)"
_REVOKE_USER: Final = "write await sessions.revoke_user(user_id), with keep=session.id to keep one"
_REVOKE_ALL: Final = "write await sessions.revoke_all(), which ends every session of everybody"
_LIST: Final = "write await sessions.list(user_id)"
_NEW: Final = "write await session.login(user_id) on the request's session: a session begins by itself"
_SWEEP: Final = "write await sessions.sweep(); an ASGI application does it by itself"

MANAGER: Final[Mapping[str, str]] = {
    **dict.fromkeys(("delete", "destroy", "end", "invalidate", "kill", "remove", "revoke_session"), _REVOKE),
    **dict.fromkeys(("delete_user", "destroy_user", "end_user", "kill_user", "logout_user"), _REVOKE_USER),
    **dict.fromkeys(("logout_everywhere", "revoke_user_sessions", "sign_out_everywhere"), _REVOKE_USER),
    **dict.fromkeys(("logout_all", "destroy_all", "delete_all", "kill_all", "clear", "flush"), _REVOKE_ALL),
    **dict.fromkeys(("list_user", "find_by_user", "get_user_sessions", "user_sessions"), _LIST),
    **dict.fromkeys(
        ("all", "list_all"), "write await sessions.browse(), which returns a page and the next one's cursor"
    ),
    **dict.fromkeys(("get_session", "find", "read"), "write await sessions.get(session_id)"),
    **dict.fromkeys(("create", "create_session", "new", "start"), _NEW),
    **dict.fromkeys(("clear_expired", "cleanup", "delete_expired", "expire", "gc", "purge"), _SWEEP),
    **dict.fromkeys(("touch", "renew", "refresh", "extend"), _RENEW),
    **dict.fromkeys(("regenerate", "regenerate_id", "cycle_key"), _ROTATE),
    "aclose": "write sessions.close()",
    "close": "write await sessions.aclose()",
    **dict.fromkeys(("init_app", "middleware"), "write app.add_middleware(SessionMiddleware, sessions=sessions)"),
    **dict.fromkeys(("set_user_roles", "update_roles"), "write await sessions.set_roles(user_id, roles)"),
}
"""For a manager: each foreign word with what to write."""

FIXED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("user_id", "user", "signed_in", "auth_time"), _LOGIN),
    "roles": "write await sessions.set_roles(user_id, roles), or await session.login(user_id, roles=roles)",
    "id": _ROTATE,
    **dict.fromkeys(("idle_expires_at", "expires_at", "lifetime", "persistent"), _LIFETIME),
}
"""For a session: its own attributes that cannot be assigned, with what changes them."""


def instead(words: Mapping[str, str], name: str, *, awaits: bool) -> str | None:
    """Return what to write instead of *name*; ``None`` for a word that nobody uses."""
    line = words.get(name)
    return line if line is None or awaits else line.replace("await ", "")


class Corrected:
    """A class whose foreign words are answered with the right one. Type checkers see nothing of it."""

    __slots__ = ()

    _words: ClassVar[Mapping[str, str]] = {}
    _awaits: ClassVar[bool] = True

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Refuse a name that is not there, with the line to write if it is known elsewhere."""
            if any(name in vars(kind) for kind in type(self).__mro__):
                return object.__getattribute__(self, name)  # raises what a property of the class raised just now
            kind = type(self).__name__
            line = instead(self._words, name, awaits=self._awaits)
            if line is None:
                raise AttributeError(f"{kind!r} object has no attribute {name!r}", name=name, obj=self)
            raise AttributeError(f"{kind} has no {name!r}: {line}", name=name)


class Guarded(Corrected):
    """A class to which foreign words cannot be assigned either, nor what only a verb may change."""

    __slots__ = ()

    _fixed: ClassVar[Mapping[str, str]] = {}

    if not TYPE_CHECKING:

        def __setattr__(self, name: str, value: object) -> None:
            """Assign an attribute of the class; a foreign word is never accepted in silence."""
            kind = type(self)
            if name in self._fixed or (name in self._words and not hasattr(kind, name)):
                line = instead({**self._words, **self._fixed}, name, awaits=self._awaits)
                raise AttributeError(f"{kind.__name__}.{name} cannot be assigned: {line}", name=name)
            object.__setattr__(self, name, value)
