"""Everything that can be wrong with a policy, found at once and said with its remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from coatcheck.durations import Duration, to_millis, to_text
from coatcheck.model import Millis, is_text
from coatcheck.profiles import PRESETS, PROFILES
from coatcheck.verbs import AtLimit

if TYPE_CHECKING:
    from coatcheck.policy import Policy

COOKIE_CAP: Final[Millis] = 400 * 86_400_000
"""Browsers cut a cookie's life to 400 days (RFC 6265bis, section 5.5), in milliseconds."""

LONGEST: Final[Millis] = 36_500 * 86_400_000
"""The longest time a policy may name, a hundred years in milliseconds: no deadline then comes near 2^53."""
MOST: Final = 2**53 - 1
"""The largest number that every store counts exactly."""

_REQUIRED: Final = ("rotation_grace", "keep_ended", "finish_within", "impersonate_for")
_OPTIONAL: Final = (
    "idle_timeout",
    "absolute_timeout",
    "remember_idle_timeout",
    "remember_absolute_timeout",
    "touch_every",
    "rotate_every",
    "sweep_every",
    "count_every",
)
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "on_theft": ("refuse", "end"),
    "on_idle": ("end", "lock"),
    "at_limit": get_args(AtLimit),
}


def faults_of(policy: Policy) -> list[str]:
    """Return one sentence for each fault; an empty list when the policy can work."""
    faults: list[str] = []
    read: dict[str, Millis | None] = {}
    for name in (*_REQUIRED, *_OPTIONAL):
        value = cast("Duration | None", getattr(policy, name))
        if value is None:
            read[name] = None
            if name in _REQUIRED:
                faults.append(f"{name} must be a length of time, not None")
            continue
        try:
            read[name] = _length(value)
        except ValueError as fault:
            faults.append(f"{name}: {fault}")
    faults.extend(_choices(policy))
    faults.extend(_numbers(policy))
    if len(read) == len(_REQUIRED) + len(_OPTIONAL):
        for prefix in ("", "remember_") if policy.allow_remember else ("",):
            faults.extend(_clocks(policy, read, prefix))
        faults.extend(_intervals(read))
    return faults


def _length(value: Duration) -> Millis:
    """Read a length of time.

    Raises:
        ValueError: it is none, or longer than `LONGEST`.
    """
    millis = to_millis(value)
    if millis > LONGEST:
        raise ValueError(f"{to_text(millis)} is more than a hundred years; choose at most {to_text(LONGEST)}")
    return millis


def _choices(policy: Policy) -> Iterator[str]:
    for name, allowed in _CHOICES.items():
        value = getattr(policy, name)
        if value not in allowed:
            yield f"{name}={value!r} is not known; choose one of {', '.join(map(repr, allowed))}"
    rule: Any = policy.renew_when
    if rule != "active":
        try:
            percent = re.fullmatch(r"(\d{1,3})%", rule, re.ASCII)
            if percent and not 1 <= int(percent[1]) <= 100:
                yield f"renew_when={rule!r} must lie between 1% and 100%"
            elif not percent:
                _length(rule)
        except (TypeError, ValueError):
            yield f'renew_when={rule!r} is not known; write "active", a share such as "25%" or a time such as "1h"'


def _numbers(policy: Policy) -> Iterator[str]:
    for name, least in (("max_sessions", 1), ("aal", 0), ("max_ended", 0), ("data_warning", 0), ("data_limit", 1)):
        value: Any = getattr(policy, name)
        if value is None and name in ("max_sessions", "aal"):
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            yield f"{name}={value!r} must be a whole number of at least {least}"
        elif value > MOST:
            yield f"{name}={value!r} is more than any store can count; choose at most {MOST}"
        elif name == "aal" and value > 3:
            yield f"aal={value!r} must be 0, 1, 2 or 3 (NIST SP 800-63B)"
    if policy.profile not in PROFILES and policy.profile not in PRESETS:
        yield f"profile={policy.profile!r} is not known; choose one of {', '.join((*PRESETS, *PROFILES))}"
    if not _are_names(policy.default_roles):
        yield f'default_roles={policy.default_roles!r} must be a tuple of names, such as ("user",)'
    warning: Any = policy.data_warning
    limit: Any = policy.data_limit
    if isinstance(warning, int) and isinstance(limit, int) and warning > limit:
        yield f"data_warning={warning} lies above data_limit={limit}; lower it"


def _are_names(roles: object) -> bool:
    if not isinstance(roles, tuple):
        return False
    names = cast("tuple[object, ...]", roles)
    return all(isinstance(name, str) and name and is_text(name) for name in names)


def _clocks(policy: Policy, read: dict[str, Millis | None], prefix: str) -> Iterator[str]:
    idle, absolute = read[f"{prefix}idle_timeout"], read[f"{prefix}absolute_timeout"]
    touch = read["touch_every"]
    if idle is None and absolute is None:
        yield f"{prefix}idle_timeout and {prefix}absolute_timeout are both None, so sessions would never end; set one"
    for name, value in ((f"{prefix}idle_timeout", idle), (f"{prefix}absolute_timeout", absolute)):
        if value is not None and value < 1000:
            yield f"{name} is {to_text(value)}; a session must live for at least a second"
        if value is not None and value > COOKIE_CAP:
            yield f"{name} is {to_text(value)}; browsers keep cookies for 400 days at most, so choose at most 400d"
    if idle is not None and absolute is not None and idle > absolute:
        yield (
            f"{prefix}idle_timeout ({to_text(idle)}) is longer than {prefix}absolute_timeout ({to_text(absolute)}) "
            "and would never end a session; shorten it"
        )
    if touch is not None and idle is not None and touch >= idle:
        yield f"touch_every ({to_text(touch)}) must be shorter than {prefix}idle_timeout ({to_text(idle)})"
    if policy.on_idle == "lock" and absolute is None:
        yield 'on_idle="lock" needs an absolute timeout, or a locked session would be kept for ever'


def _intervals(read: dict[str, Millis | None]) -> Iterator[str]:
    sweep = read["sweep_every"]
    if sweep is not None and sweep < 1000:
        yield f"sweep_every is {to_text(sweep)}; sweep at most once a second, or write None to sweep by hand"
    count = read["count_every"]
    if count is not None and count < 1000:
        yield f"count_every is {to_text(count)}; write counts at most once a second, or None to count nothing"
    every, grace = read["rotate_every"], read["rotation_grace"] or 0
    if every is not None and grace >= every:
        yield f"rotation_grace ({to_text(grace)}) must be shorter than rotate_every ({to_text(every)})"
