"""Promise 5: a new ticket for every new privilege, roles that are obeyed at once, and one successor for everybody."""

from __future__ import annotations

from torture.history import UNSURE, Op
from torture.judging.book import Book, between
from torture.judging.findings import Findings
from torture.judging.stories import Story, succeeded

REPLACED = "a replaced ticket is dead at once"
OLD = "nothing is changed from an older privilege"
ROLES = "changed roles are obeyed by the next request"
STALE = "no sign-in under way brings old roles back"
ONE = "everybody gets the same successor"

CHANGES = frozenset({"save", "rotate", "transact"})
"""The steps that a change of privilege since their request's view must refuse."""


def judge(book: Book, findings: Findings) -> None:
    """Look at every request after a change of privilege."""
    for story in book.stories.values():
        if story.made is None:
            continue
        roles = book.people[story.user].roles if story.user is not None else []
        for op in (*story.sightings, *story.tried):
            if op.verb == "load" and op.answer not in UNSURE:
                _replaced(book, story, op, findings)
        for op in story.ops:
            if op.request and op.verb in CHANGES and op.answer not in UNSURE:
                _old(book, story, roles, op, findings)
        for op in story.sightings:
            if op.verb in ("load", "get") and op.roles is not None and story.user is not None:
                _roles(story.made, roles, op, findings)
    for person in book.people.values():
        for login in (op for op in person.logins if op.answer in ("ok", "stale_login")):
            changed = between(person.roles, login.epoch_at, login.start) if login.epoch_at else None
            if changed is None:
                continue
            findings.check(STALE)
            if login.ok:
                text = f"{login.user} was signed in with an epoch read before their roles were changed"
                findings.found(5, STALE, text, changed, login, loss="revocation", lost=[changed])
    _successors(book, findings)


def _replaced(book: Book, story: Story, op: Op, findings: Findings) -> None:
    sender = book.sent.get(op.ticket or "")
    if sender is None:
        return
    for rotate in story.rotates:
        if rotate.ok and rotate.start >= sender.end and rotate.end <= op.start:
            findings.check(REPLACED)
            if op.ok:
                text = f"{op.ticket} opened {story.id} after a new secret had replaced it"
                findings.found(5, REPLACED, text, story.made, sender, rotate, op, loss="revocation", lost=[rotate])
            return


def _old(book: Book, story: Story, roles: list[Op], op: Op, findings: Findings) -> None:
    """A step must not succeed from a view of the session that a change of privilege made old."""
    steps = [o for o in book.requests[op.actor, op.request] if o.end <= op.start and o.verb in ("load", "rotate")]
    view = max((o for o in steps if o.ok), key=lambda o: o.end, default=None)
    if view is None or view.session != story.id or story.made is None:
        return
    others = [o for o in story.rotates if (o.actor, o.request) != (op.actor, op.request)]
    changed = between(others, view.end, op.start)
    begin = max(view.end, story.made.end)
    changed = changed or between(roles, begin, op.start)
    if changed is None:
        return
    findings.check(OLD)
    if succeeded(op):
        text = f"{op.verb} changed {story.id} from a view that {changed.verb} had made old"
        findings.found(5, OLD, text, story.made, view, changed, op, loss="revocation", lost=[changed])


def _roles(made: Op, changes: list[Op], op: Op, findings: Findings) -> None:
    placed = made.epoch_at or made.end
    certain = [each for each in changes if each.ok and each.start >= placed and each.end <= op.start]
    last = max(certain, key=lambda each: each.start, default=None)
    if last is None and made.roles == op.roles:
        return
    findings.check(ROLES)
    for each in changes:
        fits = each.maybe and each.roles == op.roles and made.start < each.over and each.start < op.end
        if fits and (last is None or not each.ok or each.end >= last.start):
            return
    text = f"{op.session} had the roles {op.roles}" + (f" after they were changed to {last.roles}" if last else "")
    findings.found(5, ROLES, text, made, last, op, loss="revocation", lost=[last] if last else [])


def _successors(book: Book, findings: Findings) -> None:
    """Of rotations by age all requests with one ticket get one successor."""
    given: dict[tuple[str, str], Op] = {}
    for op in book.ops:
        if op.verb != "save" or not op.sent or not op.ticket or op.made or op.note != "loaded" or op.session is None:
            continue
        if any(other.verb == "rotate" for other in book.requests[op.actor, op.request]):
            continue
        findings.check(ONE)
        first = given.setdefault((op.session, op.ticket), op)
        if first.sent != op.sent:
            text = f"two requests with {op.ticket} were given two successors"
            findings.found(5, ONE, text, book.stories[op.session].made, first, op, loss="update", lost=[first])
