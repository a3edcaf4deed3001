"""From Django's settings to coatcheck's own words: what is honoured, and what contradicts or weakens them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from django.conf import global_settings
from django.utils.module_loading import import_string

from coatcheck.blocking import Sessions
from coatcheck.errors import ConfigurationError
from coatcheck.policy import Policy
from coatcheck.web.django.moving import with_roles
from coatcheck.web.settings import Options, SharedOptions

T = TypeVar("T")

ENGINE: Final = "coatcheck.web.django.sessions"
MIDDLEWARE: Final = "coatcheck.web.django.SessionMiddleware"
AUTHENTICATION: Final = "django.contrib.auth.middleware.AuthenticationMiddleware"

OWN: Final = frozenset({"STORE", "POLICY", "TENANT", "LISTENERS", "SESSIONS", "ROLES"})
OPTIONS: Final = frozenset(name.upper() for name in SharedOptions.__annotations__)
_OURS: Final = frozenset({MIDDLEWARE, "coatcheck.web.django.middleware.SessionMiddleware"})
_DJANGOS: Final = "django.contrib.sessions.middleware.SessionMiddleware"
_MONTH: Final = timedelta(days=30)


class Reading:
    """One reading of the settings. What it finds wrong is collected in ``faults``."""

    def __init__(self, settings: Any) -> None:
        """Look at *settings*, and at ``settings.COATCHECK``."""
        self.faults: list[str] = []
        self._settings = settings
        given = getattr(settings, "COATCHECK", {})
        self._given: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
        if not isinstance(given, Mapping):
            self.faults.append(
                f'COATCHECK is a {type(given).__name__}: write COATCHECK = {{"STORE": "sqlite:///sessions.db"}}'
            )
        self.faults += [_unknown(name) for name in self._given if name not in OWN | OPTIONS]
        self.faults += _engine_faults(settings) + _middleware_faults(settings.MIDDLEWARE) + _cookie_faults(settings)

    def attempt(self, make: Callable[[], T]) -> T | None:
        """Return what *make* makes; ``None``, with its faults collected, where it refuses."""
        try:
            return make()
        except ConfigurationError as error:
            self.faults += error.faults
        except ImportError as error:
            self.faults.append(f"COATCHECK names something that cannot be imported: {error}")
        return None

    def sessions(self) -> Sessions | None:
        """Return the manager: the one that is given, or a new one."""
        given = self.attempt(lambda: _imported(self._given.get("SESSIONS")))
        beside = [name for name in ("STORE", "POLICY", "TENANT", "LISTENERS") if name in self._given]
        if "SESSIONS" not in self._given:
            return self._made()
        if beside:
            self.faults.append(
                f"COATCHECK has SESSIONS and {', '.join(beside)}: the manager has these already; keep it"
            )
        if isinstance(given, Sessions):
            self.faults += _policy_faults(self._settings, given.policy)
            return given
        self.faults.append(
            f"COATCHECK['SESSIONS'] is a {type(given).__name__}: write coatcheck.Sessions(...), or its dotted path"
        )
        return None

    def _made(self) -> Sessions | None:
        policy = self._policy()
        options: dict[str, Any] = {
            "policy": policy,
            "tenant": self._given.get("TENANT", ""),
            "listeners": self._listeners(),
        }
        store = self._given.get("STORE")
        if store is None:
            return self.attempt(lambda: Sessions.from_env(**options))
        return self.attempt(lambda: Sessions(store, **options))

    def _policy(self) -> Policy | None:
        """Return the policy that is given, else the default one with what Django's own settings say."""
        given = self.attempt(lambda: _imported(self._given.get("POLICY")))
        if isinstance(given, Policy):
            self.faults += _policy_faults(self._settings, given)
            return given
        if given is not None:
            self.faults.append(f"COATCHECK['POLICY'] is a {type(given).__name__}: write coatcheck.Policy(...)")
        changes: dict[str, Any] = {}
        if _is_changed(self._settings, "SESSION_COOKIE_AGE"):
            idle = timedelta(seconds=self._settings.SESSION_COOKIE_AGE)
            changes = {"idle_timeout": idle, "absolute_timeout": max(idle, _MONTH)}
        if self._settings.SESSION_EXPIRE_AT_BROWSER_CLOSE:
            changes["persistent"] = False
        return self.attempt(lambda: Policy().adjusted(**changes))

    def _listeners(self) -> tuple[Any, ...]:
        given = self._given.get("LISTENERS", ())
        found = self.attempt(lambda: tuple(_imported(listener) for listener in given))
        return found or ()

    def roles(self) -> Callable[[Any], Iterable[str]] | None:
        """Return what says which roles a user has."""
        roles: Any = self.attempt(lambda: _imported(self._given.get("ROLES")))
        if roles is None or callable(roles):
            return roles  # type: ignore[no-any-return] # what it returns is seen when it is called
        self.faults.append("COATCHECK['ROLES'] must be a function from a user to role names, or its dotted path")
        return None

    def options(self) -> Options | None:
        """Return the middleware's options: those that are given, and for the others what Django's settings say."""
        given = {name.lower(): value for name, value in self._given.items() if name in OPTIONS}
        if "moving" in given:
            given["moving"] = with_roles(given["moving"])
        known = _from_django(self._settings)
        for option, (name, value) in known.items():
            if option in given and given[option] != value and _is_changed(self._settings, name):
                self.faults.append(
                    f"COATCHECK['{option.upper()}'] and {name} say different things: keep {name} and remove the other"
                )
        words: dict[str, Any] = {option: value for option, (_, value) in known.items()}
        words |= {**given, "own_tokens": False}
        return None if self._words_wrong(given) else Options(**words)

    def _words_wrong(self, given: Mapping[str, Any]) -> bool:
        """Whether a cookie's name is given both here and there in ways that cannot be told apart."""
        if "cookie_name" not in given:
            return False
        self.faults.append("COATCHECK['COOKIE_NAME'] is SESSION_COOKIE_NAME here: Django's test clients go by that")
        return True


