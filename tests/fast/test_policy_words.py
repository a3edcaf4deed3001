"""A policy in words: the sentence, where each setting comes from, what is looser, and the page a team files."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from coatcheck import ConfigurationError, Policy
from coatcheck.policy_report import Facts, mark_in, report
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
    ("allow_remember", True, "nist_aal3"),
    ("aal", 3, "nist_aal2"),
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


def test_a_profile_to_compare_with_can_be_named() -> None:
    """7.1.1: any policy can be held against any profile; an unknown one is told with those there are."""
    names = [one.name for one in explain(Policy(), "nist_aal3").looser]

    assert names == ["absolute_timeout", "idle_timeout", "allow_remember", "persistent"]
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


# --- the page


def page_of(policy: Policy, **facts: Any) -> str:
    """Return the page of an application with that policy."""
    return report(Facts(name="shop:app", policy=policy, dated="2026-11-21", versions=(("coatcheck", "1.2"),), **facts))


@pytest.mark.parametrize(
    "policy",
    [
        Policy(),
        Policy.critical(),
        Policy.from_profile("nist_aal2"),
        Policy(max_sessions=3, on_theft="end", sweep_every=None, rotate_every=None),
    ],
)
def test_the_page_states_what_is_asked_for(policy: Policy) -> None:
    """S-100, 7.1.1 to 7.1.3: timeouts and their source, the limit, other systems, and nothing left to fill in."""
    page = page_of(policy, store=("The store is SQLite.",), cookie=(("name", "__Host-session"),), same_site="lax")

    for heading in ("Timeouts", "Sessions at once", "Other systems that create sessions", "New secrets", "Remember me",
                    "Where sessions are kept", "The cookie", "What ends a session", "What is not covered"):  # fmt: skip
        assert f"\n## {heading}\n" in page
    assert {**PRESETS, **PROFILES}[policy.profile].source in page
    assert f"`{policy.profile}`" in page
    assert "NIST SP 800-63B-4" in page
    assert "2026-11-21" in page
    assert "coatcheck 1.2" in page
    assert not re.search(r"TODO|TBD|FIXME|\.\.\.\s*\||\{|None(?! of)|…", page)
    rows = re.findall(r"^\| (\w+) \|", page, re.MULTILINE)
    assert set(OPTIONS) <= set(rows)


def test_the_page_flags_what_is_looser_than_nist() -> None:
    """7.1.1: what is looser than table 3.2 stands on the page, for the level that the policy claims."""
    loose = page_of(Policy(aal=2))

    assert "claims assurance level 2" in loose
    assert re.search(r"\| idle_timeout \| 7 days \| 1 hour \|", loose)
    assert re.search(r"\| absolute_timeout \| 30 days \| 1 day \|", loose)
    assert "Nothing deviates" in page_of(Policy.from_profile("nist_aal3"))


def test_names_from_outside_stay_in_their_cell() -> None:
    """A role or a name with Markdown's own characters breaks neither a table nor the last line."""
    page = page_of(Policy(default_roles=("a|b", "--> <script>")))

    assert r"a\|b, --> &lt;script>" in page
    assert mark_in(page) is not None


def test_the_page_knows_what_it_was_written_for() -> None:
    """S-100: the page's last line tells whether policy, store or cookie changed since, as far as they are known."""
    store, cookie = ("The store is SQLite.",), (("name", "__Host-session"),)
    mark = mark_in(page_of(Policy(), store=store, cookie=cookie))
    assert mark is not None

    def agrees(policy: Policy, **facts: Any) -> bool:
        return Facts(name="x", policy=policy, dated="2027-01-01", **facts).agrees_with(mark)

    assert agrees(Policy(), store=store, cookie=cookie)
    assert agrees(Policy())
    assert not agrees(Policy(max_sessions=2))
    assert not agrees(Policy(profile="critical"))
    assert not agrees(Policy(), store=("The store is Redis.",))
    assert not agrees(Policy(), cookie=(("name", "other"),))
    assert mark_in("# Sessions, by hand") is None
