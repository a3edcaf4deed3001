"""A policy in words: the sentence, where each setting comes from, and what is looser."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from coatcheck import ConfigurationError, Policy, policy_looser
from coatcheck.policy_looser import looser_than
from coatcheck.policy_words import explain, sentence
from coatcheck.profiles import PRESETS, PROFILES

OPTIONS = [field.name for field in fields(Policy) if field.name != "profile"]


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (
            Policy(),
            "for 7 days after the last visit (counted to within 1 minute), at most 30 days; the cookie survives",
        ),
        (Policy(), 'with "remember me" the visitor stays signed in for 30 days, whether they come back or not'),
        (
            Policy(),
            "changes every day, and an old one that comes back later is refused; a user may be signed in with any",
        ),
        (Policy.sensitive(), 'the cookie ends with the browser; "remember me" is refused'),
        (Policy.remember_me(), '"remember me" changes nothing'),
        (Policy.from_profile("nist_aal1"), "stays signed in for 30 days, whether they come back or not"),
        (Policy.from_profile("nist_aal2"), "then locked until a factor is shown again, at most 1 day"),
        (Policy(absolute_timeout=None), "(counted to within 1 minute), without an end"),
        (Policy(rotate_every=None), "never by age"),
        (Policy(on_theft="end"), "is refused, and ends the session"),
        (
            Policy(max_sessions=1),
            "with at most 1 browser at once, and one more sign-in ends the one that was used longest",
        ),
        (Policy(max_sessions=3, at_limit="reject"), "at most 3 browsers at once, and one more sign-in is refused"),
        (Policy(anonymous=False), "whoever is not signed in can store nothing."),
        (Policy(touch_every="0s"), "7 days after the last visit, at most 30 days"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_sentence_is_what_a_visitor_gets(policy: Policy, said: str) -> None:
    """X-7: the sentence states both clocks, cookie, remembering, rotation and the limit as they are in force."""
    assert said in sentence(policy)
    assert re.fullmatch(r"A visitor who signs in [^.]+\.", sentence(policy))


@pytest.mark.parametrize(("rule", "length"), [("1h", "hour"), ("25%", "1 day 18 hours")])
def test_the_renewal_rules_true_guarantee_is_told(rule: str, length: str) -> None:
    """X-8: a rule that renews late guarantees less than the idle timeout, and the sentence says how much."""
    told = sentence(Policy(renew_when=rule))

    assert f"for 7 days, renewed only by a visit in the last {length}, so that no absence longer than" in told
    assert "is sure to be survived" not in sentence(Policy(renew_when="100%"))


def test_every_setting_says_where_it_comes_from() -> None:
    """S-93: each option is there once, as default, from the profile, or changed; equal lengths are not changes."""
    policy = Policy.sensitive().adjusted(idle_timeout="45m", absolute_timeout=timedelta(hours=12), max_sessions=5)
    said = explain(policy)
    rows = {row.name: row for row in said.rows}

    assert [row.name for row in said.rows] == OPTIONS
    assert said.profile.name == "sensitive"
    assert {name for name, row in rows.items() if row.changed} == {"idle_timeout", "max_sessions"}
    assert {name for name, row in rows.items() if row.source == "profile"} == {
        "absolute_timeout",
        "persistent",
        "allow_remember",
    }
    assert (rows["idle_timeout"].value, rows["idle_timeout"].default) == ("45 minutes", "30 minutes")
    assert rows["touch_every"].value == "1 minute"
    assert not any(row.changed for row in explain(Policy()).rows)


LOOSER: list[tuple[str, Any, str]] = [
    ("absolute_timeout", None, "web"),
    ("absolute_timeout", "31d", "web"),
    ("idle_timeout", "8d", "web"),
    ("remember_absolute_timeout", "60d", "web"),
    ("remember_idle_timeout", None, "web"),
    ("rotate_every", None, "web"),
    ("rotate_every", "2d", "web"),
    ("rotation_grace", "31s", "web"),
    ("sweep_every", None, "web"),
    ("data_limit", 20_000, "web"),
    ("keep_ended", "1h", "web"),
    ("max_ended", 5, "web"),
    ("on_idle", "lock", "web"),
    ("idle_timeout", "16m", "critical"),
    ("persistent", True, "critical"),
    ("allow_remember", True, "nist_aal1"),
    ("aal", 3, "nist_aal2"),
    ("aal", None, "nist_aal3"),
]


@pytest.mark.parametrize(("name", "value", "profile"), LOOSER, ids=str)
def test_what_is_looser_than_the_profile_is_named(name: str, value: Any, profile: str) -> None:
    """7.1.1, X-21: a setting looser than its profile is named with what it lets happen and the line to write."""
    profiled = Policy.from_profile(profile)
    (one,) = explain(profiled.adjusted(**{name: value})).looser

    assert one.name == name
    assert one.why
    assert one.value != one.profile
    written = eval(f"dict({one.line})")  # noqa: S307 - the line is Python that the explanation printed
    assert written == {name: getattr(profiled, name)}
    assert explain(profiled.adjusted(**{name: value}).adjusted(**written)).looser == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"idle_timeout": "1h"},
        {"absolute_timeout": "8d"},
        {"rotate_every": "1h", "rotation_grace": "5s"},
        {"max_sessions": 3},
        {"persistent": False, "allow_remember": False, "remember_absolute_timeout": "60d"},
        {"on_theft": "end", "anonymous": False},
        {"renew_when": "1h"},
    ],
    ids=str,
)
def test_what_is_stricter_is_not_named(changes: dict[str, Any]) -> None:
    """A stricter setting, or one without effect, is no deviation."""
    assert explain(Policy(**changes)).looser == ()


def test_remembered_sign_ins_are_held_against_a_profile_that_has_none() -> None:
    """7.1.1, N-7: where the profile refuses to remember, its plain clocks bound those of remembered sign-ins."""
    policy = Policy.from_profile("nist_aal2").adjusted(
        allow_remember=True, remember_idle_timeout="400d", remember_absolute_timeout="400d"
    )
    looser = {one.name: one for one in explain(policy).looser}

    assert set(looser) == {"allow_remember", "remember_idle_timeout", "remember_absolute_timeout"}
    absolute, idle = looser["remember_absolute_timeout"], looser["remember_idle_timeout"]
    assert (absolute.value, absolute.profile, absolute.line) == (
        *("400 days", "1 day"), 'remember_absolute_timeout="24h"'
    )  # fmt: skip
    assert (idle.profile, idle.line) == ("1 hour", 'remember_idle_timeout="1h"')
    mended = policy.adjusted(remember_idle_timeout="1h", remember_absolute_timeout="24h")
    assert [one.name for one in explain(mended).looser] == ["allow_remember"]


def test_every_rule_of_what_is_looser_can_speak() -> None:
    """There is no rule that no profile and no policy can meet: all of them together name every option they know."""
    loosest = Policy(
        idle_timeout=None, absolute_timeout="400d", remember_idle_timeout=None, remember_absolute_timeout="400d",
        rotate_every=None, rotation_grace="1h", sweep_every=None, data_limit=20_000, keep_ended="1s", max_ended=1,
        on_idle="lock",
    )  # fmt: skip
    met = {one.name for name in (*PRESETS, *PROFILES) for one in looser_than(loosest, Policy.from_profile(name))}

    assert met == {*policy_looser._LONGER, *policy_looser._SHORTER, *policy_looser._OTHER, "aal"}


def test_a_profile_to_compare_with_can_be_named() -> None:
    """7.1.1: any policy can be held against any profile; an unknown one is told with those there are."""
    names = [one.name for one in explain(Policy(), "nist_aal3").looser]

    assert names == [
        *("absolute_timeout", "idle_timeout", "remember_absolute_timeout", "remember_idle_timeout"),
        *("allow_remember", "persistent", "aal"),
    ]
    with pytest.raises(ConfigurationError, match=r"nist_aal2.*sensitive"):
        explain(Policy(), "paranoid")


@pytest.mark.parametrize("name", [*PRESETS, *PROFILES])
def test_a_policy_remembers_its_profile(name: str) -> None:
    """A policy knows what it was made from, also after changes, and deviates from it in nothing by itself."""
    policy = Policy.from_profile(name)

    assert policy.profile == policy.adjusted(max_sessions=2).profile == name
    assert explain(policy).looser == ()
    assert all(getattr(policy, option) == value for option, value in {**PRESETS, **PROFILES}[name].settings.items())


def test_the_presets_are_the_verbs() -> None:
    """`Policy.web()` and its like are the presets of that name; which profile it was is no part of equality."""
    for name in PRESETS:
        assert getattr(Policy, name)() == Policy.from_profile(name)
        assert getattr(Policy, name)().profile == name
    assert Policy() == Policy(profile="critical")
    with pytest.raises(ConfigurationError, match="profile='x' is not known"):
        Policy(profile="x")
