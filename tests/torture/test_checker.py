"""Every rule of the checker finds the history that breaks it, and passes the nearest one that does not."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.torture._histories import ABSOLUTE, CLOCK, IDLE, NS, TERMS, commit, history, op, sign_in, turned_away, visit
from torture.history import Op, Terms
from torture.judging import judge
from torture.judging.minimising import minimise
from torture.judging.rules import RULES
from torture.telling import story

Case = tuple[list[Op], list[Op]]

READ: dict[str, Any] = {"seen": CLOCK, "idle": CLOCK + IDLE, "expires": CLOCK + ABSOLUTE}


def as_read(**facts: Any) -> dict[str, Any]:
    """What a look at a session finds, but for *facts*."""
    return {**READ, **facts}


EVENTS = replace(TERMS, exact=True)
ENDED = [*sign_in("s", 0), op("logout", 10, session="s", user="ann", request=3)]
ROTATED = [*sign_in("s", 0), visit("s", 5), op("rotate", 10, session="s", request=2, ticket="ts")]
TWO = [*sign_in("s", 0), *sign_in("t", 5, request=4)]
ROLES = op("set_roles", 10, user="ann", roles=("admin",))


def successor(at: float, name: str, request: int) -> Op:
    """A request with the first ticket is answered with a successor."""
    return op("save", at, session="s", request=request, ticket="ts", sent=name, note="loaded")


def refused_sign_in(at: float, **facts: Any) -> Op:
    """Ann's sign-in was refused: the epoch that it passed on is an old one."""
    return op("login", at, user="ann", answer="stale_login", request=7, **facts)


def counted(at: float, value: int) -> Op:
    """A transaction counted to *value*."""
    return op("transact", at, session="s", data={"n": value})


