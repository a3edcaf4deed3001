"""The session's life under any order of events, by Hypothesis, in the pure core alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from coatcheck import ConfigurationError, Policy
from coatcheck.cookies import max_age_seconds
from coatcheck.durations import to_millis
from coatcheck.lifecycle import Verdict
from coatcheck.model import Millis, Record
from coatcheck.tokens import Ticket
from tests.fast._pure import START, One

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

POLICIES = {
    "web": Policy.web(),
    "sensitive": Policy.sensitive(),
    "no absolute": Policy(absolute_timeout=None, idle_timeout="2h"),
    "no idle": Policy(idle_timeout=None, absolute_timeout="2d"),
    "quarter": Policy(idle_timeout="4h", absolute_timeout="2d", renew_when="25%", rotate_every="1h"),
    "locks": Policy.from_profile("nist_aal2"),
    "hot": Policy(idle_timeout="1h", absolute_timeout="5h", rotate_every="10m", touch_every="0s", on_theft="end"),
}

jumps = st.one_of(
    st.integers(0, 2 * MINUTE), st.integers(0, 2 * HOUR), st.integers(0, 10 * DAY), st.sampled_from([1, 30_000, DAY])
)


class Life(RuleBasedStateMachine):
    """Visits, lost answers, rotations, ends, role changes and jumps in time, in any order."""

    policy = Policy()
    tickets: Bundle[Ticket] = Bundle("tickets")

    def __init__(self) -> None:
        """Sign in."""
        super().__init__()
        self.one = One(self.policy)
        self.absolute = self.one.record.expires_at
        self.held = self.one.ticket
        self.dead = self.one.record.dead_at(self.one.now) is not None
        self.idle = self.one.record.idle_expires_at or 0
        self.generation = self.version = 1

    @rule(target=tickets)
    def known(self) -> Ticket:
        """Let the current ticket be tried again later by whoever copied it."""
        return self.held

    @rule(changed=st.booleans(), looked=st.booleans(), may_rotate=st.booleans(), lost=st.booleans())
    def visit(self, changed: bool, looked: bool, may_rotate: bool, lost: bool) -> None:
        """Make the browser's request; its answer may be lost."""
        reply = self.one.visit(self.held, changed=changed, looked=looked, may_rotate=may_rotate)
        self.check(reply.verdict, wrote=reply.wrote)
        if reply.sent is not None and not lost:
            assert not self.dead
            self.held = reply.sent

    @rule(ticket=tickets, changed=st.booleans())
    def replay(self, ticket: Ticket, changed: bool) -> None:
        """Present a ticket that somebody once held."""
        reply = self.one.visit(ticket, changed=changed)
        self.check(reply.verdict, wrote=reply.wrote)

    @rule()
    def step_up(self) -> None:
        """Rotate by privilege; the ticket of before is dead at once and is no theft (ruling 14)."""
        before, following = self.held, self.one.rotate_by_privilege(self.held)
        if following is not None:
            assert not self.dead
            self.held = following
            late = self.one.visit(before, changed=True)
            assert late.verdict is not Verdict.LIVE
            assert (late.theft, late.wrote) == (False, False)

    @rule()
    def demote(self) -> None:
        """Change the roles from elsewhere."""
        self.one.set_roles("reader")

    @rule(jump=jumps)
    def wait(self, jump: Millis) -> None:
        """Let time pass."""
        self.one.now += jump
        record = self.one.found
        if not isinstance(record, Record) or record.dead_at(self.one.now) is not None:
            self.dead = True

    @precondition(lambda self: not self.dead)
    @rule(reason=st.sampled_from(["revoked", "signed_out", "evicted", "superseded"]))
    def end(self, reason: Any) -> None:
        """End the session by somebody's hand."""
        self.one.end(reason)
        self.dead = True

    @rule()
    def sweep(self) -> None:
        """Sweep, which buries only what is dead."""
        self.one.sweep()
        assert self.dead or isinstance(self.one.found, Record)

    def check(self, verdict: Verdict, *, wrote: bool) -> None:
        """Hold the laws that every answer obeys."""
        assert not (self.dead and (verdict is Verdict.LIVE or wrote))
        assert self.absolute is None or self.one.now < self.absolute or verdict is not Verdict.LIVE

    @invariant()
    def nothing_moves_back(self) -> None:
        """Hold the laws that every record obeys."""
        record = self.one.found
        if not isinstance(record, Record):
            return
        assert record.expires_at == self.absolute
        assert record.created_at == START
        assert (record.idle_expires_at or 0) >= self.idle
        assert record.generation >= self.generation
        assert record.version >= self.version
        self.idle, self.generation, self.version = record.idle_expires_at or 0, record.generation, record.version


@pytest.mark.parametrize("name", POLICIES)
def test_dead_stays_dead_and_the_deadline_stands(name: str) -> None:
    """S-31, S-33, S-37, promises 2 and 8: no order of inputs revives a session or moves its absolute deadline."""
    kind = type("Life", (Life,), {"policy": POLICIES[name]})
    run_state_machine_as_test(kind, settings=settings(max_examples=80, stateful_step_count=40, deadline=None))


@pytest.mark.parametrize(
    ("policy", "days"), [(Policy.web(), 20), (Policy(renew_when="25%"), 20), (Policy(renew_when="1h"), 6)], ids=repr
)
def test_daily_visitor(policy: Policy, days: int) -> None:
    """S-35: who comes daily at the same hour stays signed in for 20 days, but only 6 by the articles' one-hour rule."""
    one = One(policy)
    held, lived = one.ticket, 0
    for _ in range(20):
        one.now += DAY
        reply = one.visit(held)
        if reply.verdict is not Verdict.LIVE:
            break
        held, lived = reply.sent or held, lived + 1
    assert lived == days


