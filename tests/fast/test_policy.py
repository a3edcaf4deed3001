"""The policy: its presets, its profiles, and everything that it refuses."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from typing import Any

import pytest

from coatcheck import ConfigurationError, Policy
from coatcheck.lifecycle import Verdict
from coatcheck.policy import renew_below
from coatcheck.profiles import PROFILES
from coatcheck.verbs import Limit
from tests.fast._pure import START, One

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("policy", "idle", "absolute", "persistent", "remember"),
    [
        (Policy(), 7 * DAY, 30 * DAY, True, True),
        (Policy.web(), 7 * DAY, 30 * DAY, True, True),
        (Policy.sensitive(), 30 * MINUTE, 12 * HOUR, False, False),
        (Policy.critical(), 15 * MINUTE, 8 * HOUR, False, False),
        (Policy.remember_me(), 30 * DAY, 30 * DAY, True, True),
    ],
)
def test_presets(policy: Policy, idle: int, absolute: int, persistent: bool, remember: bool) -> None:
    """S-32, S-34, X-7: the numbers of each preset."""
    span = policy.span("default")
    assert (span.idle, span.absolute) == (idle, absolute)
    assert (policy.persistent, policy.allow_remember) == (persistent, remember)
    assert policy.default_roles == ("user",)


def test_web_is_the_default_and_remember_me_asserts_less() -> None:
    """X-7, N-7: Policy() is Policy.web(); remember_me claims level 1 at most."""
    assert Policy() == Policy.web()
    assert (Policy().aal, Policy.remember_me().aal) == (None, 1)
    assert Policy().span("remember_me").absolute == 30 * DAY


@pytest.mark.parametrize(("idle_for", "verdict"), [(1_799_999, Verdict.LIVE), (1_800_001, Verdict.IDLE_EXPIRED)])
def test_half_an_hour(idle_for: int, verdict: Verdict) -> None:
    """S-32: under Policy.sensitive() 29:59 idle lives and 30:01 is dead."""
    one = One(Policy.sensitive())
    one.now = START + idle_for
    assert one.visit(one.ticket).verdict is verdict


@pytest.mark.parametrize(
    ("name", "idle", "absolute", "aal", "on_idle"),
    [
        ("owasp_low", 30 * MINUTE, 8 * HOUR, None, "end"),
        ("owasp_high", 5 * MINUTE, 4 * HOUR, None, "end"),
        ("nist_aal1", None, 30 * DAY, 1, "end"),
        ("nist_aal2", HOUR, DAY, 2, "lock"),
        ("nist_aal3", 15 * MINUTE, 12 * HOUR, 3, "end"),
    ],
)
def test_profiles(name: str, idle: int | None, absolute: int, aal: int | None, on_idle: str) -> None:
    """X-7, N-6, SM-17, section 3.2: the numbers of each published profile, cookies that end with the browser."""
    policy = Policy.from_profile(name)
    span = policy.span("default")
    assert (span.idle, span.absolute, policy.aal, policy.on_idle) == (idle, absolute, aal, on_idle)
    assert (policy.persistent, policy.allow_remember) == (False, False)


def test_profiles_are_dated_and_sourced() -> None:
    """Section 3.2: each profile names its source and the day it was read, and every one is tested above."""
    assert set(PROFILES) == {"owasp_low", "owasp_high", "nist_aal1", "nist_aal2", "nist_aal3"}
    for name, profile in PROFILES.items():
        assert profile.name == name
        assert date.fromisoformat(profile.dated) >= date(2026, 1, 1)
        assert profile.source.startswith(("OWASP ", "NIST SP 800-63B-4"))
        assert profile.summary.endswith(".")


def test_unknown_profile_names_the_known_ones() -> None:
    """S-34: a misspelt profile is refused with the list."""
    with pytest.raises(ConfigurationError, match=r"'nist'.*owasp_low.*nist_aal3"):
        Policy.from_profile("nist")


def test_every_fault_at_once() -> None:
    """Policy: all faults are named together, each with its remedy."""
    with pytest.raises(ConfigurationError) as caught:
        Policy(
            idle_timeout="40 days", on_theft="shrug", on_idle="sleep", at_limit="none",  # type: ignore[arg-type]
            renew_when="sometimes", max_sessions=0, aal=4, data_limit=10, default_roles=["user"],  # type: ignore[arg-type]
            rotation_grace="soon", keep_ended=None,  # type: ignore[arg-type]
        )  # fmt: skip
    named = [fault.replace(":", "=").replace(" ", "=").partition("=")[0] for fault in caught.value.faults]
    assert sorted(named) == sorted([
        "idle_timeout", "on_theft", "on_idle", "at_limit", "renew_when", "max_sessions", "aal", "default_roles",
        "rotation_grace", "keep_ended", "data_warning",
    ])  # fmt: skip
    assert str(caught.value).count("\n- ") == 10


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"idle_timeout": None, "absolute_timeout": None}, "would never end; set one"),
    ({"remember_idle_timeout": None, "remember_absolute_timeout": None}, "remember_idle_timeout and .* set one"),
    ({"idle_timeout": "31d"}, r"idle_timeout \(31d\) is longer than absolute_timeout \(30d\).*shorten it"),
    ({"remember_idle_timeout": "31d"}, "remember_idle_timeout .* is longer than remember_absolute_timeout"),
    ({"idle_timeout": "999ms"}, "must live for at least a second"),
    ({"absolute_timeout": "401d"}, "400 days at most, so choose at most 400d"),
    ({"touch_every": "7d"}, "touch_every .* must be shorter than idle_timeout"),
    ({"rotate_every": "30s"}, r"rotation_grace \(30s\) must be shorter than rotate_every \(30s\)"),
    ({"on_idle": "lock", "absolute_timeout": None}, "needs an absolute timeout"),
    ({"renew_when": "0%"}, "between 1% and 100%"),
    ({"renew_when": "101%"}, "between 1% and 100%"),
    ({"renew_when": "25 %"}, 'write "active", a share such as "25%"'),
    ({"renew_when": timedelta(hours=1)}, 'write "active", a share such as "25%"'),
    ({"renew_when": None}, "renew_when=None is not known"),
    ({"max_sessions": True}, "max_sessions=True must be a whole number of at least 1"),
    ({"max_sessions": "5"}, "max_sessions='5' must be a whole number"),
    ({"aal": -1}, "aal=-1 must be a whole number of at least 0"),
    ({"max_ended": -1}, "max_ended=-1"),
    ({"data_limit": 0, "data_warning": 0}, "data_limit=0 must be a whole number of at least 1"),
    ({"data_warning": 20_000}, "data_warning=20000 lies above data_limit=16384; lower it"),
    ({"default_roles": "user"}, "must be a tuple of names"),
    ({"default_roles": ("",)}, "must be a tuple of names"),
    ({"sweep_every": "0s"}, "sweep_every"),
    ({"keep_ended": "36501d"}, "keep_ended: 36501d is more than a hundred years; choose at most 36500d"),
    ({"sweep_every": "999999999999w"}, "sweep_every: .* more than a hundred years"),
    ({"rotate_every": timedelta.max}, "rotate_every: .* more than a hundred years"),
    ({"idle_timeout": "36501d"}, "idle_timeout: .* more than a hundred years"),
    ({"renew_when": "36501d"}, "renew_when='36501d' is not known"),
    ({"max_ended": 2**53}, "max_ended=9007199254740992 is more than any store can count"),
    ({"data_limit": 2**63}, "data_limit=.* is more than any store can count"),
    ({"default_roles": ("a\0b",)}, "must be a tuple of names"),
    ({"default_roles": ("\ud800",)}, "must be a tuple of names"),
]


@pytest.mark.parametrize(("options", "message"), FAULTS, ids=lambda value: str(value)[:40])
def test_fault_and_remedy(options: dict[str, Any], message: str) -> None:
    """Policy: each contradiction is refused when the policy is built, with its remedy."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        Policy(**options)
    assert len(caught.value.faults) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"absolute_timeout": None},
        {"idle_timeout": None, "absolute_timeout": "400d"},
        {"allow_remember": False, "remember_idle_timeout": None, "remember_absolute_timeout": None},
        {"idle_timeout": "30d"},
        {"rotate_every": None, "rotation_grace": "1h"},
        {"keep_ended": "36500d", "max_ended": 2**53 - 1},
        {"sweep_every": None, "touch_every": "0s", "renew_when": "100%"},
        {"idle_timeout": timedelta(days=1), "max_sessions": 1, "aal": 0, "default_roles": ()},
    ],
    ids=str,
)
def test_unusual_and_right(options: dict[str, Any]) -> None:
    """Policy: what can work is not refused."""
    policy = Policy(**options)
    assert all(getattr(policy, name) == value for name, value in options.items())


