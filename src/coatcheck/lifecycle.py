"""What a session is and what happens to it: the one closed table.

Pure: no clock, no I/O, no randomness. `judge` says what a presented ticket opens; `settle` says what an answer must do
with the store and the cookie. The manager does what they say and decides nothing itself.

Laws:

1. A session is live only while its record is there, the presented secret is right, and both clocks run.
2. Dead stays dead: no verdict but ``LIVE`` leads to a change of that record; all that can befall another is its end.
3. The absolute deadline never moves; renewal moves the idle one forward only.
4. A ticket nobody minted is ``UNKNOWN``: it changes nothing, tells nothing, and its cookie is left alone.
5. A replaced secret opens nothing. By privilege it dies at once; by age, or because roles were changed elsewhere, it
   opens the session until its successor was recorded as seen, and for the grace after that; what comes later is a
   theft event.
6. Only a request that looked at the session counts as activity or is answered with a cookie.
7. A deletion cookie answers the right secret of a session that is over, unless it was superseded: a late answer to an
   old ticket must not wipe the new one.

The table (``settle``), for a request that looked; *changed* means that there are changes to the data:

=============================  ========  =====================================  ==========
verdict, holder                changed   step                                   cookie
=============================  ========  =====================================  ==========
LIVE, current, rotation due    any       ROTATE [2]_                            SEND
LIVE, current                  yes       COMMIT (with activity if it is due)    KEEP [1]_
LIVE, current                  no        TOUCH if activity is due, else NOTHING KEEP [1]_
LIVE, waiting for successor    any       COMMIT, TOUCH or NOTHING               SEND [2]_
LIVE, in grace                 any       COMMIT, TOUCH or NOTHING               KEEP
EXPIRED, IDLE_EXPIRED          yes       CREATE                                 SEND
EXPIRED, IDLE_EXPIRED          no        NOTHING                                DELETE
ENDED (not superseded)         yes       CREATE                                 SEND
ENDED (not superseded)         no        NOTHING                                DELETE
ENDED as superseded            yes       REFUSE, CREATE when long ago [3]_       KEEP, SEND
ENDED as superseded            no        NOTHING                                KEEP
LOCKED                         yes       CREATE                                 SEND
LOCKED                         no        NOTHING                                KEEP
UNKNOWN                        yes       CREATE                                 SEND
UNKNOWN                        no        NOTHING                                KEEP
=============================  ========  =====================================  ==========

.. [1] SEND when activity is written and a persistent cookie has no absolute deadline to reach to.
.. [2] Not where a ticket may not change, which is in prefetch, WebSocket and event-stream requests: those are treated
   as if no rotation were due, and keep the cookie.
.. [3] A ticket is refused while a request with it may merely be late (`LATE_WINDOW`). After that whoever holds it has
   nothing newer, and is a visitor like any other.
"""

from __future__ import annotations

import enum
from typing import Final

from msgspec import Struct

from coatcheck import tokens
from coatcheck.model import Found, Millis, Record, Tombstone
from coatcheck.policy import Policy, Span
from coatcheck.verbs import Seen


class Verdict(enum.Enum):
    """What a presented ticket opens."""

    LIVE = "live"
    IDLE_EXPIRED = "idle_expired"
    EXPIRED = "expired"
    ENDED = "ended"
    LOCKED = "locked"
    UNKNOWN = "unknown"


class Holder(enum.Enum):
    """Which secret was presented."""

    CURRENT = "current"
    WAITING = "waiting"
    GRACE = "grace"
    REPLACED = "replaced"
    LATE = "late"
    NOBODY = "nobody"

    @property
    def opens(self) -> bool:
        """Whether this secret opens its session while the session lives."""
        return self in (Holder.CURRENT, Holder.WAITING, Holder.GRACE)


class Step(enum.Enum):
    """What the store is asked for when the answer leaves: at most one verb."""

    NOTHING = "nothing"
    TOUCH = "touch"
    COMMIT = "commit"
    ROTATE = "rotate"
    CREATE = "create"
    REFUSE = "refuse"


