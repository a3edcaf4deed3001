"""Why a session may end, who gives way at the limit, what a later sign-in excuses, and when a ticket is over."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.torture._cases import EVENTS, FOLLOWED, READ, REJECTS, TWO, as_read, broken, ended
from tests.torture._histories import ABSOLUTE, CLOCK, IDLE, TERMS, commit, op, sign_in, turned_away, visit
from torture.history import Op
from torture.judging.answers import ANSWERS
from torture.judging.causes import CAUSE
from torture.judging.clocks import EARLY
from torture.judging.giving_way import KIND, VICTIM
from torture.judging.graces import GRACE

S = sign_in("s", 0)
LATE = IDLE + 5


def replacing(at: float, session: str = "s") -> list[Op]:
    """Ann signs in at the browser that has the session."""
    load = visit(session, at - 1, request=2, **READ)
    return [load, *sign_in("v", at, request=2, source=session, note="carried")]


CAUSED: dict[str, list[Op]] = {
    "by its id": [op("revoke", 10, session="s"), ended("s", 10.5, "revoked")],
    "by its user": [op("revoke_user", 10, user="ann", note="t"), ended("s", 10.5, "revoked")],
    "with everybody": [op("revoke_all", 10), ended("s", 10.5, "revoked")],
    "by nobody knows": [op("revoke", 10, session="s", answer="unknown"), ended("s", 50, "revoked")],
    "by a sign-out": [op("logout", 10, session="s", ticket="ts"), ended("s", 10.5, "signed_out")],
    "by a sign-out without an answer": [op("logout", 10, session="s", answer="unknown"), ended("s", 50, "signed_out")],
    "by a sign-out too late": [op("logout", LATE, ticket="ts", answer="none"), ended("s", LATE + 0.5, "signed_out")],
    "by the sign-in that replaced it": [*replacing(10), ended("s", 10.5, "superseded")],
    "by the limit": [*sign_in("t", 5, request=4), *sign_in("u", 10, request=5), ended("s", 10.5, "evicted")],
    "by the idle clock": [ended("s", IDLE, "abandoned")],
    "by the absolute clock": [ended("s", ABSOLUTE, "expired")],
}

UNCAUSED: dict[str, list[Op]] = {
    "revoked by nobody": [ended("s", 10, "revoked")],
    "revoked too late": [op("revoke", 10, session="s"), ended("s", 12, "revoked")],
    "revoked too early": [ended("s", 9, "revoked"), op("revoke", 10, session="s")],
    "another was revoked": [*sign_in("t", 5, request=4), op("revoke", 10, session="t"), ended("s", 10.5, "revoked")],
    "another user was revoked": [op("revoke_user", 10, user="bob"), ended("s", 10.5, "revoked")],
    "a sign-out for a revocation": [op("logout", 10, session="s"), ended("s", 10.5, "revoked")],
    "another signed out": [*sign_in("t", 5, request=4), op("logout", 10, session="t"), ended("s", 10.5, "signed_out")],
    "a sign-in elsewhere": [*sign_in("v", 10, request=2), ended("s", 10.5, "superseded")],
    "somebody else's sign-in": [*sign_in("v", 10, user="bob", request=2), ended("s", 10.5, "evicted")],
    "its own sign-in": [ended("s", 0.5, "evicted")],
    "idle too early": [ended("s", IDLE - 1, "abandoned")],
    "idle, though it was renewed": [visit("s", 9, **as_read(idle=CLOCK + IDLE + 9)), ended("s", IDLE, "abandoned")],
    "expired too early": [ended("s", ABSOLUTE - 1, "expired")],
    "for a reason that there is not": [op("revoke", 10, session="s"), ended("s", 10.5, "taken")],
}


@pytest.mark.parametrize("how", CAUSED)
def test_an_end_may_have_any_of_its_causes(how: str) -> None:
    """Every way in which a session ends is a cause, and an unknown answer may be one (promise 2)."""
    assert CAUSE not in broken([*S, *CAUSED[how]])


@pytest.mark.parametrize("how", UNCAUSED)
def test_an_end_without_its_cause_is_found(how: str) -> None:
    """What happened to another session, to another user, at another time or otherwise is no cause (promise 2)."""
    assert CAUSE in broken([*S, *UNCAUSED[how]])


def test_a_sign_in_may_tell_that_it_replaced_what_was_expired() -> None:
    """The request had found it so; a slower one may have renewed it meanwhile (promise 8)."""
    load = op("load", IDLE + 1, ticket="ts", request=2, answer="none", note="idle")
    renewed = visit("s", IDLE + 3, request=3, **as_read(idle=CLOCK + 2 * IDLE))
    signed_in = sign_in("v", IDLE + 5, request=2, source="s", note="replaced")
    event = ended("s", IDLE + 5.5, "abandoned")
    assert CAUSE not in broken([*S, load, renewed, *signed_in, event])
    assert CAUSE in broken([*S, renewed, *signed_in, event])


def test_no_policy_that_evicts_rejects() -> None:
    """Nor one without a limit (promise 4)."""
    refused = [*TWO, op("login", 10, user="ann", answer="session_limit_reached")]
    assert broken(refused, REJECTS) == set()
    assert broken(refused, TERMS) == {KIND}
    assert broken(refused, replace(REJECTS, limit=None)) == {KIND}


def test_who_gives_way_is_judged_only_where_it_is_certain() -> None:
    """A renewal that may have come before the sign-in, or a session that may be over, leaves it open (promise 4)."""
    more = sign_in("u", 10, request=5)
    ops = [*TWO, *more, ended("t", 10.5, "evicted")]
    late = commit("s", 10.2, 12, request=9, change={"k": 1})
    assert broken(ops, EVENTS) == {VICTIM}
    assert broken([*ops, late], EVENTS) == set()
    assert broken([*ops, late], replace(EVENTS, at_limit="evict_oldest")) == {VICTIM}
    assert VICTIM not in broken([*ops, op("logout", 9, 12, session="s", request=8)], EVENTS)
    assert VICTIM not in broken([*ops, op("sweep", 3, answer="unknown")], EVENTS)


@pytest.mark.parametrize(
    ("terms", "others", "excused"),
    [(REJECTS, "tuv", False), (TERMS, "t", False), (TERMS, "tu", True), (replace(TERMS, limit=3), "tu", False)],
)
def test_a_later_sign_in_excuses_only_what_it_could_have_done(terms: Any, others: str, *, excused: bool) -> None:
    """With faults, end events may be missing; a session is still not lost to a limit that was not met (promise 8)."""
    later = [step for number, name in enumerate(others) for step in sign_in(name, 10 + number * 5, request=10 + number)]
    rules = broken([*S, *later, turned_away("s", 100)], terms)
    assert rules == (set() if excused else {EARLY})


def test_sign_ins_without_an_answer_may_have_met_the_limit() -> None:
    """Nobody saw what they made, and it counts all the same (promise 4)."""
    unknown = [op("login", 5, user="ann", answer="unknown", request=7), *sign_in("t", 10, request=8)]
    assert broken([*S, *unknown, turned_away("s", 100)]) == set()


def test_what_was_ended_before_does_not_meet_the_limit() -> None:
    """Unless a fault may have brought it back (promise 4)."""
    over = [*sign_in("t", 5, request=4), op("logout", 10, session="t", request=4)]
    ops = [*S, *over, *sign_in("u", 20, request=5), turned_away("s", 100)]
    assert broken(ops) == {EARLY}
    undoes = replace(TERMS, allowed={"failover": {"revocation": 1000}})
    assert broken([*ops, op("fault", 12, 15, note="failover")], undoes) == set()


@pytest.mark.parametrize(
    ("sight", "dead"),
    [
        (visit("s", 7, ticket="t2", request=3), True),
        (visit("s", 7, ticket="t2", request=3, due=True), False),
        (commit("s", 7, request=3, ticket="t2", change={"k": 1}), True),
        (replace(commit("s", 7, request=3, ticket="t2"), change={}), True),
        (commit("s", 7, request=3, ticket="t2", change={"k": 1}, answer="session_gone"), False),
    ],
)
def test_a_successor_was_seen_when_that_is_on_record(sight: Op, *, dead: bool) -> None:
    """A load that owes nothing shows it, and so does an answer that wrote; a refused one does not (promise 5)."""
    loaded = [] if sight.verb == "load" else [visit("s", 6.5, ticket="t2", request=3, due=True)]
    found = broken([*FOLLOWED[:3], *loaded, sight, visit("s", 3100, request=4, data=None)])
    assert (GRACE in found) is dead


def test_an_activity_that_may_be_refused_without_a_word_shows_nothing() -> None:
    """Roles that change meanwhile refuse it, and the answer says nothing of that (promise 5)."""
    loaded, touched = visit("s", 6, ticket="t2", request=3, due=True), commit("s", 9, request=3, ticket="t2")
    changed = op("set_roles", 7, user="ann", roles=("user",))
    late = visit("s", 3100, request=4)
    assert GRACE in broken([*FOLLOWED[:3], loaded, touched, late])
    assert GRACE not in broken([*FOLLOWED[:3], loaded, changed, touched, late])


def test_every_verb_has_its_answers() -> None:
    """The table is whole, and what a store says of itself is in no row (promise 12)."""
    assert not any("configuration" in codes or "unreadable_record" in codes for codes in ANSWERS.values())
    assert all("ok" in codes for codes in ANSWERS.values())


def test_a_ticket_of_another_session_is_no_successor() -> None:
    """A request that leaves its session alone and begins another was sent no successor of its ticket (promise 5)."""
    other = sign_in("v", 5, request=2, ticket="ts")
    other[1].ticket = "ts"
    ops = [*S, visit("s", 3, request=2), *other, visit("v", 7, request=3), visit("s", 3100, request=4)]
    assert GRACE not in broken(ops)
