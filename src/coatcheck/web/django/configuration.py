"""What the settings say of sessions, read once in a process: every fault at once, each with its remedy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from msgspec import Struct

from coatcheck.blocking import Sessions
from coatcheck.errors import ConfigurationError
from coatcheck.web.django.listening import listen
from coatcheck.web.django.reading import Reading
from coatcheck.web.django.transport import DjangoSettings


class Setup(Struct, frozen=True):
    """What the settings come to.

    Attributes:
        sessions: this process's manager.
        settings: the middleware's options.
        unshielded: the same for views that are ``csrf_exempt``.
        roles: says which roles a user's sessions have; ``None`` for the default.
    """

    sessions: Sessions
    settings: DjangoSettings
    unshielded: DjangoSettings
    roles: Callable[[Any], Iterable[str]] | None


_lock: Final = threading.Lock()
_known: dict[str, Setup] = {}


def current() -> Setup:
    """Return what the settings come to, reading them at the first call.

    Raises:
        ConfigurationError: holds everything that is wrong with them.
    """
    known = _known.get("setup")
    if known is not None:
        return known
    with _lock:
        if "setup" not in _known:
            _known["setup"] = read(django_settings)
        return _known["setup"]


def built() -> Setup | None:
    """Return what `current` has read, if anybody has asked for it yet."""
    return _known.get("setup")


def read(settings: Any) -> Setup:
    """Read *settings* and build the manager; nothing is opened.

    Raises:
        ConfigurationError: holds every fault.
    """
    reading = Reading(settings)
    sessions, options, roles = reading.sessions(), reading.options(), reading.roles()
    web = None if options is None else reading.attempt(lambda: DjangoSettings(options))
    if reading.faults or sessions is None or web is None:
        raise ConfigurationError(reading.faults)
    return Setup(sessions, web, web.unshielded(), roles)


def get_sessions() -> Sessions:
    """Return this process's manager: ``get_sessions().list(str(user.pk))``, ``revoke``, ``revoke_user``, ...

    Raises:
        ImproperlyConfigured: holds everything that is wrong with the settings.
    """
    try:
        return current().sessions
    except ConfigurationError as error:
        raise ImproperlyConfigured(str(error)) from None


def forget(setting: str = "COATCHECK", **_: Any) -> None:
    """Read the settings again at the next use: a test has overridden one of them."""
    if setting == "COATCHECK" or setting.startswith(("SESSION_", "CSRF_TRUSTED", "LOGIN_URL", "MIDDLEWARE")):
        known: Mapping[str, Setup] = dict(_known)
        _known.clear()
        for setup in known.values():
            setup.sessions.close()


listen(setting_changed, forget)
