"""What a policy allows that the profile it is compared with does not, and why that matters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, cast

from msgspec import Struct

from coatcheck.policy_values import code_of, number_of, text_of

if TYPE_CHECKING:
    from coatcheck.policy import Policy


class Looser(Struct, frozen=True, kw_only=True):
    """One setting that is looser than the profile's.

    Attributes:
        name: the option.
        value: what it is, for people.
        profile: what the profile makes it, for people.
        why: what it lets happen.
        line: the option as it should be written.
    """

    name: str
    value: str
    profile: str
    why: str
    line: str


# In order of weight. `None` is no bound at all.
_LONGER: Final = {
    "absolute_timeout": "somebody who stole a ticket and uses it keeps the account for that long",
    "idle_timeout": "a browser that was left open opens the account to whoever comes next for that long",
    "remember_absolute_timeout": "a remembered browser that is stolen opens the account for that long",
    "remember_idle_timeout": "a remembered browser that was left open opens the account for that long",
    "rotate_every": "a copy of the cookie works for that long beside the original without anybody noticing",
    "rotation_grace": "a replaced secret still opens the session for that long",
    "sweep_every": "sessions that are over lie in the store for that long, with their data",
    "data_limit": "visitors can fill the store faster",
}
_SHORTER: Final = {
    "keep_ended": "a late request is not told why its session ended, and a sign-out everywhere is forgotten sooner",
    "max_ended": "a late request is not told why its session ended",
}
_OTHER: Final[dict[str, tuple[object, str]]] = {
    "allow_remember": (True, "a sign-in can be remembered for longer than the profile's own timeouts"),
    "persistent": (True, "the cookie outlives the browser, on a shared computer too"),
    "on_idle": ("lock", "an idle session is kept, with its data, until its absolute deadline"),
}


def looser_than(policy: Policy, profile: Policy) -> Iterator[Looser]:
    """Give each setting of *policy* that is looser than *profile*'s, the weightiest first."""
    for name, why in _LONGER.items():
        bound = _bound(policy, profile, name)
        if bound is not None and _above(number_of(policy, name), number_of(profile, bound)):
            yield _looser(policy, profile, name, why, bound)
    for name, (loose, why) in _OTHER.items():
        if getattr(policy, name) == loose != getattr(profile, name):
            yield _looser(policy, profile, name, why)
    for name, why in _SHORTER.items():
        if _above(number_of(profile, name), number_of(policy, name)):
            yield _looser(policy, profile, name, why)
    if _above(policy.aal, profile.aal):
        yield _looser(policy, profile, "aal", "sessions may claim a level that these timeouts were not chosen for")


def _bound(policy: Policy, profile: Policy, name: str) -> str | None:
    """Return the profile's option that bounds an option of the policy, ``None`` where that option has no effect.

    A profile that refuses remembered sign-ins has its plain clocks for every sign-in, so these bound them.
    """
    if not name.startswith("remember_"):
        return name
    if not policy.allow_remember:
        return None
    return name if profile.allow_remember else name.removeprefix("remember_")


def _above(value: object, bound: object) -> bool:
    """Whether a number is above another, ``None`` being above all."""
    if value is None or bound is None:
        return value is None and bound is not None
    return cast("int", value) > cast("int", bound)


def _looser(policy: Policy, profile: Policy, name: str, why: str, bound: str | None = None) -> Looser:
    bound = bound or name
    return Looser(
        name=name,
        value=text_of(policy, name),
        profile=text_of(profile, bound),
        why=why,
        line=code_of(profile, bound, written=name),
    )
