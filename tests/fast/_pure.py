"""One session in the pure core alone: judged, settled and changed by `coatcheck.transitions`, with no manager."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from coatcheck import Policy, tokens, transitions
from coatcheck.lifecycle import Cookie, Judgement, Settlement, Step, Verdict, cookie_deadline, deadlines, judge, settle
from coatcheck.model import Millis, Reason, Record, Tombstone, entomb
from coatcheck.tokens import Ticket
from coatcheck.verbs import Change, Refusal, Rotation

START: Millis = 1_800_000_000_000
NO_CHANGE = Change({})
A_CHANGE = Change({"key": b"\x01"})


class Reply(NamedTuple):
    """What one request came to."""

    verdict: Verdict
    theft: bool
    sent: Ticket | None
    deadline: Millis | None
    wrote: bool


class Request(NamedTuple):
    """A request that was judged and has not been answered yet."""

    ticket: Ticket
    record: Record | None
    judgement: Judgement


class One:
    """One session of one user, with the ticket that signing in gave."""

    def __init__(self, policy: Policy, *, lifetime: str = "default", seed: int = 0, **fields: Any) -> None:
        """Sign in at `START`."""
        self.policy, self.now = policy, START
        self.random = random.Random(seed).randbytes  # noqa: S311 - test data, not secrets
        self.ticket = tokens.mint(self.random)
        idle, absolute = deadlines(policy.span(lifetime), START)
        given: dict[str, Any] = {"persistent": policy.persistent, "locks": policy.on_idle == "lock", **fields}
        self.found: Record | Tombstone = Record(
            id=self.ticket.id, secret_digest=tokens.digest(self.ticket), created_at=START, last_seen_at=START,
            idle_expires_at=idle, expires_at=absolute, rotated_at=START, confirmed_at=START, user_id="ada",
            lifetime=lifetime, **given,
        )  # fmt: skip

    @property
    def record(self) -> Record:
        """The record, which must still be there."""
        assert isinstance(self.found, Record)
        return self.found

    def arrive(self, ticket: Ticket) -> Request:
        """Judge a ticket."""
        judgement = judge(self.found, tokens.digest(ticket), self.policy, self.now)
        return Request(ticket, self.found if isinstance(self.found, Record) else None, judgement)

    def leave(self, request: Request, *, changed: bool = False, looked: bool = True, may_rotate: bool = True) -> Reply:
        """Answer a request: settle, ask the record for at most one change, and say what the cookie becomes."""
        ticket, record, judgement = request
        settled = settle(
            judgement, record, self.policy, self.now, changed=changed, looked=looked, may_rotate=may_rotate
        )
        wrote = False
        if record is not None and settled.step in (Step.TOUCH, Step.COMMIT, Step.ROTATE):
            after = self._apply(ticket, record, settled, A_CHANGE if changed else NO_CHANGE)
            if isinstance(after, Refusal):
                return Reply(judgement.verdict, judgement.theft, None, None, wrote=False)
            self.found, wrote = after, True
        sent = deadline = None
        if settled.cookie is Cookie.SEND and isinstance(self.found, Record) and settled.step is not Step.CREATE:
            deadline = cookie_deadline(self.found)
            sent = ticket
            if self.found.secret_digest != tokens.digest(ticket):
                sent = Ticket(ticket.id, tokens.successor(ticket.secret, self.found.successor_nonce or b""))
        return Reply(judgement.verdict, judgement.theft, sent, deadline, wrote)

    def visit(self, ticket: Ticket, **facts: bool) -> Reply:
        """Arrive and leave at once."""
        return self.leave(self.arrive(ticket), **facts)

    def _apply(self, ticket: Ticket, read: Record, settled: Settlement, change: Change) -> Record | Refusal:
        record = self.found if isinstance(self.found, Record) else None
        refused = transitions.refusal(record, read.generation, self.now)
        if refused is not None or record is None:
            return refused or Refusal.GONE
        if settled.step is Step.TOUCH:
            return transitions.seen(record, settled.seen)
        if settled.step is Step.COMMIT:
            return transitions.committed(record, change, settled.seen, None, None)
        nonce = self.random(16)
        following = Ticket(ticket.id, tokens.successor(ticket.secret, nonce))
        rotation = Rotation(
            replaces=read.secret_digest, secret_digest=tokens.digest(following), at=self.now, nonce=nonce
        )
        return transitions.rotated(record, rotation, change, settled.seen, None)

    def rotate_by_privilege(self, ticket: Ticket) -> Ticket | None:
        """Give the holder of *ticket* a new secret because the privilege changed; ``None`` when it opens nothing."""
        request = self.arrive(ticket)
        if request.judgement.verdict is not Verdict.LIVE or request.record is None:
            return None
        following = Ticket(ticket.id, tokens.new_secret(self.random))
        rotation = Rotation(replaces=request.record.secret_digest, secret_digest=tokens.digest(following), at=self.now)
        after = transitions.rotated(request.record, rotation, NO_CHANGE, None, None)
        assert isinstance(after, Record)
        self.found = after
        return following

    def set_roles(self, *roles: str) -> None:
        """Change the roles from elsewhere, as stores do: only in a session that is alive."""
        if isinstance(self.found, Record) and self.found.dead_at(self.now) is None:
            self.found = transitions.with_roles(self.found, roles)

    def end(self, reason: Reason = "revoked") -> None:
        """End the session."""
        if isinstance(self.found, Record):
            self.found = entomb(self.found, reason, self.now)

    def sweep(self) -> None:
        """Remove the session if a clock is over."""
        if isinstance(self.found, Record) and (reason := self.found.sweepable_at(self.now)):
            self.end(reason)