class Cookie(enum.Enum):
    """What the answer does with the cookie."""

    KEEP = "keep"
    SEND = "send"
    DELETE = "delete"


LATE_WINDOW: Final[Millis] = 600_000
"""How long after a ticket was replaced a request may still be on its way with it (ADR 0012)."""


class Judgement(Struct, frozen=True):
    """What `judge` found: the verdict, whose ticket it was, and why it opens nothing (``None`` when it does).

    ``recent`` says of a superseded ticket that a request which still carries it may merely be late.
    """

    verdict: Verdict
    holder: Holder = Holder.NOBODY
    reason: str | None = None
    recent: bool = False

    @property
    def theft(self) -> bool:
        """Whether a secret came back that its successor has long replaced."""
        return self.holder is Holder.LATE


class Settlement(Struct, frozen=True):
    """What `settle` decided."""

    step: Step
    cookie: Cookie = Cookie.KEEP
    seen: Seen | None = None


_NOTHING: Final = Settlement(Step.NOTHING)
NO_TICKET: Final = Judgement(Verdict.UNKNOWN)
_LIVE: Final = {holder: Judgement(Verdict.LIVE, holder) for holder in Holder}


def judge(found: Found, presented: bytes, policy: Policy, now: Millis) -> Judgement:
    """Say what the ticket whose secret digests to *presented* opens, given what the store *found* under its id."""
    if isinstance(found, Tombstone):
        return _judge_tombstone(found, presented, now)
    if not isinstance(found, Record):
        return NO_TICKET
    holder = _holder(found, presented, policy, now)
    if holder is Holder.NOBODY:
        return NO_TICKET
    if holder is Holder.REPLACED or holder is Holder.LATE:
        replaced_at = found.rotated_at if found.confirmed_at is None else found.confirmed_at + policy.grace_ms
        return Judgement(Verdict.ENDED, holder, "superseded", recent=now < replaced_at + LATE_WINDOW)
    dead = found.dead_at(now)
    if dead == "absolute":
        return Judgement(Verdict.EXPIRED, holder, "absolute")
    if dead == "idle":
        if found.sweepable_at(now) is None:
            return Judgement(Verdict.LOCKED, holder, "locked")
        return Judgement(Verdict.IDLE_EXPIRED, holder, "idle")
    return _LIVE[holder]


def _judge_tombstone(tombstone: Tombstone, presented: bytes, now: Millis) -> Judgement:
    """Tell the reason to the holder of the last secret, or of the one before it if the last never arrived.

    Any other holder of the previous secret hears ``superseded``.
    """
    reason: str = tombstone.reason
    if tokens.same(tombstone.secret_digest, presented):
        holder = Holder.CURRENT
    elif not tokens.same(tombstone.previous_digest, presented):
        return NO_TICKET
    elif tombstone.waiting:
        holder = Holder.WAITING
    else:
        holder, reason = Holder.REPLACED, "superseded"
    recent = reason == "superseded" and now < tombstone.ended_at + LATE_WINDOW
    return Judgement(Verdict.ENDED, holder, reason, recent)


def _holder(record: Record, presented: bytes, policy: Policy, now: Millis) -> Holder:
    """Say which of the record's secrets was presented, comparing in constant time."""
    if tokens.same(record.secret_digest, presented):
        return Holder.CURRENT
    if not tokens.same(record.previous_digest, presented):
        return Holder.NOBODY
    if record.successor_nonce is None:
        return Holder.REPLACED
    if record.confirmed_at is None:
        return Holder.WAITING
    return Holder.GRACE if now < record.confirmed_at + policy.grace_ms else Holder.LATE


