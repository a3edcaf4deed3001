"""A policy in words: what a visitor gets, every setting with where it comes from, and what is looser than its profile.

Pure. ``coatcheck policy``, its report and the operator's page show what `explain` returns.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct, to_builtins

from coatcheck.model import Millis
from coatcheck.policy import Policy, Span
from coatcheck.policy_looser import Looser, looser_than
from coatcheck.policy_values import number_of, text_of, words_of
from coatcheck.profiles import PRESETS, PROFILES, Profile

Source: TypeAlias = Literal["default", "profile", "changed"]
"""Where a setting comes from: nobody set it, the profile sets it, or the application made it other than the profile."""

AT_LIMIT: Final = {
    "evict_least_recent": "ends the one that was used longest ago",
    "evict_oldest": "ends the oldest",
    "reject": "is refused",
}
"""What one more sign-in does at the limit."""

_SURVIVES: Final = (
    "the cookie survives the browser, unless the application signs the visitor in with remember=False, which makes it "
    "end with the browser"
)


class Setting(Struct, frozen=True, kw_only=True):
    """One option of the policy.

    Attributes:
        name: the option.
        value: what it is, for people.
        default: what the profile makes it, for people.
        source: where the value comes from.
    """

    name: str
    value: str
    default: str
    source: Source

    @property
    def changed(self) -> bool:
        """Whether the application made it other than the profile does."""
        return self.source == "changed"


class Explanation(Struct, frozen=True, kw_only=True):
    """A policy in words.

    Attributes:
        profile: what it is compared with.
        sentence: what a visitor gets.
        rows: every setting.
        looser: what is looser than the profile, the weightiest first.
    """

    profile: Profile
    sentence: str
    rows: tuple[Setting, ...]
    looser: tuple[Looser, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain values, for programs."""
        return {
            "profile": self.profile.name,
            "sentence": self.sentence,
            "settings": to_builtins(self.rows),
            "looser": to_builtins(self.looser),
        }


def explain(policy: Policy, profile: str | None = None) -> Explanation:
    """Say what *policy* means, compared with *profile*, or else with the one that it was made from.

    Raises:
        ConfigurationError: there is no such profile.
    """
    name = policy.profile if profile is None else profile
    against = Policy.from_profile(name)
    return Explanation(
        profile={**PRESETS, **PROFILES}[name],
        sentence=sentence(policy),
        rows=tuple(_setting(policy, against, field.name) for field in fields(Policy) if field.name != "profile"),
        looser=tuple(looser_than(policy, against)),
    )


def _setting(policy: Policy, against: Policy, name: str) -> Setting:
    source: Source = "changed"
    if number_of(policy, name) == number_of(against, name):
        source = "default" if number_of(policy, name) == number_of(Policy(), name) else "profile"
    return Setting(name=name, value=text_of(policy, name), default=text_of(against, name), source=source)


def sentence(policy: Policy) -> str:
    """Say in one sentence what a visitor gets."""
    parts = [
        f"A visitor who signs in {staying(policy, 'default')}",
        _SURVIVES if policy.persistent else "the cookie ends with the browser",
        _remembering(policy),
        rotating(policy),
        limiting(policy),
    ]
    if not policy.anonymous:
        parts.append("whoever is not signed in can store nothing")
    return "; ".join(parts) + "."


def staying(policy: Policy, lifetime: str) -> str:
    """Say how long sessions of a lifetime (``"default"`` or ``"remember_me"``) last."""
    span = policy.span(lifetime)
    if span.idle is None or (span.absolute is not None and span.idle >= span.absolute):
        return f"stays signed in for {words_of(span.absolute or 0)}, whether they come back or not"
    most = "without an end" if span.absolute is None else f"at most {words_of(span.absolute)}"
    locked = ", then locked until a factor is shown again" if policy.on_idle == "lock" else ""
    return f"stays signed in for {words_of(span.idle)}{_renewed(span, span.idle)}{locked}, {most}"


def _renewed(span: Span, idle: Millis) -> str:
    """Say what a visit does to the idle clock, and the absence that is sure to be survived if it is less."""
    below = span.renew_below
    if below is None or below >= idle:
        counted = f" (counted to within {words_of(span.touch_every)})" if span.touch_every else ""
        return f" after the last visit{counted}"
    return (
        f", renewed only by a visit in the last {_every(words_of(below))}, so that no absence longer than "
        f"{words_of(below)} is sure to be survived"
    )


def _remembering(policy: Policy) -> str:
    if not policy.allow_remember:
        return '"remember me" is refused'
    same = policy.persistent and all(
        getattr(policy.span("remember_me"), name) == getattr(policy.span("default"), name)
        for name in ("idle", "absolute")
    )
    if same:
        return '"remember me" changes nothing'
    return f'with "remember me" the visitor {staying(policy, "remember_me")}, and the cookie survives the browser'


def rotating(policy: Policy) -> str:
    """Say when the secret in the cookie changes."""
    if policy.rotate_ms is None:
        return "the secret in the cookie changes when somebody signs in or their privileges change, never by age"
    theft = "refused" if policy.on_theft == "refuse" else "refused, and ends the session"
    return (
        f"the secret in the cookie changes every {_every(words_of(policy.rotate_ms))}, and an old one that comes back "
        f"later is {theft}"
    )


def limiting(policy: Policy) -> str:
    """Say how many sessions a user may have, and what happens at the limit."""
    if policy.max_sessions is None:
        return "a user may be signed in with any number of browsers at once"
    browsers = "1 browser" if policy.max_sessions == 1 else f"{policy.max_sessions} browsers"
    return f"a user may be signed in with at most {browsers} at once, and one more sign-in {AT_LIMIT[policy.at_limit]}"


def _every(length: str) -> str:
    """Return "hour" for "1 hour": what follows the word every."""
    return length.removeprefix("1 ") if length.count(" ") == 1 else length
