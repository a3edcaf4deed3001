"""What a fault may cost: only what the table of guarantees announces, of the steps just before it, and no more."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.torture._cases import ENDED, READ, TWO, as_read, counted
from tests.torture._histories import CLOCK, TERMS, commit, history, op, sign_in, visit
from torture.history import Op, Terms
from torture.judging import judge
from torture.judging.findings import Violation

FAILOVER = replace(TERMS, allowed={"failover": dict.fromkeys(("update", "session", "activity", "revocation"), 1000)})
REPEATS = replace(FAILOVER, repeated=frozenset({"failover"}))


def struck(at: float, end: float) -> Op:
    """A failover."""
    return op("fault", at, end, note="failover", actor=-1)


def losses(ops: list[Op], terms: Terms) -> tuple[set[str], set[str]]:
    """Return the rules that are broken, and those of announced losses."""
    findings = judge(history(*ops, terms=terms))
    return {each.rule for each in findings.violations}, {each.rule for each in findings.losses}


def test_a_loss_is_announced_or_a_violation() -> None:
    """The table of guarantees decides, and only for what lies near the fault (promise 2)."""
    ops = [*sign_in("s", 0), commit("s", 5, change={"k1": 1}), commit("s", 7, change={"k1": 2})]
    ops += [op("fault", 9, 20, note="failover"), visit("s", 30, data={"k1": 1})]

    def judged(allowed: dict[str, dict[str, int]]) -> tuple[list[Violation], list[Violation]]:
        findings = judge(history(*ops, terms=replace(TERMS, allowed=allowed)))
        return findings.violations, findings.losses

    violations, losses = judged({"failover": {"update": 1000}})
    assert (len(violations), len(losses)) == (0, 1)
    for row in ({}, {"failover": {"revocation": 1000}}, {"kill": {"update": 1000}}, {"failover": {"update": 0}}):
        violations, losses = judged(row)
        assert (len(violations), len(losses)) == (1, 0), row


def test_only_the_lost_step_must_lie_near_the_fault() -> None:
    """A session made just before a failover excuses nothing of what was lost long after it (promise 3)."""
    ops = [*sign_in("s", 8), struck(10, 20), commit("s", 50, change={"k1": 1}), commit("s", 60, change={"k1": 2})]
    ops.append(visit("s", 70, data={"k1": 1}))
    assert losses(ops, FAILOVER) == ({"no acknowledged change is lost"}, set())


def test_an_old_activity_may_not_be_lost_in_a_failover() -> None:
    """Renewals are lost like changes of data: of the last moment before it, not of the last minute (promise 8)."""
    old = [*sign_in("s", 0), visit("s", 100, **as_read(seen=CLOCK + 90)), visit("s", 5000, **READ, request=3)]
    assert losses([*old, struck(2000, 2500)], FAILOVER) == ({"activity moves forward only"}, set())
    assert losses([*old, struck(600, 2500)], FAILOVER) == (set(), {"activity moves forward only"})


def test_the_id_of_a_lost_sign_in_may_be_given_again() -> None:
    """A store that lost a session cannot know its id (promise 1); without a fault it must, and no deadline moves."""
    again = [*sign_in("s", 0), *sign_in("s", 50, request=4), visit("s", 60, **as_read(expires=CLOCK + 90_050))]
    rules = {"an id is given once", "the absolute deadline never moves"}
    assert losses(again, FAILOVER) == (rules, set())
    assert losses([*again, struck(10, 20)], FAILOVER) == (set(), rules)
    moved = [*sign_in("s", 0), struck(10, 20), visit("s", 60, **as_read(expires=CLOCK + 90_050))]
    assert losses(moved, FAILOVER)[0] == {"the absolute deadline never moves"}


def test_no_failover_excuses_a_passed_limit() -> None:
    """Three in one list are three, whatever was lost before; one that came back was dead before (promise 4)."""
    listed = op("list", 30, user="ann", listed=("s", "t", "u"))
    ops = [*TWO, struck(10, 12), *sign_in("u", 15, request=5)]
    assert losses([*ops, listed], FAILOVER)[0] == {"the limit holds"}

    seen = [visit("u", 14, request=6), visit("s", 30, request=7), visit("t", 31, request=8)]
    again = [*TWO, *sign_in("u", 10, request=5), *seen]
    assert losses(again, FAILOVER)[0] == {"the limit holds"}
    assert losses([*again, struck(20, 25)], FAILOVER)[0] == set()


def test_whoever_acknowledged_an_end_repeats_it_before_it_reads() -> None:
    """After a failover others may see the session until its worker asks again, and it itself never (promise 2)."""
    ops = [*ENDED, struck(20, 30)]
    alive: dict[str, Any] = {"request": 7}
    theirs, mine = visit("s", 40, actor=1001, **alive), visit("s", 40, actor=2, **alive)
    asked = op("list", 35, user="ann", listed=(), actor=2)
    assert losses([*ops, theirs], REPEATS) == (set(), {"dead stays dead"})
    assert losses([*ops, mine], REPEATS) == ({"dead stays dead"}, set())
    assert losses([*ops, asked, theirs], REPEATS) == ({"dead stays dead"}, set())
    assert losses([*ops, mine], FAILOVER) == (set(), {"dead stays dead"})


def test_as_many_transactions_as_are_missing_must_have_been_lost() -> None:
    """One transaction near the fault does not excuse that two are missing (promise 3)."""
    ops = [*sign_in("s", 0), counted(5, 1), counted(7, 2), counted(1500, 3), struck(1600, 1700)]
    assert losses([*ops, visit("s", 1800, data={"n": 2})], FAILOVER)[0] == set()
    assert losses([*ops, visit("s", 1800, data={"n": 1})], FAILOVER)[0] == {"a counter counts every transaction"}
