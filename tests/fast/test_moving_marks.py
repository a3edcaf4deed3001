"""What a legacy credential comes to: the table, the names that follow from it, and the window, without any store."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from coatcheck import tokens
from coatcheck.model import Damaged, Record, Tombstone, entomb, replace
from coatcheck.moving import Legacy, Moving, StarletteCookies
from coatcheck.moving.marks import (
    MADE,
    SESSION,
    Names,
    Step,
    cutoff_id,
    earliest,
    fitting,
    is_cut_off,
    is_row,
    judge,
    names,
    row,
    window_id,
)

NOW, KEY = 1_800_000_000_000, bytes(range(32))
MARK = row("0" + "A" * 25, "", {SESSION: b"x"}, NOW, NOW + 1000)
DONE = replace(MARK, data={SESSION: b"x", MADE: b"y"})
SESSION_ROW = replace(MARK, id="0" + "B" * 24 + "A")
DEAD: Tombstone = entomb(SESSION_ROW, "signed_out", NOW)


@pytest.mark.parametrize(
    ("mark", "session", "at", "step"),
    [
        (DONE, None, 0, Step.FOLLOW),
        (DONE, DEAD, 999, Step.FOLLOW),
        (MARK, SESSION_ROW, 0, Step.FOLLOW),
        (MARK, DEAD, 999, Step.FOLLOW),
        (MARK, Damaged("0", "why"), 0, Step.FOLLOW),
        (MARK, None, 0, Step.MAKE),
        (MARK, None, 499, Step.MAKE),
        (MARK, None, 500, Step.SPENT),
        (DONE, SESSION_ROW, 1000, Step.SPENT),
        (MARK, SESSION_ROW, 1000, Step.SPENT),
        (entomb(MARK, "revoked", NOW), SESSION_ROW, 0, Step.SPENT),
        (Damaged("0", "why"), SESSION_ROW, 0, Step.SPENT),
    ],
)
def test_the_table(mark: Any, session: Any, at: int, step: Step) -> None:
    """Promise 2: what a credential with a mark comes to, row by row; what is over never leads to a new session."""
    assert judge(mark, session, NOW + at, 500) is step


def test_all_that_follows_is_well_formed_and_apart() -> None:
    """SM-3, KY-7: ids and secrets have a ticket's shape, carry the user's tag, and differ by every input."""
    made = [
        names(KEY, "", "starlette", b"a"),
        names(KEY, "", "starlette", b"b"),
        names(KEY, "", "flask", b"a"),
        names(KEY, "tenant", "starlette", b"a"),
        names(bytes(32), "", "starlette", b"a"),
    ]
    ids = [each.mark for each in made] + [each.session_id(None) for each in made]
    ids += [window_id(KEY, "", 0), window_id(KEY, "", 1), cutoff_id(KEY, "", 0, "ada"), cutoff_id(KEY, "", 1, "ada")]
    assert all(tokens.is_id(each) for each in ids)
    assert len(set(ids)) == len(ids)
    assert len({each.secret for each in made}) == len(made)
    tagged = made[0].session_id("_-9")
    assert (tokens.is_id(tagged), tagged[1:4]) == (True, "_-9")
    assert tokens.parse(made[0].ticket(tagged).token) == made[0].ticket(tagged)
    assert names(KEY, "", "starlette", b"a") == made[0]


def test_nothing_shows_what_it_holds() -> None:
    """Promise 7: neither names nor legacy sessions print a secret or a datum."""
    made: Names = names(KEY, "", "starlette", b"a")
    legacy = Legacy(data={"a": "private"}, issued_at=1, expires_at=None)
    assert made.secret not in repr(made)
    assert "private" not in repr(legacy)


def test_rows_are_no_sessions() -> None:
    """SM-4: a row beside sessions has no ticket, and is told apart from sessions."""
    assert is_row(MARK)
    assert not is_row(replace(MARK, origin=Record.__struct_defaults__[-2]))
    assert not is_row(DEAD)
    assert MARK.secret_digest == b"\x01" + bytes(32)


@pytest.mark.parametrize(
    ("issued_at", "cutoff", "refused"),
    [(None, 0, False), (None, 5, True), (5, 0, False), (4, 5, True), (5, 5, True), (6, 5, False)],
)
def test_cutoffs(issued_at: int | None, cutoff: int, refused: bool) -> None:
    """Issue 5.1: a credential from the moment of a cutoff or before is refused, and one of unknown age with it."""
    assert is_cut_off(issued_at, cutoff) is refused


def test_the_earliest_deadline_counts() -> None:
    """Issue 5.1: of all the deadlines there are the first one is carried over."""
    assert (earliest(None, 5, 3), earliest(None, None), earliest(7)) == (3, None, 7)


def test_the_largest_keys_are_left_out() -> None:
    """Promise 12: what does not fit is left out from the largest on, until the others do."""
    data = {"a": b"x" * 50, "b": b"x" * 10, "c": b"x" * 60}
    assert fitting(data, 122) == (data | {"c": b"x" * 60}, []) or fitting(data, 123) == (data, [])
    assert fitting(data, 80) == ({"a": data["a"], "b": data["b"]}, ["c"])
    assert fitting(data, 10) == ({}, ["c", "a", "b"])


@pytest.mark.parametrize(
    ("until", "end"),
    [
        ("2027-01-31", datetime(2027, 2, 1, tzinfo=UTC)),
        (date(2027, 1, 31), datetime(2027, 2, 1, tzinfo=UTC)),
        (datetime(2027, 1, 31, 12, tzinfo=UTC), datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2027-01-31T12:00:00+02:00", datetime(2027, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_until_when(until: Any, end: datetime) -> None:
    """Issue 5.1: a day counts to its end in UTC, and a moment is that moment."""
    moving = Moving(StarletteCookies("key"), until, user_of=lambda _: None)
    assert (moving.until_ms, list(moving.faults())) == (int(end.timestamp() * 1000), [])


@pytest.mark.parametrize("until", ["", "tomorrow", "2027-02-30", None, 5, datetime(2027, 1, 31)])  # noqa: DTZ001 - on purpose
def test_what_is_no_day_is_refused(until: Any) -> None:
    """G-1: a day that is none, and a moment without a zone, are refused with the remedy."""
    (fault,) = Moving(StarletteCookies("key"), until, user_of=lambda _: None).faults()
    assert "must be a day" in fault
