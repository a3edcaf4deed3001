"""Promise 3: no lost update. Keys are followed through sign-ins, which carry data from one session to the next."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict

from torture.history import UNSURE, Op
from torture.judging.book import Book
from torture.judging.findings import Findings
from torture.judging.stories import Story

LOST = "no acknowledged change is lost"
GHOST = "what was refused is not written"
COUNT = "a counter counts every transaction"


class _Writes:
    """What was written to one key of one session: acknowledged writes by their end, with the latest start so far."""

    __slots__ = ("ends", "latest", "removals")

    def __init__(self, writes: list[Op], key: str) -> None:
        done = sorted((op for op in writes if op.ok), key=lambda op: op.end)
        self.ends = [op.end for op in done]
        self.latest: list[Op] = []
        for op in done:
            self.latest.append(op if not self.latest or op.start > self.latest[-1].start else self.latest[-1])
        self.removals = [op for op in writes if op.maybe and op.change[key] is None]

    def last(self, moment: int) -> Op | None:
        """Return the acknowledged write that began last of those that had ended by *moment*."""
        at = bisect_right(self.ends, moment)
        return self.latest[at - 1] if at else None


class _Ledger:
    """One session's keys and counter, and what it had from the session before it."""

    def __init__(self, book: Book, story: Story, before: _Ledger | None) -> None:
        self.story, self.before = story, before
        made = story.made
        writes: defaultdict[str, list[Op]] = defaultdict(list)
        self.counts: list[Op] = []
        for op in story.ops:
            if op.verb == "transact" and op.maybe:
                self.counts.append(op)
            elif op.verb == "rotate" or (op.verb == "save" and story.id in (op.session, op.made)):
                for key in op.change:
                    writes[key].append(op)
        self.writes = {key: _Writes(ops, key) for key, ops in writes.items()}
        self.certain = before is not None and made is not None and _surely_carried(book, before.story, made)
        self.keys: set[str] = set(self.writes) | (before.keys if before is not None else set())
        self.done = sorted(op.end for op in self.counts if op.ok)
        self.begun = sorted(op.start for op in self.counts)
        self.low = before.least(made.start) if before and made and self.certain else 0
        self.high = before.most(made.end) if before and made else 0

    def least(self, moment: int) -> int:
        """How far the counter certainly was at *moment*."""
        return self.low + bisect_right(self.done, moment)

    def acknowledged(self) -> list[Op]:
        """Return the transactions that were acknowledged, here and where the counter came from."""
        before = self.before.acknowledged() if self.before is not None and self.certain else []
        return [*before, *(op for op in self.counts if op.ok)]

    def most(self, moment: int) -> int:
        """How far it may have been at *moment*."""
        return self.high + bisect_left(self.begun, moment)

    def last(self, key: str, moment: int) -> Op | None:
        """Return the last write to *key* that certainly counts at *moment*."""
        own = self.writes[key].last(moment) if key in self.writes else None
        if own is not None or not self.certain or self.before is None or self.story.made is None:
            return own
        return self.before.last(key, self.story.made.start)

    def has(self, session: str | None) -> bool:
        """Whether data of *session* may have come here."""
        return session == self.story.id or (self.before is not None and self.before.has(session))

    def removals(self, key: str) -> list[Op]:
        """Return what may have removed *key*."""
        own = self.writes[key].removals if key in self.writes else []
        return own + (self.before.removals(key) if self.before is not None else [])


def _surely_carried(book: Book, before: Story, login: Op) -> bool:
    """Whether a sign-in certainly found the session that it replaced, alive and as its request had loaded it."""
    load = book.loaded(login)
    if load is None or load.idle is None or login.until >= load.idle or book.stirred(before, login):
        return False
    others = (death for death in before.deaths if death.op is not login and death.op.verb != "event")
    return all(death.maybe >= login.end for death in others)


def judge(book: Book, findings: Findings) -> None:
    """Look at every value that was read, and at every key that was missing."""
    written = {(key, value): op for op in book.ops for key, value in op.change.items() if value is not None}
    ledgers: dict[str, _Ledger] = {}
    stories = sorted(book.stories.values(), key=lambda story: story.made.start if story.made else 0)
    for story in stories:
        made = story.made
        before = ledgers.get(made.session or "") if made is not None and made.note == "carried" else None
        ledger = ledgers[story.id] = _Ledger(book, story, before)
        if made is None:
            continue
        for op in story.ops:
            if op.verb == "load" and op.ok and op.data is not None:
                _read(ledger, op, op.data, written, findings)
        _counted(ledger, findings)


def _read(
    ledger: _Ledger, op: Op, data: dict[str, int], written: dict[tuple[str, int], Op], findings: Findings
) -> None:
    for key in ledger.keys | data.keys():
        if key == "n":
            continue
        last, value = ledger.last(key, op.start), data.get(key)
        if last is not None:
            findings.check(LOST)
        if value is None:
            _missing(ledger, key, last, op, findings)
            continue
        findings.check(GHOST)
        writer = written.get((key, value))
        if writer is None or not writer.maybe or not ledger.has(writer.made or writer.session):
            why = f"{key}={value} was read, which was {'refused' if writer else 'never written'} there"
            findings.found(3, GHOST, why, ledger.story.made, writer, op)
        elif last is not None and _is_older(writer, last, ledger):
            text = f"{key}={value} was read after {key}={last.change[key]} had been acknowledged"
            findings.found(3, LOST, text, ledger.story.made, writer, last, op, loss="update", lost=[last])


def _is_older(writer: Op, last: Op, ledger: _Ledger) -> bool:
    """Whether *writer* certainly came before *last*; one whose answer is unknown may come at any time."""
    if writer is last:
        return False
    here = ledger.story.id
    if here in (last.session, last.made) and here not in (writer.session, writer.made):
        return True
    return writer.answer not in UNSURE and writer.end < last.start


def _missing(ledger: _Ledger, key: str, last: Op | None, op: Op, findings: Findings) -> None:
    if last is None or last.change[key] is None:
        return
    if any(other.answer in UNSURE or other.end >= last.start for other in ledger.removals(key)):
        return
    text = f"{key} was missing after {key}={last.change[key]} had been acknowledged"
    findings.found(3, LOST, text, ledger.story.made, last, op, loss="update", lost=[last])


def _counted(ledger: _Ledger, findings: Findings) -> None:
    results: dict[int, Op] = {}
    for op in ledger.story.ops:
        if not op.ok or op.data is None or op.verb not in ("load", "transact"):
            continue
        findings.check(COUNT)
        own = op.verb == "transact"
        value, least, most = op.data.get("n", 0), ledger.least(op.start) + own, ledger.most(op.end)
        if not least <= value <= most:
            text = f"the counter was {value} after {least - own} acknowledged and at most {most} begun transactions"
            shown = [count for count in ledger.counts if count.start < op.end and count is not op][-6:]
            lost = [count for count in ledger.acknowledged() if count.end <= op.start] if value < least else []
            findings.found(
                3, COUNT, text, ledger.story.made, *shown, op, loss="update", lost=lost, least=max(least - value, 1)
            )
        if own and value in results:
            text = f"two transactions counted to {value}"
            findings.found(3, COUNT, text, ledger.story.made, results[value], op, loss="update", lost=[results[value]])
        results.setdefault(value, op) if own else None
