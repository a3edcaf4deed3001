"""The page about its sessions that a team files: what it states, what marks it, and what the team adds."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import pytest

from coatcheck import Policy
from coatcheck.policy_mark import NOTHING_ADDED, added_by_hand, mark_in
from coatcheck.policy_report import Facts, report
from coatcheck.profiles import PRESETS, PROFILES

OPTIONS = [field.name for field in fields(Policy) if field.name != "profile"]


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
    """S-100, 7.1.1 to 7.1.3: timeouts and their source, the limit, other systems, and what a person has to add."""
    page = page_of(policy, store=("The store is SQLite.",), cookie=(("name", "__Host-session"),), same_site="lax")

    for heading in ("Timeouts", "Sessions at once", "Other systems that create sessions", "New secrets", "Remember me",
                    "Where sessions are kept", "The cookie", "What ends a session", "What is not covered",
                    "What the team adds"):  # fmt: skip
        assert f"\n## {heading}\n" in page
    assert {**PRESETS, **PROFILES}[policy.profile].source in page
    assert f"`{policy.profile}`" in page
    assert "NIST SP 800-63B-4" in page
    assert "2026-11-21" in page
    assert "coatcheck 1.2" in page
    assert not re.search(r"TODO|TBD|FIXME|\.\.\.\s*\||\{|None(?! of)|…", page)
    rows = re.findall(r"^\| (\w+) \|", page, re.MULTILINE)
    assert set(OPTIONS) <= set(rows)


@pytest.mark.parametrize("name", [*PRESETS, *PROFILES])
def test_the_page_of_each_profile_cites_what_its_reader_can_find(name: str) -> None:
    """7.1.1: sources are publications or coatcheck's own choice, without ids of lists that the reader does not have."""
    page = page_of(Policy.from_profile(name))

    assert not re.search(r"\b(N|SM|S|C|X)-\d", page)
    source = {**PRESETS, **PROFILES}[name].source
    assert source.startswith("coatcheck" if name in PRESETS else ("OWASP", "NIST"))
    assert ("NIST" in source) is name.startswith("nist")


def test_a_deviation_that_is_coatcheck_s_own_choice_is_stated() -> None:
    """7.1.1: the preset that remembers everybody says that NIST advises against it, and is no source of it."""
    page = page_of(Policy.remember_me())

    assert "although NIST SP 800-63B-4, section 5.1, advises against" in page
    assert "Source: coatcheck, docs/concepts.md, The default policy, read on" in page


def test_the_page_flags_what_is_looser_than_nist() -> None:
    """7.1.1: what is looser than table 3.2 stands on the page, for the level that the policy claims."""
    loose = page_of(Policy(aal=2))

    assert "claims assurance level 2" in loose
    assert re.search(r"\| idle_timeout \| 7 days \| 1 hour \|", loose)
    assert re.search(r"\| absolute_timeout \| 30 days \| 1 day \|", loose)
    assert "Nothing deviates" in page_of(Policy.from_profile("nist_aal3"))


def test_remembering_that_a_level_refuses_stands_on_the_page_with_its_clocks() -> None:
    """7.1.1, N-7: remembered clocks are held against the level's plain ones, although it remembers nobody."""
    remembering = {"allow_remember": True, "remember_idle_timeout": "400d", "remember_absolute_timeout": "400d"}

    page = page_of(Policy.from_profile("nist_aal2").adjusted(**remembering))

    assert page.count("| remember_absolute_timeout | 400 days | 1 day |") == 2
    assert page.count("| remember_idle_timeout | 400 days | 1 hour |") == 2


def test_names_from_outside_stay_in_their_cell() -> None:
    """A role or a name with Markdown's own characters breaks neither a table nor the last line."""
    page = page_of(Policy(default_roles=("a|b", "--> <script>")))

    assert r"a\|b, --> &lt;script>" in page
    assert mark_in(page) is not None


def test_nist_is_not_quoted_for_what_it_does_not_say() -> None:
    """7.1.1: only clocks, the cookie's life, remembering and levels are compared with NIST, and locking at level 3."""
    other = {"data_limit": 20_000, "sweep_every": None, "rotate_every": None, "keep_ended": "1s", "on_idle": "lock"}

    def compared(level: int) -> str:
        page = page_of(Policy.from_profile(f"nist_aal{level}").adjusted(**other))
        return page.partition("### Compared with NIST")[2].partition("\n## ")[0]

    assert "Nothing deviates" in compared(1)
    assert "Nothing deviates" in compared(2)
    assert re.findall(r"^\| (\w+) \|", compared(3), re.MULTILINE) == ["setting", "on_idle"]
    assert "| aal | any level | 1 |" in page_of(Policy())


CLOCKS = ("it was not used for as long", "its absolute deadline passes")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, [True, True]),
        ({"idle_timeout": None, "allow_remember": False}, [False, True]),
        ({"idle_timeout": None}, [True, True]),
        ({"absolute_timeout": None, "allow_remember": False}, [True, False]),
        ({"on_idle": "lock"}, [False, True]),
    ],
    ids=str,
)
def test_only_clocks_that_run_end_sessions(changes: dict[str, Any], told: list[bool]) -> None:
    """S-100: the page names each clock among the endings where one runs for some sign-in, and claims no other."""
    page = page_of(Policy(**changes))

    assert [clock in page for clock in CLOCKS] == told
    assert "Both clocks" not in page


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, [False, False]),
        ({"max_sessions": 2}, [True, False]),
        ({"max_sessions": 2, "at_limit": "reject"}, [False, False]),
        ({"on_theft": "end"}, [False, True]),
    ],
    ids=str,
)
def test_endings_by_limit_and_theft_are_named_where_they_happen(changes: dict[str, Any], told: list[bool]) -> None:
    """S-100: a sign-in at the limit ends a session unless it is refused; a copied ticket does under on_theft="end"."""
    page = page_of(Policy(**changes))

    assert ["pushes it out" in page, "its ticket was copied" in page] == told


