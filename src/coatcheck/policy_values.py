"""One setting of a policy, for people and as the line to write."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from coatcheck.durations import Duration, to_millis, to_text
from coatcheck.model import Millis

if TYPE_CHECKING:
    from coatcheck.policy import Policy

LENGTHS: Final = frozenset(
    {"idle_timeout", "absolute_timeout", "remember_idle_timeout", "remember_absolute_timeout", "touch_every"}
    | {"rotate_every", "rotation_grace", "keep_ended", "finish_within", "impersonate_for", "sweep_every", "count_every"}
)
"""The options that are lengths of time."""

_WITHOUT: Final = {"max_sessions": "any number", "aal": "any level"}
_BYTES: Final = frozenset({"data_warning", "data_limit"})
_UNITS: Final = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000), ("millisecond", 1))


def number_of(policy: Policy, name: str) -> object:
    """Return a setting in a form that compares: lengths in milliseconds, what is left to coatcheck worked out."""
    if name == "touch_every":
        return policy.span("default").touch_every
    value = cast("object", getattr(policy, name))
    return to_millis(cast("Duration", value)) if name in LENGTHS and value is not None else value


def text_of(policy: Policy, name: str) -> str:
    """Return a setting's value for people."""
    value = number_of(policy, name)
    if value is None:
        return _WITHOUT.get(name, "off")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in LENGTHS:
        return words_of(cast("Millis", value))
    if name in _BYTES:
        return f"{value} bytes"
    return ", ".join(cast("tuple[str, ...]", value)) or "none" if isinstance(value, tuple) else str(value)


def code_of(policy: Policy, name: str, *, written: str | None = None) -> str:
    """Return a setting as it is written, such as ``'idle_timeout="7d"'``; with *written*, for that option instead."""
    value = cast("object", getattr(policy, name))
    if isinstance(value, timedelta):
        value = to_text(to_millis(value))
    return f'{written or name}="{value}"' if isinstance(value, str) else f"{written or name}={value!r}"


def words_of(millis: Millis) -> str:
    """Return a length of time whole, such as ``"1 hour 30 minutes"``."""
    parts: list[str] = []
    rest = millis
    for name, length in _UNITS:
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(parts) or "0 seconds"