CASES: dict[str, Case] = {
    "only minted tickets open": (
        [*sign_in("s", 0), visit("s", 5, ticket="tx")],
        [*sign_in("s", 0), visit("s", 5)],
    ),
    "a made-up id leaves no row": (
        [op("get", 1, session="x", note="forged")],
        [op("get", 1, session="x", note="forged", answer="none")],
    ),
    "an id is given once": (
        [*sign_in("s", 0), *sign_in("s", 5, request=4)],
        [*sign_in("s", 0), op("login", 5, session=None, user="ann", answer="session_gone")],
    ),
    "no digest is shown": ([op("leak", 1, answer="leaked", note="repr")], [op("leak", 1)]),
    "nothing crashes": ([op("sweep", 1, answer="crashed")], [op("sweep", 1, answer="unknown")]),
    "dead stays dead": ([*ENDED, visit("s", 12)], [*ENDED, visit("s", 10.5)]),
    "a sign-in under way is refused": (
        [op("epoch", 0, user="ann"), op("revoke_user", 5, user="ann"), *sign_in("s", 10, epoch_at=NS)],
        [op("revoke_user", 5, user="ann"), op("epoch", 7, user="ann"), *sign_in("s", 10, epoch_at=8 * NS)],
    ),
    "a sign-in is refused only after a revocation": (
        [*sign_in("s", 0), op("epoch", 5, user="ann"), refused_sign_in(10, epoch_at=6 * NS)],
        [*sign_in("s", 0), op("epoch", 5, user="ann"), op("revoke_user", 6, user="ann"),
         refused_sign_in(10, epoch_at=6 * NS)],
    ),
    "a change is refused only for a reason": (
        [*sign_in("s", 0), visit("s", 5, **READ), commit("s", 10, change={"k1": 1}, answer="session_gone")],
        [*sign_in("s", 0), visit("s", 5, **READ), op("revoke", 8, 11, session="s"),
         commit("s", 10, change={"k1": 1}, answer="session_gone")],
    ),
    "a revocation reaches only its owner's": (
        [*sign_in("s", 0), op("revoke", 5, session="s", user="bob", note="foreign")],
        [*sign_in("s", 0), op("revoke", 5, session="s", user="bob", note="foreign", answer="none")],
    ),
    "one end event": (
        [*ENDED, op("event", 11, 11, session="s", note="signed_out"), op("event", 15, 15, session="s", note="revoked")],
        [*ENDED, op("event", 11, 11, session="s", note="signed_out")],
    ),
    "no acknowledged change is lost": (
        [*sign_in("s", 0), commit("s", 5, change={"k1": 1}), commit("s", 7, change={"k1": 2}),
         visit("s", 10, data={"k1": 1})],
        [*sign_in("s", 0), commit("s", 5, change={"k1": 1}), commit("s", 7, 12, change={"k1": 2}),
         visit("s", 10, data={"k1": 1})],
    ),
    "what was refused is not written": (
        [*sign_in("s", 0), commit("s", 5, change={"k1": 1}, answer="commit_refused"), visit("s", 10, data={"k1": 1})],
        [*sign_in("s", 0), commit("s", 5, change={"k1": 1}, answer="unknown"), visit("s", 10, data={"k1": 1})],
    ),
    "a counter counts every transaction": (
        [*sign_in("s", 0), counted(5, 1), counted(7, 1)],
        [*sign_in("s", 0), counted(5, 1), counted(7, 2)],
    ),
    "the limit holds": (
        [*TWO, *sign_in("u", 10, request=5), op("list", 20, user="ann", listed=("s", "t", "u"))],
        [*TWO, *sign_in("u", 10, request=5), op("list", 20, user="ann", listed=("t", "u"))],
    ),
    "nobody is refused or evicted below the limit": (
        [*TWO, op("revoke_user", 8, user="ann"), op("login", 10, user="ann", answer="session_limit_reached")],
        [*TWO, op("login", 10, user="ann", answer="session_limit_reached")],
    ),
    "a replaced ticket is dead at once": ([*ROTATED, visit("s", 12)], [*ROTATED, visit("s", 10.5)]),
    "nothing is changed from an older privilege": (
        [*sign_in("s", 0), visit("s", 5), op("rotate", 8, session="s", actor=2), commit("s", 10, change={"k1": 1})],
        [*sign_in("s", 0), visit("s", 5), op("rotate", 8, 11, session="s", actor=2), commit("s", 10, change={"k1": 1})],
    ),
    "changed roles are obeyed by the next request": (
        [*sign_in("s", 0), ROLES, visit("s", 12)],
        [*sign_in("s", 0), ROLES, visit("s", 10.5), visit("s", 12, roles=("admin",), request=3)],
    ),
    "no sign-in under way brings old roles back": (
        [ROLES, *sign_in("s", 15, epoch_at=9 * NS)],
        [ROLES, *sign_in("s", 15, epoch_at=12 * NS)],
    ),
    "everybody gets the same successor": (
        [*sign_in("s", 0), successor(5, "t2", 2), successor(7, "t3", 3)],
        [*sign_in("s", 0), successor(5, "t2", 2), successor(7, "t2", 3)],
    ),
    "a rotation by age signs nobody out": (
        [*sign_in("s", 0), visit("s", 4, **READ), successor(5, "t2", 2), turned_away("s", 10)],
        [*sign_in("s", 0), visit("s", 4, **READ), successor(5, "t2", 2), visit("s", 7, ticket="t2"),
         turned_away("s", 4000)],
    ),
    "reading writes nothing": (
        [*sign_in("s", 0), visit("s", 5, **READ), op("save", 7, session="s", request=2, note="loaded", wrote=1)],
        [*sign_in("s", 0), visit("s", 5, **READ),
         op("save", 2007, session="s", request=2, note="loaded", wrote=1)],
    ),
    "a request writes once": (
        [*sign_in("s", 0), visit("s", 5), replace(commit("s", 7, change={"x": 1}), wrote=2)],
        [*sign_in("s", 0), visit("s", 5), commit("s", 7, change={"x": 1})],
    ),
    "reading sets no cookie": (
        [*sign_in("s", 0), visit("s", 5),
         op("save", 7, session="s", request=2, note="loaded", ticket="ts", sent="ts")],
        [*sign_in("s", 0), visit("s", 5), op("save", 7, session="s", request=2, note="loaded", ticket="ts")],
    ),
    "nothing works past a deadline": (
        [*sign_in("s", 0), visit("s", IDLE + 1)],
        [*sign_in("s", 0), visit("s", 5), commit("s", IDLE - 1, change={"x": 1}),
         visit("s", IDLE + 1, request=3, data={"x": 1})],
    ),
    "the absolute deadline never moves": (
        [*sign_in("s", 0), visit("s", 5, **as_read(expires=CLOCK + ABSOLUTE + 1))],
        [*sign_in("s", 0), visit("s", 5, **READ)],
    ),
    "activity moves forward only": (
        [*sign_in("s", 0), visit("s", 5, **as_read(seen=CLOCK - 1))],
        [*sign_in("s", 0), visit("s", 5, **as_read(seen=CLOCK + 4))],
    ),
    "nobody is signed out before a deadline": (
        [*sign_in("s", 0), turned_away("s", 100)],
        [*sign_in("s", 0), turned_away("s", IDLE + 1)],
    ),
}  # fmt: skip


def broken(ops: list[Op], terms: Terms = TERMS) -> set[str]:
    """Return the rules that a history breaks."""
    return {found.rule for found in judge(history(*ops, terms=terms)).violations}


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_finds_what_breaks_it_and_passes_what_does_not(rule: str) -> None:
    """Each rule can fail, and does not cry wolf (promises 1 to 8 and 12)."""
    bad, good = CASES[rule]
    assert broken(bad) == {rule}
    assert broken(good) == set()


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
