"""Sessions of Flask: its own signed cookies, and Flask-Session 0.8 on Redis.

Flask-Session on a file system or another ``cachelib`` keeps pickle, which executes what it reads. It is not read here,
and neither is what older releases left in Redis.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final, Protocol

import msgspec

from coatcheck.model import Millis
from coatcheck.moving.legacy import Legacy, LegacyCookie
from coatcheck.moving.reading import LONGEST, Signed, covered, dated, mapping

_PERMANENT: Final = "_permanent"
_SID: Final = re.compile(r"[A-Za-z0-9_-]{16,256}")
_msgpack: Final = msgspec.msgpack.Decoder()
_json: Final = msgspec.json.Decoder()


def logged_in(data: Mapping[str, Any]) -> str | None:
    """Return the user that Flask-Login keeps in a session."""
    user_id = data.get("_user_id")
    return None if user_id is None else str(user_id)


class FlaskCookies:
    """Reads Flask's own sessions, by the application's configuration.

    Args:
        app: the application, with the ``SECRET_KEY`` (and ``SECRET_KEY_FALLBACKS``), ``PERMANENT_SESSION_LIFETIME``
            and ``SESSION_COOKIE_...`` that it had.
    """

    name: Final = "flask"
    signed: Final = True
    suspends: Final = False
    user_of = staticmethod(logged_in)
    roles_of = None

    def __init__(self, app: Any) -> None:
        """Keep the application; it is asked at the first use."""
        self._app = app

    def cookie(self) -> LegacyCookie:
        """Return what its cookie is called."""
        config = self._app.config
        return LegacyCookie(
            name=config["SESSION_COOKIE_NAME"],
            path=config["SESSION_COOKIE_PATH"] or config["APPLICATION_ROOT"],
            domain=config["SESSION_COOKIE_DOMAIN"] or None,
            partitioned=bool(config.get("SESSION_COOKIE_PARTITIONED")),
        )

    def faults(self) -> Iterator[str]:
        """Yield what is wrong."""
        if not getattr(self._app, "secret_key", None):
            yield "FlaskCookies(app) needs app.secret_key, with which the sessions were signed"

    def identify(self, value: str) -> bytes | None:
        """Return what the signature covers, if it fits."""
        return None if self._opened(value) is None else covered(value)

    async def read(self, value: str, now: Millis) -> Legacy | None:
        """Return the session inside, unless it is too old."""
        opened = self._opened(value)
        if opened is None:
            return None
        signed, data = opened
        permanent = bool(data.pop(_PERMANENT, False))
        age = int(self._app.permanent_session_lifetime.total_seconds())
        return dated(signed, data, max_age=age, persistent=permanent, now=now)

    async def end(self, value: str) -> None:
        """Nothing to end: the cookie is all there is."""

    def _opened(self, value: str) -> tuple[Signed, dict[str, Any]] | None:
        from itsdangerous import BadData

        if len(value) > LONGEST:
            return None
        try:
            held, moment = self._serializer.loads(value, return_timestamp=True)
        except (BadData, ValueError, OverflowError, RecursionError):
            return None
        data = mapping(held)
        return None if data is None else (Signed(b"", int(moment.timestamp()) * 1000), data)

    @cached_property
    def _serializer(self) -> Any:
        from flask.sessions import SecureCookieSessionInterface

        return SecureCookieSessionInterface().get_signing_serializer(self._app)


class Redis(Protocol):
    """The part of ``redis.Redis`` that is used here."""

    def get(self, name: str) -> Any:
        """Return the value as bytes."""
        ...

    def pttl(self, name: str) -> Any:
        """Return how many milliseconds it has left."""
        ...

    def delete(self, name: str) -> Any:
        """Remove it."""
        ...


class FlaskSessionRedis:
    """Reads what Flask-Session 0.8 stored in Redis, as MessagePack or JSON.

    Args:
        client: its ``SESSION_REDIS``.
        key_prefix: its ``SESSION_KEY_PREFIX``.
        secret_key: the application's, where ``SESSION_USE_SIGNER`` was on.
        cookie_name, path, domain: of its cookie.
    """

    name: Final = "flask-session"
    signed: Final = False
    suspends: Final = False
    user_of = staticmethod(logged_in)
    roles_of = None

    def __init__(
        self,
        client: Redis,
        *,
        key_prefix: str = "session:",
        secret_key: str | bytes | None = None,
        cookie_name: str = "session",
        path: str = "/",
        domain: str | None = None,
    ) -> None:
        """Keep the arguments; nothing is asked yet."""
        self._client, self._prefix, self._key = client, key_prefix, secret_key
        self._cookie = LegacyCookie(name=cookie_name, path=path, domain=domain)

    def cookie(self) -> LegacyCookie:
        """Return what its cookie is called."""
        return self._cookie

    def faults(self) -> Iterator[str]:
        """Yield what is wrong."""
        if not all(callable(getattr(self._client, verb, None)) for verb in ("get", "pttl", "delete")):
            yield (
                f"FlaskSessionRedis({type(self._client).__name__}) needs the redis.Redis that was SESSION_REDIS; "
                "Flask-Session's file systems and caches keep pickle, which is not read"
            )

    def identify(self, value: str) -> bytes | None:
        """Return the id, without its signature where there was one."""
        sid = self._sid(value)
        return None if sid is None else sid.encode()

    async def read(self, value: str, now: Millis) -> Legacy | None:
        """Return the session behind an id. What has no time to live is not one that Flask-Session wrote."""
        sid = self._sid(value)
        key = f"{self._prefix}{sid}"
        raw, left = self._client.get(key), self._client.pttl(key)
        data = _decoded(raw) if sid is not None and isinstance(raw, bytes) else None
        if data is None or not isinstance(left, int) or left <= 0:
            return None
        permanent = bool(data.pop(_PERMANENT, False))
        return Legacy(data=data, issued_at=None, expires_at=now + left, persistent=permanent)

    async def end(self, value: str) -> None:
        """Remove it from Redis."""
        if (sid := self._sid(value)) is not None:
            self._client.delete(f"{self._prefix}{sid}")

    def _sid(self, value: str) -> str | None:
        from itsdangerous import BadSignature, Signer

        if self._key is not None:
            signer = Signer(self._key, salt="flask-session", key_derivation="hmac")
            try:
                value = signer.unsign(value.encode()).decode()
            except (BadSignature, ValueError):
                return None
        return value if _SID.fullmatch(value) else None


def _decoded(raw: bytes) -> dict[str, Any] | None:
    """Return what Flask-Session's two formats hold; its own reader would go on to unpickle what is neither."""
    for decode in (_msgpack.decode, _json.decode):
        try:
            return mapping(decode(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return None
