"""A session's story: what happened to it, what will, and when. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from coatcheck.model import Millis, SessionInfo
from coatcheck.web.console.words import ENDED, browser_name, known_as

Kind: TypeAlias = Literal["past", "now", "future", "end"]

SAME: Millis = 1000
"""Milliseconds within which a session's beginning and its sign-in are one moment for people."""


class Moment(Struct, frozen=True):
    """One point of the timeline."""

    at: Millis
    kind: Kind
    title: str
    detail: str = ""


def story(info: SessionInfo, now: Millis, names: Mapping[str, str]) -> list[Moment]:
    """Return the moments of a session, in order. Those of one time stay in the order in which they come about.

    *names* are those of users, by their ids.
    """
    moments = [*_past(info, names), *(_to_come(info, now) if info.ended_at is None else _ended(info))]
    return sorted(moments, key=lambda each: each.at)


def _past(info: SessionInfo, names: Mapping[str, str]) -> Iterator[Moment]:
    """Yield what happened while it lived."""
    address = info.device.first_address if info.device else None
    where = f"{browser_name(info.device)}, {f'from {address}' if address else 'address unknown'}"
    at_once = info.auth_time is not None and info.auth_time - info.created_at < SAME
    user = known_as(info.user_id, names)
    begin = f"Signed in as {user}" if at_once else _maker(user)
    yield Moment(info.created_at, "past", "Created", f"{begin}. {where}.")
    if info.auth_time is not None and (not at_once or info.amr or info.aal is not None):
        how = f" With {', '.join(info.amr)}." if info.amr else ""
        level = f" Assurance level {info.aal}." if info.aal is not None else ""
        yield Moment(info.auth_time, "past", "Signed in", f"The user proved who they are.{how}{level}")
    if info.rotated_at is not None and info.rotated_at != info.created_at:
        shown = "in use" if info.confirmed_at is not None else "not presented yet"
        yield Moment(
            info.rotated_at, "past", "New secret", f"The secret before it is replaced; the new one is {shown}."
        )
    last = info.device.last_address if info.device else None
    yield Moment(info.last_seen_at, "past", "Last seen", f"From {last}." if last else "")


def _maker(user: str | None) -> str:
    return f"By user {user}" if user is not None else "By a visitor who was not signed in"


def _to_come(info: SessionInfo, now: Millis) -> Iterator[Moment]:
    """Yield the present and the deadlines of a session that left no tombstone yet."""
    yield Moment(now, "now", "Now", "" if info.live else "Over, and not swept yet: its cookie opens nothing any more.")
    if info.idle_expires_at is not None:
        yield _deadline(
            info.idle_expires_at, now, "Idle deadline", "The idle timeout. Every use of the session moves it."
        )
    if info.expires_at is not None:
        yield _deadline(info.expires_at, now, "Absolute deadline", "The absolute timeout. Nothing moves it.")


def _deadline(at: Millis, now: Millis, title: str, detail: str) -> Moment:
    if at > now:
        return Moment(at, "future", title, f"It ends then. {detail}")
    return Moment(at, "end", title, "It ran out.")


def _ended(info: SessionInfo) -> Iterator[Moment]:
    if info.ended_at is not None and info.reason is not None:
        yield Moment(info.ended_at, "end", "Ended", f"{ENDED[info.reason].capitalize()}.")
