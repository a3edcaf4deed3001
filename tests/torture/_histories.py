"""Small histories written by hand: times in milliseconds, the sessions' clock beside them."""

from __future__ import annotations

from typing import Any

from torture.history import History, Op, Terms, in_order

NS = 1_000_000
CLOCK = 1_000_000
IDLE = 20_000
ABSOLUTE = 90_000

TERMS = Terms(limit=2, idle=IDLE, absolute=ABSOLUTE, touch=2_000, rotate=10_000, grace=3_000, exact=False)


def op(verb: str, start: float, end: float | None = None, **facts: Any) -> Op:
    """Return a step; its clock is the time of its start unless *clock* says otherwise."""
    end = start + 1 if end is None else end
    clock = facts.pop("clock", CLOCK + int(start))
    until = facts.pop("until", max(clock, CLOCK + int(end) if clock == CLOCK + int(start) else clock))
    actor = facts.pop("actor", 1)
    return Op(start=int(start * NS), end=int(end * NS), clock=clock, until=until, actor=actor, verb=verb, **facts)


def sign_in(session: str, at: float, *, user: str = "ann", request: int = 1, **facts: Any) -> list[Op]:
    """Return a sign-in, from the session *source* if there was one, and the answer that sends ``t<session>``."""
    clock = facts.get("clock", CLOCK + int(at))
    born = {"idle": clock + IDLE, "expires": clock + ABSOLUTE, "seen": clock, "roles": ("user",)}
    actor = facts.get("actor", 1)
    facts["session"] = facts.pop("source", None)
    return [
        op("login", at, at + 1, made=session, user=user, request=request, wrote=1, **{**born, **facts}),
        op("save", at + 1, at + 2, session=session, request=request, sent=f"t{session}", actor=actor, clock=clock),
    ]


def visit(session: str, at: float, *, request: int = 2, ticket: str | None = None, **facts: Any) -> Op:
    """Return a request's look at its session, as alive."""
    return op(
        "load", at, at + 1, session=session, ticket=ticket or f"t{session}", request=request,
        **{"user": "ann", "roles": ("user",), "data": {}, **facts},
    )  # fmt: skip


def commit(session: str | None, at: float, end: float | None = None, *, request: int = 2, **facts: Any) -> Op:
    """Return the end of a request that changed something."""
    return op("save", at, end, session=session, request=request, note="loaded", wrote=1, **facts)


def turned_away(session: str, at: float, *, request: int = 9, **facts: Any) -> Op:
    """Return a request whose ticket opens nothing."""
    return op("load", at, at + 1, ticket=f"t{session}", request=request, answer="none", **facts)


def history(*ops: Op, terms: Terms = TERMS) -> History:
    """Return a history of these steps."""
    return History(store="by hand", seed=1, terms=terms, ops=in_order(ops))