def test_a_store_of_one_process_is_not_called_shared() -> None:
    """S-100: with memory:// neither the limit nor an ending reaches other processes, and the page says so."""
    own, shared = (page_of(Policy(max_sessions=2), shared=value) for value in (False, True))

    for said in ("counts its own sessions only", "the others are not told"):
        assert said in own
        assert said not in shared
    assert "coatcheck sessions revoke" in shared
    assert "coatcheck sessions revoke" not in own


def test_who_removes_what_is_over_is_said_as_far_as_it_is_known() -> None:
    """S-100: with the middleware the page says how often expired sessions are removed, without it who has to."""
    cookie = (("name", "__Host-session"),)

    assert "and are removed every 5 minutes." in page_of(Policy(), cookie=cookie)
    assert "without it `sweep_if_due()` has to be called" in page_of(Policy())
    assert "`coatcheck sweep` has to be run" in page_of(Policy(sweep_every=None), cookie=cookie)


# --- the mark, and what the team adds

STORE, COOKIE = ("The store is SQLite.",), (("name", "__Host-session"),)
REASON = "We keep browsers for 30 days because our users are gardeners.\n\nThe identity provider is Keycloak."


def facts_of(policy: Policy, name: str = "shop:app", **facts: Any) -> Facts:
    """Return facts of another day."""
    return Facts(name=name, policy=policy, dated="2027-01-01", **facts)


def test_the_page_knows_what_it_was_written_for() -> None:
    """S-100: the page's last line tells whether name, policy, store or cookie differ, as far as they are known."""
    page = page_of(Policy(), store=STORE, cookie=COOKIE).replace(NOTHING_ADDED, REASON)

    def state(policy: Policy, name: str = "shop:app", **facts: Any) -> str:
        return facts_of(policy, name, **facts).state_of(page)

    assert state(Policy(), store=STORE, cookie=COOKIE) == "current"
    assert state(Policy()) == "current"
    assert state(Policy(max_sessions=2)) == "outdated"
    assert state(Policy(profile="critical")) == "outdated"
    assert state(Policy(), store=("The store is Redis.",)) == "outdated"
    assert state(Policy(), cookie=(("name", "other"),)) == "outdated"
    assert state(Policy(), cookie=COOKIE, others=("another at /admin",)) == "outdated"
    assert state(Policy(), "bank:app", store=STORE, cookie=COOKIE) == "another"
    assert facts_of(Policy()).state_of("# Sessions, by hand") == "by hand"
    assert facts_of(Policy()).state_of("# Sessions\n\n<!-- coatcheck-policy 0123456789ab - - -->\n") == "outdated"


def test_a_page_that_was_changed_by_hand_is_noticed() -> None:
    """S-100: a changed word outside the team's part is noticed; inside it, and in line ends, it is not."""
    page, facts = page_of(Policy.critical()), facts_of(Policy.critical())

    assert facts.state_of(page) == "bare"
    assert facts.state_of(page.replace(NOTHING_ADDED, "")) == "bare"
    assert facts.state_of(page.replace(NOTHING_ADDED, REASON)) == "current"
    assert facts.state_of(page.replace(NOTHING_ADDED, REASON).replace("\n", "  \r\n")) == "current"
    assert facts.state_of(page.replace("15 minutes", "5 minutes")) == "edited"
    assert facts.state_of(page + "\nAll of this is void.\n") == "by hand"
    begin = next(line for line in page.splitlines() if line.endswith("part begins -->"))
    wider = page.replace(begin + "\n", "").replace("## The cookie", f"{begin}\n## The cookie")
    assert facts.state_of(wider) == "edited"
    assert facts.state_of(page.replace(NOTHING_ADDED, f"{REASON}\n{begin}")) == "edited"


def test_what_the_team_added_can_be_kept() -> None:
    """7.1.1, 7.1.3: deviations are named for the team to justify; what it wrote is found, and put into a new page."""
    assert added_by_hand(page_of(Policy())) == NOTHING_ADDED
    assert added_by_hand("# Sessions, by hand") is None
    again = report(facts_of(Policy(aal=1)), added=REASON)
    assert added_by_hand(again.replace("\n", "\r\n")) == REASON
    assert mark_in(again) is not None
    assert "for it: `allow_remember`, `persistent`." in again
    assert "nothing deviates above" in page_of(Policy.from_profile("nist_aal3"))
    with pytest.raises(ValueError, match="must each be there once"):
        added_by_hand(again.replace("part ends -->", ""))


def test_other_middlewares_are_named_on_the_page() -> None:
    """7.1.3: what the page does not describe is named on it."""
    assert "- the SessionMiddleware at /admin" in page_of(Policy(), others=("the SessionMiddleware at /admin",))
    assert "does not describe these" not in page_of(Policy())
