"""Every rule of the checker finds the history that breaks it, and passes the nearest one that does not."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.torture._cases import CASES, ENDED, EVENTS, TERMS_OF, broken
from tests.torture._histories import ABSOLUTE, CLOCK, IDLE, TERMS, commit, history, op, sign_in, turned_away, visit
from torture.history import Op
from torture.judging import judge
from torture.judging.minimising import minimise
from torture.judging.rules import RULES
from torture.telling import story


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_finds_what_breaks_it_and_passes_what_does_not(rule: str) -> None:
    """Each rule can fail, and does not cry wolf (promises 1 to 9 and 12)."""
    bad, good = CASES[rule]
    terms = TERMS_OF.get(rule, TERMS)
    assert broken(bad, terms) == {rule}
    assert broken(good, terms) == set()


def test_every_rule_has_its_case() -> None:
    """No rule is trusted that was not seen to fail."""
    assert set(CASES) == set(RULES)


def test_a_session_without_an_end_event_is_found_where_all_were_collected() -> None:
    """Exactly one end event for each session, among all processes."""
    assert broken(ENDED, EVENTS) == {"one end event"}
    assert broken(ENDED, TERMS) == set()


def test_an_unknown_answer_is_either_or() -> None:
    """A revocation that the store did not answer may have happened or not (promise 9)."""
    unknown = [*sign_in("s", 0), op("logout", 10, session="s", answer="unknown")]
    assert broken([*unknown, visit("s", 20)]) == set()
    assert broken([*unknown, turned_away("s", 20)]) == set()


def test_an_unknown_commit_may_come_late() -> None:
    """A write without an answer may take effect after a later one (promise 3)."""
    ops = [*sign_in("s", 0), commit("s", 5, change={"k1": 1}, answer="unknown"), commit("s", 8, change={"k1": 2})]
    assert broken([*ops, visit("s", 12, data={"k1": 1})]) == set()


@pytest.mark.parametrize("verb", ["revoke_user", "revoke_all"])
def test_an_unknown_revocation_may_come_late(verb: str) -> None:
    """It may reach a session that was made after it was asked for; an acknowledged one may not (promise 9)."""
    user = "ann" if verb == "revoke_user" else None
    ops = [*sign_in("s", 10), turned_away("s", 20)]
    assert broken([op(verb, 0, user=user, answer="unknown"), *ops]) == set()
    assert broken([op(verb, 0, user=user), *ops]) == {"nobody is signed out before a deadline"}


def test_an_unknown_change_of_roles_may_come_late() -> None:
    """A store that owes a change of roles may make it after its caller was told that nobody knows (promise 5)."""
    ops = [*sign_in("s", 10), visit("s", 20, roles=("admin",))]
    assert broken([op("set_roles", 0, user="ann", roles=("admin",), answer="unknown"), *ops]) == set()
    assert broken([op("set_roles", 0, user="ann", roles=("admin",)), *ops]) == {
        "changed roles are obeyed by the next request"
    }


def test_data_is_followed_through_a_sign_in() -> None:
    """What an anonymous session had is in the session of its sign-in, unless the user was another (promises 3, 5)."""
    made = op("save", 0, made="a", request=1, sent="ta", change={"k1": 1}, wrote=1, idle=CLOCK + IDLE)
    load = op("load", 3, session="a", ticket="ta", request=2, idle=CLOCK + IDLE, data={"k1": 1})

    def then(note: str, data: dict[str, int]) -> list[Op]:
        return [made, load, *sign_in("s", 5, request=2, source="a", note=note), visit("s", 10, request=4, data=data)]

    assert broken(then("carried", {"k1": 1})) == set()
    assert broken(then("carried", {})) == {"no acknowledged change is lost"}
    assert broken(then("replaced", {})) == set()
    assert broken(then("replaced", {"k1": 1})) == {"what was refused is not written"}


def test_a_change_of_privilege_that_nobody_made_refuses_nothing() -> None:
    """A change of data is refused after a change of privilege, and only then (promise 3)."""
    ops = [*sign_in("s", 0), visit("s", 5), commit("s", 10, change={"k1": 1}, answer="privilege_changed")]
    assert broken(ops) == {"a change is refused only for a reason"}
    assert broken([*ops, op("rotate", 7, session="s", actor=2)]) == set()


def test_reading_by_id_writes_nothing() -> None:
    """Neither a look at one session nor a list asks the store for a write (promise 6)."""
    assert broken([op("list", 5, user="ann", listed=(), wrote=1)]) == {"reading writes nothing"}
    assert broken([op("list", 5, user="ann", listed=())]) == set()


def test_a_session_that_expired_has_its_event_too() -> None:
    """A sweep past its absolute deadline tells of it, or somebody told before (promise 2)."""
    ops = [*sign_in("s", 0), op("sweep", ABSOLUTE + 5)]
    assert broken(ops, EVENTS) == {"one end event"}
    assert broken([*ops, op("event", ABSOLUTE + 6, session="s", note="expired")], EVENTS) == set()


def test_a_rule_counts_as_tested_only_where_it_could_have_failed() -> None:
    """A look that could not have shown anything is no evidence."""
    checked = judge(history(*sign_in("s", 0), visit("s", 5), op("leak", 8, answer="configuration"))).checked
    never = {
        "dead stays dead", "a sign-in under way is refused", "no acknowledged change is lost", "one end event",
        "a replaced ticket is dead at once", "nothing is changed from an older privilege", "no digest is shown",
        "changed roles are obeyed by the next request", "nothing works past a deadline",
        "no sign-in under way brings old roles back",
    }  # fmt: skip
    assert not {rule for rule in never if checked[rule]}
    assert checked["only minted tickets open"] == 1


def test_a_promise_that_is_not_offered_is_not_judged() -> None:
    """A rival without a limit breaks no limit."""
    terms: Any = replace(TERMS, promises=frozenset({1, 2}))
    assert broken(CASES["the limit holds"][0], terms) == set()


def test_the_smallest_story_is_the_one_that_its_text_tells() -> None:
    """Another end that would show the same is not put in the place of the one that is named (promise 2)."""
    ends = [op("revoke", 8, session="s"), op("logout", 12, session="s", user="ann", request=3)]
    whole = history(*sign_in("s", 0), *ends, visit("s", 20, request=9))
    (found,) = judge(whole).violations
    small = minimise(whole, found)
    assert "was over by revoke" in small.text
    assert "revoke" in {op.verb for op in small.ops}


def test_the_smallest_story_is_small_is_small_and_still_breaks_the_promise() -> None:
    """What does not matter is left out, and the offending step comes last."""
    noise = [step for n in range(30) for step in (visit("s", 20 + n * 0.1, request=40 + n), *sign_in(f"n{n}", n * 0.1))]
    whole = history(*ENDED, *noise, visit("s", 60, request=99), terms=replace(TERMS, limit=None))
    found = next(each for each in judge(whole).violations if each.culprit.request == 99)
    small = minimise(whole, found)
    assert small.names == found.names
    assert small.culprit is found.culprit
    assert len(small.ops) <= 4
    assert judge(history(*small.ops)).violations
    assert story(small)[0].startswith("promise 2, dead stays dead")
    assert story(small)[-1].startswith("->")
