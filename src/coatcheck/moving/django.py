"""Sessions of Django in its database: ``COATCHECK = {..., "MOVING": Moving(DjangoSessions(), until="2027-01-31")}``.

Nothing of Django is imported before the first request, so that settings may hold it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

from coatcheck.model import Millis
from coatcheck.moving.legacy import Legacy, LegacyCookie
from coatcheck.moving.reading import mapping

_KEY: Final = re.compile(r"[a-z0-9]{32}")
_USER: Final = "_auth_user_id"


def logged_in(data: Mapping[str, Any]) -> str | None:
    """Return the user that ``django.contrib.auth`` keeps in a session."""
    user_id = data.get(_USER)
    return user_id if isinstance(user_id, str) else None


class DjangoSessions:
    """Reads what an engine of Django's kept in a table: ``db``, ``cached_db``, and subclasses of theirs.

    Pickled sessions (``PickleSerializer``) are not read. The hash of the password in a session is checked by Django
    at the next request, as ever.

    Args:
        engine: the former ``SESSION_ENGINE``.
        cookie_name, path, domain: of the former cookie; what the settings say, where they are not given.
    """

    name: Final = "django"
    signed: Final = False
    suspends: Final = False
    user_of = staticmethod(logged_in)
    roles_of = None

    def __init__(
        self,
        engine: str = "django.contrib.sessions.backends.db",
        *,
        cookie_name: str | None = None,
        path: str | None = None,
        domain: str | None = None,
    ) -> None:
        """Keep the arguments; no setting is read yet."""
        self._engine = engine
        self._name, self._path, self._domain = cookie_name, path, domain

    def cookie(self) -> LegacyCookie:
        """Return what its cookie is called."""
        from django.conf import settings

        return LegacyCookie(
            name=self._name or settings.SESSION_COOKIE_NAME,
            path=self._path or settings.SESSION_COOKIE_PATH,
            domain=self._domain or settings.SESSION_COOKIE_DOMAIN,
        )

    def faults(self) -> Iterator[str]:
        """Yield what is wrong."""
        try:
            store = import_module(self._engine).SessionStore
        except (ImportError, AttributeError):
            yield f"DjangoSessions({self._engine!r}) is no session engine: give it the former SESSION_ENGINE"
            return
        if not hasattr(store, "get_model_class"):
            yield (
                f"DjangoSessions({self._engine!r}) keeps no table that says when sessions end; those of "
                '"django.contrib.sessions.backends.db" and "cached_db" can be moved'
            )

    def identify(self, value: str) -> bytes | None:
        """Return the key, if it is spelt as Django spells it: some databases would find it in capitals too."""
        return value.encode() if _KEY.fullmatch(value) else None

    async def read(self, value: str, now: Millis) -> Legacy | None:
        """Return the session behind a key."""
        store = self._store()
        row = store.model.objects.filter(session_key=value).first()
        if row is None:
            return None
        data, expires_at = mapping(store.decode(row.session_data)), int(row.expire_date.timestamp() * 1000)
        if not data or expires_at <= now:
            return None
        return Legacy(data=data, issued_at=None, expires_at=expires_at, persistent=_survives(data))

    async def end(self, value: str) -> None:
        """Remove its row, and what a cache holds of it."""
        self._store().delete(value)

    def _store(self) -> Any:
        """Return one of the engine's objects that reads JSON and nothing else."""
        from django.core.signing import JSONSerializer

        store = import_module(self._engine).SessionStore()
        store.serializer = JSONSerializer
        return store


def _survives(data: Mapping[str, Any]) -> bool:
    """Whether its cookie survived the browser."""
    from django.conf import settings

    expiry = data.get("_session_expiry")
    return not settings.SESSION_EXPIRE_AT_BROWSER_CLOSE if expiry is None else expiry != 0
