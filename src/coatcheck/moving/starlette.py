"""Sessions of Starlette's own ``SessionMiddleware``: signed cookies that hold the data, and no id."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

from coatcheck.model import Millis
from coatcheck.moving.legacy import Legacy, LegacyCookie
from coatcheck.moving.reading import base64_json, covered, dated, unsign

_TWO_WEEKS: Final = 14 * 24 * 60 * 60


class StarletteCookies:
    """Reads what ``starlette.middleware.sessions.SessionMiddleware`` wrote; give it the same arguments.

    Args:
        secret_key: its ``secret_key``; text, or Starlette's ``Secret``.
        session_cookie: its ``session_cookie``.
        max_age: its ``max_age``, in seconds.
        path, domain, partitioned: as there.
    """

    name: Final = "starlette"
    signed: Final = True
    suspends: Final = False
    user_of = None
    roles_of = None

    def __init__(
        self,
        secret_key: object,
        *,
        session_cookie: str = "session",
        max_age: int | None = _TWO_WEEKS,
        path: str = "/",
        domain: str | None = None,
        partitioned: bool = False,
    ) -> None:
        """Keep the arguments; ``itsdangerous`` is imported at the first use."""
        self._key = str(secret_key)
        self._max_age = max_age
        self._cookie = LegacyCookie(name=session_cookie, path=path, domain=domain, partitioned=partitioned)

    def cookie(self) -> LegacyCookie:
        """Return what its cookie is called."""
        return self._cookie

    def faults(self) -> Iterator[str]:
        """Yield what is wrong."""
        if not self._key:
            yield "StarletteCookies(secret_key) is empty: anybody could make such a session; give it the application's"

    def identify(self, value: str) -> bytes | None:
        """Return what the signature covers, if it fits."""
        return None if unsign(self._signer, value) is None else covered(value)

    async def read(self, value: str, now: Millis) -> Legacy | None:
        """Return the session inside, unless it is too old."""
        signed = unsign(self._signer, value)
        data = None if signed is None else base64_json(signed.payload)
        if signed is None or data is None:
            return None
        return dated(signed, data, max_age=self._max_age, persistent=self._max_age is not None, now=now)

    async def end(self, value: str) -> None:
        """Nothing to end: the cookie is all there is."""

    @cached_property
    def _signer(self) -> Any:
        from itsdangerous import TimestampSigner

        return TimestampSigner(self._key)