MONTHS = {
    "web": Policy.web(),
    "renewed under an hour": Policy(renew_when="1h", idle_timeout="3d"),
    "no absolute": Policy(absolute_timeout=None, idle_timeout="3d"),
    "no absolute, renewed under a quarter": Policy(absolute_timeout=None, idle_timeout="3d", renew_when="25%"),
    "no idle": Policy(idle_timeout=None, absolute_timeout="9d"),
    "odd milliseconds": Policy(absolute_timeout="777777777ms", idle_timeout="333333333ms"),
    "browser session": Policy.sensitive().adjusted(absolute_timeout="20d", idle_timeout="2d"),
}


@pytest.mark.parametrize("name", MONTHS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    gaps=st.lists(st.one_of(st.integers(1, HOUR), st.integers(1, 3 * DAY)), min_size=5, max_size=40),
    lost=st.lists(st.booleans(), min_size=40, max_size=40),
    changed=st.booleans(),
)
def test_cookie_and_record_agree(name: str, gaps: list[Millis], lost: list[bool], changed: bool) -> None:
    """S-36, ruling 17: the cookie never dies before the record nor outlives the absolute deadline by a second."""
    policy = MONTHS[name]
    one = One(policy)
    held, dies = one.ticket, _death(one, one.record.expires_at or one.record.idle_expires_at)
    for gap, drops in zip(gaps, lost, strict=False):
        one.now += gap
        dead = one.record.dead_at(one.now) is not None
        if dies is not None and one.now >= dies:
            assert dead
            return
        reply = one.visit(held, changed=changed)
        assert (reply.verdict is Verdict.LIVE) is not dead
        if dead:
            return
        # A renewal whose answer is lost cannot reach the cookie; only an absolute deadline makes it needless.
        if reply.sent is not None and not (drops and one.record.expires_at is not None):
            held, dies = reply.sent, _death(one, reply.deadline)
        if dies is not None and one.record.expires_at is not None:
            assert dies < one.record.expires_at + 1000
        assert (dies is None) is not policy.persistent


def _death(one: One, deadline: Millis | None) -> Millis | None:
    """Return when a browser drops a cookie that it receives now."""
    if deadline is None or not one.record.persistent:
        return None
    return one.now + 1000 * max_age_seconds(deadline, one.now)


@settings(max_examples=60, deadline=None)
@given(order=st.permutations(range(6)), changed=st.lists(st.booleans(), min_size=6, max_size=6), again=st.booleans())
def test_parallel_requests_get_one_successor(order: list[int], changed: list[bool], again: bool) -> None:
    """Ruling 3, promise 5: any number of requests with the old secret at a rotation by age get the same successor."""
    one = One(Policy(rotate_every="1h"))
    one.now += HOUR
    requests = [one.arrive(one.ticket) for _ in range(6)]
    replies = [one.leave(requests[index], changed=changed[index]) for index in order]
    if again:
        replies.append(one.visit(one.ticket))
    assert {reply.verdict for reply in replies} == {Verdict.LIVE}
    assert len({reply.sent for reply in replies}) == 1
    assert replies[0].sent not in (None, one.ticket)


@settings(max_examples=60, deadline=None)
@given(gaps=st.lists(st.integers(1, 20 * HOUR), min_size=1, max_size=12))
def test_lost_answers_sign_nobody_out(gaps: list[Millis]) -> None:
    """Ruling 3: however often the answer that carries the new secret is lost, the old one opens the session."""
    one = One(Policy.web())
    one.now += DAY
    first = one.visit(one.ticket)
    for gap in gaps:
        one.now += gap
        reply = one.visit(one.ticket)
        assert (reply.verdict, reply.theft, reply.sent) == (Verdict.LIVE, False, first.sent)


@settings(max_examples=40, deadline=None)
@given(gaps=st.lists(st.integers(0, 5 * MINUTE), min_size=1, max_size=60), changed=st.booleans())
def test_writes_are_throttled(gaps: list[Millis], changed: bool) -> None:
    """S-38, promise 6: reading writes activity at most once per touch_every, and last_seen is right to within it."""
    policy = Policy(rotate_every=None, touch_every="1m")
    one, wrote = One(policy), [START]
    for gap in gaps:
        one.now += gap
        if one.visit(one.ticket, changed=changed and gap == 0).wrote and not changed:
            wrote.append(one.now)
        assert one.now - one.record.last_seen_at < MINUTE
    assert all(later - earlier >= MINUTE for earlier, later in pairwise(wrote))


@pytest.mark.parametrize("rule", ["10s", "1%", "30s", "5m", "50%"])
def test_visitor_inside_the_window_is_renewed(rule: str) -> None:
    """S-35: a request in the window that renew_when names renews, also where touch_every is longer than the window."""
    try:
        policy = Policy(idle_timeout="30m", absolute_timeout="12h", renew_when=rule, rotate_every=None)
    except ConfigurationError:
        return  # to refuse such a rule when the policy is built is as good
    one = One(policy)
    deadline = one.record.idle_expires_at or 0
    one.now = deadline - 45_000
    one.visit(one.ticket)
    one.now = (one.record.idle_expires_at or 0) - 5_000
    one.visit(one.ticket)
    assert (one.record.idle_expires_at or 0) >= one.now + to_millis("29m")
