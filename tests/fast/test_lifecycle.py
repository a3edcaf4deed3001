"""Every cell of the two tables: what a ticket opens, and what its answer does."""

from __future__ import annotations

from typing import Any

import pytest

from coatcheck import Policy, tokens
from coatcheck.lifecycle import (
    LATE_WINDOW,
    Cookie,
    Holder,
    Judgement,
    Settlement,
    Step,
    Verdict,
    cookie_deadline,
    deadlines,
    judge,
    renewed,
    settle,
)
from coatcheck.model import Damaged, Found, FromTheFuture, Record, entomb, replace
from coatcheck.tokens import Ticket

NOW = 1_800_000_000_000
MINUTE = 60_000
TICKET = Ticket("0" + "A" * 25, "A" * 43)
OLD = Ticket(TICKET.id, "B" * 42 + "A")
WRONG = Ticket(TICKET.id, "C" * 42 + "A")
POLICY = Policy.sensitive()
AT_LIFE = {"created_at": NOW, "last_seen_at": NOW, "rotated_at": NOW, "confirmed_at": NOW}


def record(**fields: Any) -> Record:
    """Make a session of 30 minutes idle and 12 hours in all that began at `NOW`."""
    idle, absolute = deadlines(POLICY.span("default"), NOW)
    given = {"idle_expires_at": idle, "expires_at": absolute, "user_id": "ada", **AT_LIFE, **fields}
    return Record(id=TICKET.id, secret_digest=tokens.digest(TICKET), **given)


def rotated(**fields: Any) -> Record:
    """Make a session whose secret was `OLD` until a rotation by age."""
    return record(**{"previous_digest": tokens.digest(OLD), "successor_nonce": b"n", "confirmed_at": None, **fields})


LIVE, IDLE, EXPIRED, ENDED, LOCKED, UNKNOWN = (
    Verdict.LIVE, Verdict.IDLE_EXPIRED, Verdict.EXPIRED, Verdict.ENDED, Verdict.LOCKED, Verdict.UNKNOWN
)  # fmt: skip
HALF_HOUR, HALF_DAY, GRACE = 30 * MINUTE, 720 * MINUTE, 30_000
BUSY = {"idle_expires_at": NOW + 2 * HALF_DAY}