def settle(
    judgement: Judgement,
    record: Record | None,
    policy: Policy,
    now: Millis,
    *,
    changed: bool,
    looked: bool,
    may_rotate: bool,
    address: str | None = None,
) -> Settlement:
    """Say what an answer must do, by the table above.

    *record* is the judged one (``None`` when there was none), *changed* says that the application changed data,
    *looked* that anything used the session, *may_rotate* that the browser may be given another ticket.
    """
    if not looked and not changed:
        return _NOTHING
    if judgement.verdict is Verdict.LIVE and record is not None:
        return _settle_live(judgement.holder, record, policy, now, changed, may_rotate, address)
    superseded = judgement.reason == "superseded"
    if superseded and (judgement.recent or not changed):
        return Settlement(Step.REFUSE) if changed else _NOTHING
    if changed:
        return Settlement(Step.CREATE, Cookie.SEND)
    over = judgement.verdict in (Verdict.EXPIRED, Verdict.IDLE_EXPIRED, Verdict.ENDED)
    return Settlement(Step.NOTHING, Cookie.DELETE if over else Cookie.KEEP)


def _settle_live(  # noqa: PLR0917 - the row of the table is these seven facts
    holder: Holder,
    record: Record,
    policy: Policy,
    now: Millis,
    changed: bool,  # noqa: FBT001 - as above
    may_rotate: bool,  # noqa: FBT001 - as above
    address: str | None,
) -> Settlement:
    span = policy.span(record.lifetime)
    activity = due(record, span, holder, now, address)
    if holder is Holder.CURRENT and may_rotate and rotation_due(record, policy, now):
        return Settlement(Step.ROTATE, Cookie.SEND, activity or _activity(record, span, now, address))
    cookie = Cookie.KEEP
    lives_by_idle = activity is not None and record.persistent and record.expires_at is None
    if (holder is Holder.WAITING and may_rotate) or (holder is Holder.CURRENT and lives_by_idle):
        cookie = Cookie.SEND
    elif activity is not None and lives_by_idle:
        # The record must not outlive a cookie that cannot be sent now (ruling 17).
        activity = Seen(at=activity.at, address=activity.address)
    if changed:
        return Settlement(Step.COMMIT, cookie, activity)
    if activity is None:
        return _NOTHING if cookie is Cookie.KEEP else Settlement(Step.NOTHING, cookie)
    return Settlement(Step.TOUCH, cookie, activity)


def rotation_due(record: Record, policy: Policy, now: Millis) -> bool:
    """Whether the current secret is too old, or a change of privilege made elsewhere asks for a new one."""
    every = policy.rotate_ms
    return record.rotate_due or (every is not None and now - record.rotated_at >= every)


def due(record: Record, span: Span, holder: Holder, now: Millis, address: str | None) -> Seen | None:
    """Return the activity that must be written now, ``None`` when the last record of it is recent enough."""
    confirms = record.secret_digest if holder is Holder.CURRENT and record.waiting else None
    # A renewal by rule happens once in its window, so it may be due before the next record of activity is.
    by_rule = span.renew_below is not None and renewed(record, span, now) is not None
    if confirms is None and not by_rule and now - record.last_seen_at < span.touch_every:
        return None
    return _activity(record, span, now, address, confirms)


def _activity(record: Record, span: Span, now: Millis, address: str | None, confirms: bytes | None = None) -> Seen:
    return Seen(at=now, idle_expires_at=renewed(record, span, now), confirms=confirms, address=address)


def renewed(record: Record, span: Span, now: Millis) -> Millis | None:
    """Return the idle deadline that activity at *now* earns, ``None`` when the rule leaves it as it is."""
    if record.idle_expires_at is None or span.idle is None:
        return None
    if span.renew_below is not None and record.idle_expires_at - now >= span.renew_below:
        return None
    return now + span.idle


def deadlines(span: Span, now: Millis) -> tuple[Millis | None, Millis | None]:
    """Return the idle and the absolute deadline of a session that begins at *now*."""
    idle = None if span.idle is None else now + span.idle
    return idle, None if span.absolute is None else now + span.absolute


def cookie_deadline(record: Record) -> Millis | None:
    """Return when the cookie may die: never before the record, never after its absolute deadline.

    ``None`` for a cookie that ends with the browser.
    """
    if not record.persistent:
        return None
    return record.expires_at if record.expires_at is not None else record.idle_expires_at
