"""Flask's configuration for sessions: what it means here, and what contradicts it.

Honoured: the name, domain, path, ``SameSite`` and ``Partitioned`` of the cookie, unless `Coatcheck` was given the same
as an option. ``SESSION_COOKIE_SECURE`` and ``SESSION_REFRESH_EACH_REQUEST`` say nothing: the cookie is ``Secure``
wherever browsers accept that, and is sent again only when it must be. ``SECRET_KEY`` is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, cast

from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from coatcheck.durations import Duration, to_millis
from coatcheck.errors import ConfigurationError
from coatcheck.policy import Policy
from coatcheck.web.settings import Options, Settings, SharedOptions

_OPTIONS: Final = {
    "SESSION_COOKIE_NAME": "cookie_name",
    "SESSION_COOKIE_DOMAIN": "domain",
    "SESSION_COOKIE_PATH": "path",
    "SESSION_COOKIE_SAMESITE": "same_site",
    "SESSION_COOKIE_PARTITIONED": "partitioned",
}
"""Each setting of the cookie with the option that it is."""

_FLASKS_OWN: Final[Mapping[str, Any]] = {"SESSION_COOKIE_NAME": "session", "SESSION_COOKIE_PARTITIONED": False}
"""Flask's defaults, which nobody has chosen; those of the others are ``None``."""

_FLASKS_LIFETIME: Final = timedelta(days=31)
_WATCHED: Final = (
    *_OPTIONS,
    *("SESSION_COOKIE_HTTPONLY", "PERMANENT_SESSION_LIFETIME", "SESSION_TYPE", "REMEMBER_COOKIE_DURATION"),
)


def read(app: Flask, given: SharedOptions, policy: Policy) -> SharedOptions:
    """Return the middleware's options: *given*, and what the application's configuration adds to it.

    Raises:
        ConfigurationError: holds everything that contradicts, the options' own faults too.
    """
    written = dict(_written(app.config))
    explicit = cast("dict[str, Any]", given)
    faults = [
        f"{key}={app.config[key]!r} and {option}={explicit[option]!r} contradict each other; keep one of them"
        for key, option in _OPTIONS.items()
        if option in written and option in explicit and written[option] != explicit[option]
    ]
    faults += [*_faults_of(app.config, policy), *_other_sessions(app)]
    merged = {**written, **explicit}
    try:
        Settings(Options(**merged))
    except ConfigurationError as error:
        faults += error.faults
    if faults:
        raise ConfigurationError(faults)
    return cast("SharedOptions", merged)


def snapshot(app: Flask) -> tuple[object, ...]:
    """Return the settings that `read` looked at, to find out whether they were changed afterwards."""
    config = cast("Mapping[str, Any]", app.config)
    return tuple(config.get(key) for key in _WATCHED)


def _written(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the options that somebody has set in Flask's words."""
    for key, option in _OPTIONS.items():
        value = config.get(key)
        if value != _FLASKS_OWN.get(key):
            yield option, value.lower() if key == "SESSION_COOKIE_SAMESITE" and isinstance(value, str) else value


def _faults_of(config: Mapping[str, Any], policy: Policy) -> Iterator[str]:
    """Yield what the configuration asks for and does not get."""
    if not config.get("SESSION_COOKIE_HTTPONLY", True):
        yield (
            "SESSION_COOKIE_HTTPONLY=False would let scripts read the ticket; coatcheck's cookie is always HttpOnly. "
            "Remove it"
        )
    if (kind := config.get("SESSION_TYPE")) not in (None, "null"):
        yield (
            f"SESSION_TYPE={kind!r} is Flask-Session's. Remove it and Session(app); the store is named by "
            'Sessions("redis://..."), Sessions("postgresql://...") or Sessions("sqlite:///...")'
        )
    lifetime = _span(config.get("PERMANENT_SESSION_LIFETIME"))
    if lifetime not in (None, _FLASKS_LIFETIME) and not _same(lifetime, policy.idle_timeout):
        yield (
            f"PERMANENT_SESSION_LIFETIME={lifetime} is not what the policy says: sessions end when they are not used "
            f"for {policy.idle_timeout}. Write Policy(idle_timeout=...) and remove it"
        )
    remembered = _span(config.get("REMEMBER_COOKIE_DURATION"))
    if remembered is not None and not _same(remembered, policy.remember_absolute_timeout):
        yield (
            f"REMEMBER_COOKIE_DURATION={remembered} is not what the policy says: remembered sign-ins end after "
            f"{policy.remember_absolute_timeout}. Write Policy(remember_absolute_timeout=...) and remove it"
        )


def _other_sessions(app: Flask) -> Iterator[str]:
    """Yield what else wants to be ``flask.session``."""
    if "coatcheck" in app.extensions:
        yield "Coatcheck was installed twice on this application; keep one, or give it to init_app() alone"
    elif type(app.session_interface) is not SecureCookieSessionInterface:
        yield (
            f"app.session_interface is a {type(app.session_interface).__qualname__} already; remove the extension that "
            "set it, such as Flask-Session's Session(app)"
        )


def _span(value: Any) -> timedelta | None:
    """Return a length of time as Flask and Flask-Login read it: a number is seconds."""
    return timedelta(seconds=value) if isinstance(value, int) else value


def _same(span: timedelta | None, ours: Duration | None) -> bool:
    return span is not None and ours is not None and to_millis(span) == to_millis(ours)