def _from_django(settings: Any) -> dict[str, tuple[str, Any]]:
    """Return the options that Django's own settings answer, each with the setting's name."""
    same_site = settings.SESSION_COOKIE_SAMESITE
    sign_in = settings.LOGIN_URL
    found: dict[str, tuple[str, Any]] = {
        "cookie_name": ("SESSION_COOKIE_NAME", _cookie_name(settings)),
        "same_site": ("SESSION_COOKIE_SAMESITE", str(same_site).lower() if same_site else "lax"),
        "domain": ("SESSION_COOKIE_DOMAIN", settings.SESSION_COOKIE_DOMAIN),
        "path": ("SESSION_COOKIE_PATH", settings.SESSION_COOKIE_PATH),
        "trusted_origins": ("CSRF_TRUSTED_ORIGINS", list(settings.CSRF_TRUSTED_ORIGINS)),
    }
    if isinstance(sign_in, str) and sign_in.startswith("/"):
        found["sign_in_url"] = ("LOGIN_URL", sign_in)
    return found


def _cookie_name(settings: Any) -> str:
    """Return the cookie's name on https: the setting's, behind the prefix that binds it as far as domain and path let.

    On the plain http of one's own machine the prefix is left out, so that the name there is Django's.
    """
    name: str = settings.SESSION_COOKIE_NAME
    if name.lower().startswith("__"):
        return name
    bound = settings.SESSION_COOKIE_DOMAIN is None and settings.SESSION_COOKIE_PATH == "/"
    return f"__Host-{name}" if bound else f"__Secure-{name}"


def _is_changed(settings: Any, name: str) -> bool:
    """Whether a setting differs from Django's own default."""
    return bool(getattr(settings, name) != getattr(global_settings, name))


def _imported(value: Any) -> Any:
    return import_string(value) if isinstance(value, str) else value


def _unknown(name: object) -> str:
    near = get_close_matches(str(name).upper(), OWN | OPTIONS, n=1)
    meant = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(OWN | OPTIONS))}"
    return f"COATCHECK has the key {name!r}, which means nothing{meant}"


def _engine_faults(settings: Any) -> list[str]:
    if settings.SESSION_ENGINE == ENGINE:
        return []
    fault = (
        f'SESSION_ENGINE is {settings.SESSION_ENGINE!r}: write SESSION_ENGINE = "{ENGINE}"; without it test clients '
        "and scripts would sign in into another store than requests do"
    )
    return [fault]


def _middleware_faults(installed: Iterable[str]) -> list[str]:
    names = list(installed)
    ours = [index for index, name in enumerate(names) if name in _OURS]
    faults: list[str] = []
    if _DJANGOS in names:
        faults.append(f"MIDDLEWARE has {_DJANGOS!r}: put {MIDDLEWARE!r} in its place, not beside it")
    elif len(ours) > 1:
        faults.append(f"MIDDLEWARE has {MIDDLEWARE!r} {len(ours)} times: keep the first")
    if ours and AUTHENTICATION in names and names.index(AUTHENTICATION) < ours[0]:
        faults.append(
            f"MIDDLEWARE has {AUTHENTICATION!r} before {MIDDLEWARE!r}: it asks for the session, so put it after"
        )
    return faults


def _cookie_faults(settings: Any) -> list[str]:
    faults: list[str] = []
    if settings.SESSION_COOKIE_HTTPONLY is not True:
        faults.append("SESSION_COOKIE_HTTPONLY is off: scripts could read the cookie and take it away; remove the line")
    if settings.SESSION_COOKIE_SAMESITE is False:
        faults.append(
            'SESSION_COOKIE_SAMESITE is False, which leaves it to each browser: write "Lax" or "Strict", or "None" for '
            "pages of other sites"
        )
    return faults


def _policy_faults(settings: Any, policy: Policy) -> list[str]:
    """Name what Django's settings say of lifetimes that the policy says otherwise."""
    faults: list[str] = []
    if _is_changed(settings, "SESSION_COOKIE_AGE"):
        idle = policy.span("default").idle
        if idle != settings.SESSION_COOKIE_AGE * 1000:
            faults.append(
                f"SESSION_COOKIE_AGE is {settings.SESSION_COOKIE_AGE} seconds and the policy's idle_timeout is "
                f"{policy.idle_timeout}: the policy decides, so remove SESSION_COOKIE_AGE"
            )
    if settings.SESSION_EXPIRE_AT_BROWSER_CLOSE and policy.persistent:
        faults.append(
            "SESSION_EXPIRE_AT_BROWSER_CLOSE is True and the policy has persistent=True: write "
            "Policy(..., persistent=False) and remove the setting"
        )
    return faults