# found, presented, milliseconds after NOW, verdict, holder, reason
JUDGEMENTS: list[tuple[Found, Ticket, int, Verdict, Holder, str | None]] = [
    (None, TICKET, 0, UNKNOWN, Holder.NOBODY, None),
    (Damaged(TICKET.id, "torn"), TICKET, 0, UNKNOWN, Holder.NOBODY, None),
    (FromTheFuture(TICKET.id, 9), TICKET, 0, UNKNOWN, Holder.NOBODY, None),
    (record(), WRONG, 0, UNKNOWN, Holder.NOBODY, None),
    (record(), WRONG, HALF_DAY, UNKNOWN, Holder.NOBODY, None),
    (entomb(record(), "revoked", NOW), WRONG, 0, UNKNOWN, Holder.NOBODY, None),
    (record(), TICKET, 0, LIVE, Holder.CURRENT, None),
    (record(), TICKET, HALF_HOUR - 1, LIVE, Holder.CURRENT, None),
    (record(), TICKET, HALF_HOUR, IDLE, Holder.CURRENT, "idle"),
    (record(**BUSY), TICKET, HALF_DAY - 1, LIVE, Holder.CURRENT, None),
    (record(**BUSY), TICKET, HALF_DAY, EXPIRED, Holder.CURRENT, "absolute"),
    (record(), TICKET, 2 * HALF_DAY, IDLE, Holder.CURRENT, "idle"),
    (record(idle_expires_at=NOW + HALF_DAY), TICKET, HALF_DAY, EXPIRED, Holder.CURRENT, "absolute"),
    (record(idle_expires_at=None), TICKET, HALF_DAY - 1, LIVE, Holder.CURRENT, None),
    (record(expires_at=None), TICKET, HALF_HOUR - 1, LIVE, Holder.CURRENT, None),
    (record(locks=True), TICKET, HALF_HOUR, LOCKED, Holder.CURRENT, "locked"),
    (record(locks=True, **BUSY), TICKET, HALF_DAY, EXPIRED, Holder.CURRENT, "absolute"),
    (rotated(), OLD, 10 * MINUTE, LIVE, Holder.WAITING, None),
    (rotated(), OLD, HALF_HOUR, IDLE, Holder.WAITING, "idle"),
    (rotated(confirmed_at=NOW), OLD, GRACE - 1, LIVE, Holder.GRACE, None),
    (rotated(confirmed_at=NOW), OLD, GRACE, ENDED, Holder.LATE, "superseded"),
    (rotated(confirmed_at=NOW), TICKET, GRACE, LIVE, Holder.CURRENT, None),
    (rotated(successor_nonce=None), OLD, 0, ENDED, Holder.REPLACED, "superseded"),
    (rotated(successor_nonce=None, confirmed_at=NOW), OLD, 1, ENDED, Holder.REPLACED, "superseded"),
    *(
        (entomb(record(), reason, NOW), TICKET, 0, ENDED, Holder.CURRENT, reason)
        for reason in ("signed_out", "revoked", "evicted", "idle", "absolute", "superseded")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("found", "presented", "after", "verdict", "holder", "reason"), JUDGEMENTS)
def test_judge(
    found: Found, presented: Ticket, after: int, verdict: Verdict, holder: Holder, reason: str | None
) -> None:
    """S-31, S-41, rulings 3 and 14: each cell of judge, with each deadline a millisecond before and on it."""
    judged = judge(found, tokens.digest(presented), POLICY, NOW + after)
    assert judged == Judgement(verdict, holder, reason, recent=reason == "superseded")
    assert judged.theft is (holder is Holder.LATE)


def settled(judgement: Judgement, found: Record | None, after: int = 0, **facts: Any) -> Settlement:
    """Settle a request that looked, under the policy of this file."""
    given: dict[str, Any] = {"changed": False, "looked": True, "may_rotate": True, **facts}
    return settle(judgement, found, given.pop("policy", POLICY), NOW + after, **given)


def live(holder: Holder) -> Judgement:
    """Judge a live session of this holder."""
    return Judgement(LIVE, holder)


AGED, DEMOTED = {"rotated_at": NOW - 24 * 60 * MINUTE}, {"rotate_due": True}
FOREVER: dict[str, Any] = {"expires_at": None, "persistent": True}

# holder, fields, minutes after NOW, changed, may rotate, step, cookie, whether activity is written
LIVE_ROWS: list[tuple[Holder, dict[str, Any], int, bool, bool, Step, Cookie, bool]] = [
    (Holder.CURRENT, AGED, 0, False, True, Step.ROTATE, Cookie.SEND, True),
    (Holder.CURRENT, AGED, 0, True, True, Step.ROTATE, Cookie.SEND, True),
    (Holder.CURRENT, DEMOTED, 0, False, True, Step.ROTATE, Cookie.SEND, True),
    (Holder.CURRENT, AGED, 0, False, False, Step.NOTHING, Cookie.KEEP, False),
    (Holder.CURRENT, DEMOTED, 0, True, False, Step.COMMIT, Cookie.KEEP, False),
    (Holder.CURRENT, {}, 0, True, True, Step.COMMIT, Cookie.KEEP, False),
    (Holder.CURRENT, {}, 1, True, True, Step.COMMIT, Cookie.KEEP, True),
    (Holder.CURRENT, {}, 0, False, True, Step.NOTHING, Cookie.KEEP, False),
    (Holder.CURRENT, {}, 1, False, True, Step.TOUCH, Cookie.KEEP, True),
    (Holder.CURRENT, FOREVER, 0, False, True, Step.NOTHING, Cookie.KEEP, False),
    (Holder.CURRENT, FOREVER, 1, False, True, Step.TOUCH, Cookie.SEND, True),
    (Holder.CURRENT, FOREVER, 1, True, True, Step.COMMIT, Cookie.SEND, True),
    (Holder.CURRENT, {**FOREVER, "persistent": False}, 1, False, True, Step.TOUCH, Cookie.KEEP, True),
    (Holder.WAITING, {}, 0, False, True, Step.NOTHING, Cookie.SEND, False),
    (Holder.WAITING, {}, 1, False, True, Step.TOUCH, Cookie.SEND, True),
    (Holder.WAITING, {}, 0, True, True, Step.COMMIT, Cookie.SEND, False),
    (Holder.WAITING, AGED, 0, False, True, Step.NOTHING, Cookie.SEND, False),
    (Holder.WAITING, {}, 0, True, False, Step.COMMIT, Cookie.KEEP, False),
    (Holder.WAITING, {}, 0, False, False, Step.NOTHING, Cookie.KEEP, False),
    (Holder.GRACE, {}, 0, False, True, Step.NOTHING, Cookie.KEEP, False),
    (Holder.GRACE, AGED, 1, False, True, Step.TOUCH, Cookie.KEEP, True),
    (Holder.GRACE, {}, 0, True, True, Step.COMMIT, Cookie.KEEP, False),
]


@pytest.mark.parametrize(("holder", "fields", "after", "changed", "may_rotate", "step", "cookie", "active"), LIVE_ROWS)
def test_settle_live(
    holder: Holder,
    fields: dict[str, Any],
    after: int,
    changed: bool,
    may_rotate: bool,
    step: Step,
    cookie: Cookie,
    active: bool,
) -> None:
    """Promise 6, rulings 3, 14 and 17: each row of settle for a live session."""
    base = record(**fields) if holder is Holder.CURRENT else rotated(**fields)
    answer = settled(live(holder), base, after * MINUTE, changed=changed, may_rotate=may_rotate)
    assert (answer.step, answer.cookie, answer.seen is not None) == (step, cookie, active)


@pytest.mark.parametrize(
    ("verdict", "reason", "unchanged", "changed"),
    [
        (EXPIRED, "absolute", (Step.NOTHING, Cookie.DELETE), (Step.CREATE, Cookie.SEND)),
        (IDLE, "idle", (Step.NOTHING, Cookie.DELETE), (Step.CREATE, Cookie.SEND)),
        (ENDED, "signed_out", (Step.NOTHING, Cookie.DELETE), (Step.CREATE, Cookie.SEND)),
        (ENDED, "revoked", (Step.NOTHING, Cookie.DELETE), (Step.CREATE, Cookie.SEND)),
        (ENDED, "evicted", (Step.NOTHING, Cookie.DELETE), (Step.CREATE, Cookie.SEND)),
        (ENDED, "superseded", (Step.NOTHING, Cookie.KEEP), (Step.CREATE, Cookie.SEND)),
        (LOCKED, "locked", (Step.NOTHING, Cookie.KEEP), (Step.CREATE, Cookie.SEND)),
        (UNKNOWN, None, (Step.NOTHING, Cookie.KEEP), (Step.CREATE, Cookie.SEND)),
    ],
)
def test_settle_dead(
    verdict: Verdict, reason: str | None, unchanged: tuple[Step, Cookie], changed: tuple[Step, Cookie]
) -> None:
    """Promise 11, ruling 5: each row of settle for a ticket that opens nothing."""
    judgement = Judgement(verdict, Holder.CURRENT, reason)
    for facts, expected in (({}, unchanged), ({"changed": True}, changed)):
        answer = settled(judgement, record(), **facts)
        assert (answer.step, answer.cookie, answer.seen) == (*expected, None)


@pytest.mark.parametrize("after", [0, LATE_WINDOW - 1, LATE_WINDOW])
@pytest.mark.parametrize(
    ("found", "presented"),
    [
        (entomb(record(), "superseded", NOW), TICKET),
        (rotated(successor_nonce=None), OLD),
        (rotated(confirmed_at=NOW - GRACE), OLD),
    ],
    ids=["by sign-in", "by privilege", "by age"],
)
def test_a_replaced_ticket_is_refused_while_it_may_be_late(found: Found, presented: Ticket, after: int) -> None:
    """Ruling 5, ADR 0012: writing is refused while the request may merely be late, then it begins anew."""
    world = replace(found, rotated_at=NOW) if isinstance(found, Record) else found
    judged = judge(world, tokens.digest(presented), POLICY, NOW + after)
    answer = settled(judged, None, after, changed=True)
    late = after < LATE_WINDOW
    assert answer == (Settlement(Step.REFUSE) if late else Settlement(Step.CREATE, Cookie.SEND))
    assert settled(judged, None, after) == Settlement(Step.NOTHING)


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("holder", Holder)
def test_settle_unlooked(verdict: Verdict, holder: Holder) -> None:
    """Ruling 7: a request that never looks writes nothing and sends nothing, however due it is."""
    due = rotated(rotate_due=True, **{**AGED, "last_seen_at": NOW - HALF_DAY})
    assert settled(Judgement(verdict, holder), due, looked=False) == Settlement(Step.NOTHING)


def test_first_sight_of_the_successor_is_written_at_once() -> None:
    """Ruling 3: whoever first presents the new secret confirms it, also inside touch_every; later nobody does."""
    seen = settled(live(Holder.CURRENT), rotated()).seen
    assert seen is not None
    assert seen.confirms == tokens.digest(TICKET)
    assert settled(live(Holder.CURRENT), rotated(confirmed_at=NOW)).seen is None
    for holder in (Holder.WAITING, Holder.GRACE):
        seen = settled(live(holder), rotated(), MINUTE).seen
        assert seen is not None
        assert seen.confirms is None


@pytest.mark.parametrize(
    ("rule", "left", "renews"),
    [
        ("active", 30 * MINUTE - 1, True),
        ("25%", 450_000, False),
        ("25%", 449_999, True),
        ("10m", 10 * MINUTE, False),
        ("10m", 10 * MINUTE - 1, True),
    ],
)
def test_renewal_rules(rule: str, left: int, renews: bool) -> None:
    """S-35: each form of renew_when, on its boundary and a millisecond below it."""
    span = Policy(idle_timeout="30m", absolute_timeout="12h", renew_when=rule).span("default")
    now = NOW + HALF_HOUR - left
    assert renewed(record(), span, now) == (now + HALF_HOUR if renews else None)


def test_renewal_without_an_idle_clock() -> None:
    """S-37: where there is no idle deadline, activity makes none."""
    span = Policy(idle_timeout=None).span("default")
    assert renewed(record(idle_expires_at=None), span, NOW) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"persistent": True}, NOW + HALF_DAY),
        ({"persistent": True, "expires_at": None}, NOW + HALF_HOUR),
        ({"persistent": False}, None),
        ({"persistent": False, "expires_at": None}, None),
    ],
)
def test_cookie_deadline(fields: dict[str, Any], expected: int | None) -> None:
    """Ruling 17: the absolute deadline, else the idle one, and none for a cookie that ends with the browser."""
    assert cookie_deadline(record(**fields)) == expected


def test_lifetimes_are_judged_by_their_own_span() -> None:
    """Ruling 2: a remembered session is touched by the remembered lifetime's interval, not by the default's."""
    policy = POLICY.adjusted(allow_remember=True, idle_timeout="1m", remember_idle_timeout="30d")
    short, long = record(), replace(record(), lifetime="remember_me")
    assert settled(live(Holder.CURRENT), short, 10_000, policy=policy).step is Step.TOUCH
    assert settled(live(Holder.CURRENT), long, 10_000, policy=policy).step is Step.NOTHING
