"""Sessions of starsessions 2: in one of its stores, under an id that the cookie holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, Protocol

from coatcheck.model import Millis
from coatcheck.moving.legacy import Legacy, LegacyCookie
from coatcheck.moving.reading import covered, json_mapping, mapping, unsign

_ID: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,256}")
_METADATA: Final = "__metadata__"


class Store(Protocol):
    """The part of ``starsessions.SessionStore`` that is used here."""

    async def read(self, session_id: str, lifetime: int) -> bytes:
        """Return what is stored, nothing where it is missing."""
        ...

    async def remove(self, session_id: str) -> None:
        """Remove it."""
        ...


class Serializer(Protocol):
    """The part of ``starsessions.Serializer`` that is used here."""

    def deserialize(self, data: bytes) -> Mapping[str, Any]:
        """Return what *data* holds."""
        ...


class StarsessionsStore:
    """Reads what ``starsessions.SessionMiddleware`` stored; give it the same arguments.

    Args:
        store: its ``store``, such as ``RedisStore``, ``InMemoryStore`` or ``CookieStore``.
        lifetime: its ``lifetime``, in seconds or as a `timedelta`; 0 for cookies that end with the browser.
        rolling: its ``rolling``: the lifetime runs from the last use, not from the beginning.
        serializer: its ``serializer``, if it is not JSON. One that executes what it reads is no good.
        cookie_name, cookie_path, cookie_domain: as there.
    """

    name: Final = "starsessions"
    suspends: Final = True
    user_of = None
    roles_of = None

    def __init__(
        self,
        store: Store,
        *,
        lifetime: int | timedelta = 0,
        rolling: bool = False,
        serializer: Serializer | None = None,
        cookie_name: str = "session",
        cookie_path: str = "/",
        cookie_domain: str | None = None,
    ) -> None:
        """Keep the arguments."""
        self._store = store
        self._lifetime = int(lifetime.total_seconds()) if isinstance(lifetime, timedelta) else lifetime
        self._rolling = rolling
        self._serializer = serializer
        # A CookieStore keeps nothing: what it calls the id is the signed session.
        self._signer: Any = getattr(store, "_signer", None)
        self._cookie = LegacyCookie(name=cookie_name, path=cookie_path, domain=cookie_domain)

    @property
    def signed(self) -> bool:
        """Whether the store is a ``CookieStore``."""
        return self._signer is not None

    def cookie(self) -> LegacyCookie:
        """Return what its cookie is called."""
        return self._cookie

    def faults(self) -> Iterator[str]:
        """Yield what is wrong."""
        if not all(callable(getattr(self._store, verb, None)) for verb in ("read", "remove")):
            yield f"StarsessionsStore({type(self._store).__name__}) needs the store that starsessions used"
        if self._lifetime < 0:
            yield f"StarsessionsStore(lifetime={self._lifetime}) must be what starsessions was given: seconds, or 0"

    def identify(self, value: str) -> bytes | None:
        """Return the id; of a ``CookieStore`` what the signature covers, if it fits."""
        if self._signer is not None:
            return None if unsign(self._signer, value) is None else covered(value)
        return value.encode() if _ID.fullmatch(value) else None

    async def read(self, value: str, now: Millis) -> Legacy | None:
        """Return the session behind an id."""
        raw = await self._store.read(value, self._lifetime)
        data = self._decoded(raw) if raw else None
        if data is None:
            return None
        told = mapping(data.pop(_METADATA, None)) or {}
        created, used = _millis(told.get("created")), _millis(told.get("last_access"))
        expires_at = self._deadline(used if self._rolling else created, told.get("lifetime"))
        if (self._lifetime and expires_at is None) or (expires_at is not None and expires_at <= now):
            return None
        return Legacy(
            data=data, issued_at=created, expires_at=expires_at, began_at=created, persistent=self._lifetime > 0
        )

    async def end(self, value: str) -> None:
        """Remove it from its store."""
        await self._store.remove(value)

    def _decoded(self, raw: bytes) -> dict[str, Any] | None:
        if self._serializer is None:
            return json_mapping(raw)
        return mapping(dict(self._serializer.deserialize(raw)))

    def _deadline(self, since: Millis | None, stored: Any) -> Millis | None:
        """Return when it ends: by the lifetime it was stored with, or the application's where that is shorter."""
        lives = [life for life in (stored, self._lifetime) if isinstance(life, int) and life > 0]
        return since + min(lives) * 1000 if lives and since is not None else None


def _millis(seconds: Any) -> Millis | None:
    return int(seconds * 1000) if isinstance(seconds, (int, float)) and 0 < seconds < 10**11 else None
