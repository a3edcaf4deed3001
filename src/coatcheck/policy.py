"""What a visitor gets: how long sessions live, how they are renewed, rotated and limited.

A `Policy` is plain, immutable data, checked when it is built: every fault is named at once with its remedy. Durations
are `datetime.timedelta` or text such as ``"30m"``. The default is a documented choice (``docs/concepts.md``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, Self

from msgspec import Struct

from coatcheck.durations import Duration, to_millis
from coatcheck.errors import ConfigurationError
from coatcheck.model import Millis
from coatcheck.policy_faults import faults_of
from coatcheck.profiles import PRESETS, PROFILES, Profile
from coatcheck.verbs import AtLimit, Limit

TOUCH_AT_MOST: Final[Millis] = 60_000
"""Activity is recorded at least this often by default, in milliseconds, however long the idle timeout."""


class Span(Struct, frozen=True, kw_only=True):
    """One lifetime in milliseconds: both clocks, how often activity is written, and when the idle clock is renewed.

    ``renew_below`` is how little of the idle timeout must be left for a request to renew it; ``None`` means always.
    """

    name: str
    idle: Millis | None
    absolute: Millis | None
    touch_every: Millis
    renew_below: Millis | None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How sessions live and end.

    Attributes:
        idle_timeout: a session that is not used for this long ends; ``None`` switches the idle clock off.
        absolute_timeout: a session ends this long after it began, whatever happens; ``None`` switches it off, and
            then somebody who stole a ticket and uses it keeps it.
        persistent: the cookie survives the browser; ``login(remember=...)`` overrides it for one sign-in.
        allow_remember: whether ``login(remember=True)`` may be asked for.
        remember_idle_timeout: idle timeout of remembered sign-ins.
        remember_absolute_timeout: absolute timeout of remembered sign-ins.
        renew_when: ``"active"`` renews the idle clock with any activity, exact to ``touch_every``; ``"25%"`` when less
            than that share of the idle timeout is left; ``"1h"`` when less than that time is left.
        touch_every: activity is written at most this often; by default a tenth of the idle timeout, at most 60 s.
        rotate_every: a new secret this long after the last one; ``None`` switches rotation by age off.
        rotation_grace: how long the old secret still opens the session once the new one was seen.
        on_theft: what a replaced secret that comes back later does: ``"refuse"`` it, or ``"end"`` the session too.
        on_idle: what the idle clock does: ``"end"`` the session, or ``"lock"`` it until its absolute deadline.
        max_sessions: how many live sessions one user may have; ``None`` for any number.
        at_limit: what one more sign-in does: ``"evict_least_recent"``, ``"evict_oldest"`` or ``"reject"``.
        default_roles: what ``login()`` gives to whom no roles are named for.
        aal: the highest assurance level a session may claim (NIST SP 800-63B), ``None`` when levels are not used.
        finish_within: how long a sign-in may take from its first factor to its last (``begin_login``).
        impersonate_for: how long somebody may act for another user at most.
        anonymous: whether a visitor who is not signed in may store data.
        keep_ended: how long a session that ended is remembered with its reason.
        max_ended: how many ended sessions are remembered at most.
        data_warning: bytes of data in a session above which an event warns.
        data_limit: bytes of data in a session that are never passed.
        sweep_every: how often expired sessions are removed; ``None`` for those who run ``coatcheck sweep`` themselves.
        count_every: how often a process writes what it counted for the operator's page; ``None`` counts nothing.
        profile: the preset or profile that it was made from, which it is compared with where it is explained.

    Raises:
        ConfigurationError: the options contradict each other or cannot be read; holds every fault.
    """

    idle_timeout: Duration | None = "7d"
    absolute_timeout: Duration | None = "30d"
    persistent: bool = True
    allow_remember: bool = True
    remember_idle_timeout: Duration | None = "30d"
    remember_absolute_timeout: Duration | None = "30d"
    renew_when: str = "active"
    touch_every: Duration | None = None
    rotate_every: Duration | None = "24h"
    rotation_grace: Duration = "30s"
    on_theft: Literal["refuse", "end"] = "refuse"
    on_idle: Literal["end", "lock"] = "end"
    max_sessions: int | None = None
    at_limit: AtLimit = "evict_least_recent"
    default_roles: tuple[str, ...] = ("user",)
    aal: int | None = None
    finish_within: Duration = "10m"
    impersonate_for: Duration = "1h"
    anonymous: bool = True
    keep_ended: Duration = "24h"
    max_ended: int = 100_000
    data_warning: int = 4096
    data_limit: int = 16_384
    sweep_every: Duration | None = "5m"
    count_every: Duration | None = "10s"
    profile: str = field(default="web", compare=False)

    def __post_init__(self) -> None:
        """Refuse what cannot work, naming every fault at once."""
        faults = faults_of(self)
        if faults:
            raise ConfigurationError(faults)

    def adjusted(self, **changes: Any) -> Self:
        """Return a copy with some options changed, checked as a whole."""
        return replace(self, **changes)

    @classmethod
    def web(cls) -> Self:
        """Ordinary sites: 7 days idle, 30 days in all, a cookie that survives the browser. The default."""
        return cls()

    @classmethod
    def sensitive(cls) -> Self:
        """Accounts with something to lose: 30 minutes idle, 12 hours in all, a cookie that ends with the browser."""
        return cls._of(PRESETS["sensitive"])

    @classmethod
    def critical(cls) -> Self:
        """Money, health, administration: 15 minutes idle, 8 hours in all, a cookie that ends with the browser."""
        return cls._of(PRESETS["critical"])

    @classmethod
    def remember_me(cls) -> Self:
        """Every sign-in is remembered for 30 days, at assurance level 1 at most (NIST SP 800-63B-4, N-7)."""
        return cls._of(PRESETS["remember_me"])

    @classmethod
    def from_profile(cls, name: str) -> Self:
        """Return a dated, published profile, such as ``"nist_aal2"``, or a preset; see `coatcheck.profiles`.

        Raises:
            ConfigurationError: there is no such profile.
        """
        known = {**PROFILES, **PRESETS}
        if name not in known:
            raise ConfigurationError(f"there is no profile {name!r}; there are {', '.join(known)}")
        return cls._of(known[name])

    @classmethod
    def _of(cls, profile: Profile) -> Self:
        return cls(**profile.settings, profile=profile.name)

    def span(self, lifetime: str) -> Span:
        """Return the lifetime ``"default"`` or ``"remember_me"`` in milliseconds."""
        return self._remembered if lifetime == "remember_me" else self._default

    @property
    def limit(self) -> Limit | None:
        """The user's limit as stores take it."""
        return None if self.max_sessions is None else Limit(self.max_sessions, self.at_limit)

    @cached_property
    def grace_ms(self) -> Millis:
        """``rotation_grace`` in milliseconds."""
        return to_millis(self.rotation_grace)

    @cached_property
    def rotate_ms(self) -> Millis | None:
        """``rotate_every`` in milliseconds."""
        return _optional(self.rotate_every)

    @cached_property
    def keep_ended_ms(self) -> Millis:
        """``keep_ended`` in milliseconds."""
        return to_millis(self.keep_ended)

    @cached_property
    def finish_ms(self) -> Millis:
        """``finish_within`` in milliseconds."""
        return to_millis(self.finish_within)

    @cached_property
    def impersonate_ms(self) -> Millis:
        """``impersonate_for`` in milliseconds."""
        return to_millis(self.impersonate_for)

    @cached_property
    def sweep_ms(self) -> Millis | None:
        """``sweep_every`` in milliseconds."""
        return _optional(self.sweep_every)

    @cached_property
    def count_ms(self) -> Millis | None:
        """``count_every`` in milliseconds."""
        return _optional(self.count_every)

    @cached_property
    def _default(self) -> Span:
        return self._span("default", self.idle_timeout, self.absolute_timeout)

    @cached_property
    def _remembered(self) -> Span:
        return self._span("remember_me", self.remember_idle_timeout, self.remember_absolute_timeout)

    def _span(self, name: str, idle: Duration | None, absolute: Duration | None) -> Span:
        idle_ms = _optional(idle)
        by_default = TOUCH_AT_MOST if idle_ms is None else min(TOUCH_AT_MOST, idle_ms // 10)
        return Span(
            name=name,
            idle=idle_ms,
            absolute=_optional(absolute),
            touch_every=by_default if self.touch_every is None else to_millis(self.touch_every),
            renew_below=None if idle_ms is None else renew_below(self.renew_when, idle_ms),
        )


def renew_below(rule: str, idle: Millis) -> Millis | None:
    """Return how much of an idle timeout may be left at most for *rule* to renew it; ``None`` means always.

    Raises:
        ValueError: *rule* is none of ``"active"``, a percentage and a length of time.
    """
    if rule == "active":
        return None
    percent = re.fullmatch(r"(\d{1,3})%", rule, re.ASCII)
    if percent:
        return idle * int(percent[1]) // 100
    return to_millis(rule)


def _optional(value: Duration | None) -> Millis | None:
    return None if value is None else to_millis(value)