@pytest.mark.parametrize(
    ("rule", "millis"), [("active", None), ("25%", 15 * MINUTE), ("100%", HOUR), ("1h", HOUR), ("90s", 90_000)]
)
def test_renew_when(rule: str, millis: int | None) -> None:
    """S-35: the three forms of the renewal rule, for an idle timeout of one hour."""
    assert renew_below(rule, HOUR) == millis
    assert Policy(idle_timeout="1h", renew_when=rule).span("default").renew_below == millis


@pytest.mark.parametrize(
    ("options", "every"),
    [
        ({}, MINUTE),
        ({"idle_timeout": "5m"}, 30 * SECOND),
        ({"idle_timeout": None}, MINUTE),
        ({"touch_every": "3s"}, 3 * SECOND),
    ],
)
def test_touch_every(options: dict[str, Any], every: int) -> None:
    """S-38: activity is written every tenth of the idle timeout, at least every minute, or as the policy says."""
    assert Policy(**options).span("default").touch_every == every


def test_limit_as_stores_take_it() -> None:
    """Ruling 10: no limit unless asked for; the least recently seen session goes first by default."""
    assert Policy().limit is None
    assert Policy(max_sessions=3).limit == Limit(3, "evict_least_recent")


def test_immutable_and_adjusted_as_a_whole() -> None:
    """Policy: options never change; a copy with changes is checked like a new one."""
    policy = Policy()
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.idle_timeout = "1h"  # type: ignore[misc]
    assert policy.adjusted(idle_timeout="1h").span("default").idle == HOUR
    with pytest.raises(ConfigurationError, match="longer than absolute_timeout"):
        policy.adjusted(absolute_timeout="1h")
