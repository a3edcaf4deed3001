"""Histories for every rule of the checker: one that breaks it, and the nearest one that does not."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from tests.torture._histories import ABSOLUTE, CLOCK, IDLE, NS, TERMS, commit, history, op, sign_in, turned_away, visit
from torture.history import Op, Terms
from torture.judging import judge

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


def ended(session: str, at: float, note: str, **facts: Any) -> Op:
    """It is told that a session is over."""
    return op("event", at, at, session=session, note=note, **facts)


FOLLOWED = [*sign_in("s", 0), successor(5, "t2", 2), visit("s", 7, ticket="t2", request=3)]


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
        [*ENDED, ended("s", 10.5, "signed_out"), ended("s", 10.8, "signed_out")],
        [*ENDED, ended("s", 10.5, "signed_out")],
    ),
    "a session ends only for a cause": (
        [*sign_in("s", 0), op("revoke_user", 10, user="ann", note="s"), ended("s", 10.5, "revoked")],
        [*sign_in("s", 0), op("revoke_user", 10, user="ann"), ended("s", 10.5, "revoked")],
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
    "the limit answers as the policy says": (
        [*TWO, *sign_in("u", 10, request=5), ended("s", 10.5, "evicted")],
        [*TWO, op("login", 10, user="ann", answer="session_limit_reached")],
    ),
    "the right session gives way": (
        [*TWO, *sign_in("u", 10, request=5), ended("t", 10.5, "evicted")],
        [*TWO, *sign_in("u", 10, request=5), ended("s", 10.5, "evicted")],
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
    "a replaced ticket is dead after its grace": (
        [*FOLLOWED, visit("s", 3010, request=4)],
        [*FOLLOWED, visit("s", 3007, request=4)],
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
    "without a fault every step is answered": (
        [op("sweep", 1, answer="unknown")],
        [op("fault", 0, 5, note="kill"), op("sweep", 1, answer="unknown")],
    ),
    "an answer is one of its verb's": (
        [op("load", 1, answer="unreadable_record")],
        [op("load", 1, answer="none")],
    ),
}  # fmt: skip
"""For each rule a history that breaks it, and the nearest one that does not."""

REJECTS = replace(TERMS, at_limit="reject")
TERMS_OF: dict[str, Terms] = {
    "nobody is refused or evicted below the limit": REJECTS,
    "the limit answers as the policy says": REJECTS,
    "the right session gives way": EVENTS,
    "without a fault every step is answered": EVENTS,
}
"""What a case is judged by, where that is not `TERMS`."""


def broken(ops: list[Op], terms: Terms = TERMS) -> set[str]:
    """Return the rules that a history breaks."""
    return {found.rule for found in judge(history(*ops, terms=terms)).violations}
