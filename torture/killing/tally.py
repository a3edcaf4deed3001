"""Counting, pure: the witnesses' steps against what was found afterwards."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from torture.killing.steps import UNCONFIRMED, UNKNOWN, Sight, Step


class Count(Struct, kw_only=True):
    """What became of acknowledged steps in one kill, or in many.

    Attributes:
        kept: by kind of step, those whose effect is there.
        lost: by kind of step, those whose effect is gone. ``revocation`` before any worker repeated its own.
        repeated: by kind, ends that were lost and hold again since the workers repeated theirs.
        lost_for_good: by kind, ends that were lost and still are.
        unknown: by verb, the steps that the store did not answer; ``unconfirmed``: revocations that were made, and that
            too few replicas confirmed.
        breaches: looks at a user with more live sessions than the limit, before and after the workers asked.
        strange: what nobody wrote: values that were never sent, ends that nobody asked for, sessions in no readable
            state.
        oldest: milliseconds before the kill at which the oldest lost step had been acknowledged.
        span: milliseconds between the kill and the last moment before which everything was in the snapshot and on the
            replicas; the longest.
        too_old: lost steps that had been acknowledged before that moment.
    """

    kept: dict[str, int] = {}
    lost: dict[str, int] = {}
    repeated: dict[str, int] = {}
    lost_for_good: dict[str, int] = {}
    unknown: dict[str, int] = {}
    breaches: int = 0
    strange: list[str] = []
    oldest: float = 0.0
    span: float = 0.0
    too_old: int = 0


class Found(Struct, kw_only=True):
    """What was there: sessions, each user's live ones, each user's epoch."""

    sights: Mapping[str, Sight]
    live: Mapping[str, Sequence[str]] = {}
    epochs: Mapping[str, int] = {}


class _Life:
    """One session, as the steps tell it."""

    def __init__(self) -> None:
        self.born: Step | None = None
        self.commits: list[Step] = []
        self.death: Step | None = None
        self.doubts: list[Step] = []


def lives_of(steps: Iterable[Step]) -> dict[str, _Life]:
    """File the steps by session: birth, commits, the first acknowledged death, deaths that may be."""
    lives: defaultdict[str, _Life] = defaultdict(_Life)
    of_user: defaultdict[str, list[str]] = defaultdict(list)
    for step in sorted(steps, key=lambda each: each.start):
        if not step.maybe:
            continue
        if step.verb == "sign_in":
            lives[step.session].born = step
        elif step.verb == "commit":
            lives[step.session].commits.append(step)
        if step.ok:
            for dead in (*step.ended, *([step.session] if step.verb == "revoke" else ())):
                lives[dead].death = lives[dead].death or step
            # Whoever was signed in before it is dead after it, also where the answer does not name them.
            for each in of_user[step.user] if step.verb == "revoke_user" else ():
                lives[each].death = lives[each].death or step
        elif step.verb != "commit":
            for each in [step.session] if step.verb == "revoke" else of_user[step.user]:
                lives[each].doubts.append(step)
        if step.verb == "sign_in":
            of_user[step.user].append(step.session)
    return dict(lives)


def count(steps: Sequence[Step], *, safe_at: int, killed_at: int, limit: int, before: Found, after: Found) -> Count:
    """Count one kill.

    Args:
        steps: what all witnesses did.
        safe_at: what was acknowledged before this moment was in the snapshot and on the replicas when the kill came.
        killed_at: when the server was killed, on their clock.
        limit: of live sessions, for each user.
        before: what was there when the store served again, before a worker asked it anything.
        after: what was there when every worker had asked it.
    """
    tally = _Tally(before, after)
    for session, life in lives_of(steps).items():
        tally.life(session, life)
    for step in steps:
        if step.ok and step.verb == "revoke_user" and step.value:
            tally.epoch(step)
    return Count(
        kept=dict(tally.kept), lost=dict(tally.lost), repeated=dict(tally.repeated),
        lost_for_good=dict(tally.lost_for_good), unknown=_unknown(steps), strange=tally.strange,
        breaches=sum(len(ids) > limit for found in (before, after) for ids in found.live.values()),
        oldest=max(((killed_at - each) / 1e6 for each in tally.lost_at), default=0.0),
        span=(killed_at - safe_at) / 1e6, too_old=sum(each < safe_at for each in tally.lost_at),
    )  # fmt: skip


def _unknown(steps: Sequence[Step]) -> dict[str, int]:
    """Count the steps that have no answer; those that replicas did not confirm apart."""
    names = [step.verb if step.answer == UNKNOWN else UNCONFIRMED for step in steps if step.maybe and not step.ok]
    return dict(Counter(names))


def added(counts: Iterable[Count]) -> Count:
    """Add many kills up; ``oldest`` and ``span`` are the worst of them."""
    total = Count()
    for each in counts:
        for name in ("kept", "lost", "repeated", "lost_for_good", "unknown"):
            sums: dict[str, int] = getattr(total, name)
            for kind, number in getattr(each, name).items():
                sums[kind] = sums.get(kind, 0) + number
        total.breaches += each.breaches
        total.strange = total.strange + each.strange
        total.oldest = max(total.oldest, each.oldest)
        total.span = max(total.span, each.span)
        total.too_old += each.too_old
    return total


class _Tally:
    """The counters of one kill."""

    def __init__(self, before: Found, after: Found) -> None:
        self.before, self.after = before, after
        self.kept: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()
        self.lost_for_good: Counter[str] = Counter()
        self.lost_at: list[int] = []
        self.strange: list[str] = []

    def life(self, session: str, life: _Life) -> None:
        """Count one session's birth, commits and death."""
        first, last = self.before.sights[session], self.after.sights[session]
        if "unreadable" in (first.state, last.state):
            self.strange.append(f"{session} cannot be read")
        if life.death is not None:
            self._death(life.death, first.state == "live", last.state == "live")
        elif life.born is not None and life.born.ok:
            if last.state == "live":
                self.kept["sign_in"] += 1
                self._commits(session, life, last)
            elif last.state == "none":
                self._loss("sign_in", life.born)
            elif last.state == "dead" and not life.doubts:
                self.strange.append(f"{session} ended as {last.reason}, and nobody ended it")

    def epoch(self, step: Step) -> None:
        """Count one raised epoch: a sign-in that had begun before it must still be refused."""
        first, last = (found.epochs.get(step.user, 0) < step.value for found in (self.before, self.after))
        self._death(step, first, last)

    def _commits(self, session: str, life: _Life, last: Sight) -> None:
        """Count the commits of a session that lives: each wrote a larger number over the one before."""
        if last.value and last.value not in {step.value for step in life.commits}:
            self.strange.append(f"{session} holds {last.value}, which nobody wrote")
        for step in life.commits:
            if step.ok and step.value > last.value:
                self._loss("commit", step)
            elif step.ok:
                self.kept["commit"] += 1

    def _death(self, step: Step, undone_first: bool, undone_last: bool) -> None:  # noqa: FBT001 - two looks at one end
        """Count one end: a session that is not there at all is as dead as one with a tombstone."""
        kind = "eviction" if step.verb == "sign_in" else "revocation"
        if undone_first:
            self._loss(kind, step)
        else:
            self.kept[kind] += 1
        if undone_first or undone_last:
            (self.lost_for_good if undone_last else self.repeated)[kind] += 1

    def _loss(self, kind: str, step: Step) -> None:
        self.lost[kind] += 1
        self.lost_at.append(step.end)
