"""From when on a user's legacy credentials are good: told by every deliberate end, while a window is open.

A user's epoch says it too, but stores forget epochs, and a signed cookie has older copies that no id connects with the
session that it became. So while a window is open, signing out and revoking leave a row for the user until its end.

* ``ended``: one of the user's sessions was signed out or revoked. Signed cookies that are not younger are refused.
* ``revoked``: all of them were, or their roles were changed. So is every other credential.

That a window is open stands in the store, so that a command line which knows of none leaves its row as well. The rows
belong to a store-wide epoch: what is older than its raise is refused for ever, and `Store.end_all` ends them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from coatcheck.codec import decode, encode
from coatcheck.errors import UnreadableRecord
from coatcheck.manager.core import Core
from coatcheck.model import Found, FromTheFuture, Millis, Record, Tombstone
from coatcheck.moving import marks
from coatcheck.verbs import Change, Created

Kind: TypeAlias = Literal["ended", "revoked"]

NOBODY: Final = "-" * 256
"""No user's id, which has 255 characters at most: its epoch is the store-wide one."""

MARGIN: Final[Millis] = 86_400_000
"""Milliseconds, a day, that rows outlive their window, so that no clock's drift lets it end later than they."""

_NOT_EXTENDED: Final = (
    "the window ends on the day that was said first, because only until then it is remembered which sessions were ended"
)
_KEYS: Final[Mapping[Kind, str]] = {"ended": marks.ENDED, "revoked": marks.REVOKED}
_log: Final = logging.getLogger("coatcheck")


class Window:
    """The window that this process has open.

    Attributes:
        source: the library whose sessions are moved.
        until: when it ends by this process's options.
        signed: that library's cookies are the sessions themselves.
        opened: what `open_window` has found, and at which store-wide epoch.
        again_at: when a store that did not answer is asked again.
        told: it was said that the window is over.
    """

    __slots__ = ("again_at", "opened", "signed", "source", "told", "until")

    def __init__(self, source: str, until: Millis, *, signed: bool) -> None:
        """Begin without having asked the store."""
        self.source, self.until, self.signed = source, until, signed
        self.opened: tuple[int, Opened] | None = None
        self.again_at: Millis = 0
        self.told = False


class Opened(Struct, frozen=True):
    """When a window really ends, and how long what is ended in it is remembered."""

    until: Millis
    kept: Millis


async def latest(core: Core, user_id: str | None, *, signed: bool) -> Millis:
    """Return up to when a user's credentials are refused, 0 for none; beside what the user's epoch says of them.

    Raises:
        StoreUnavailable, UnreadableRecord: it cannot be told.
    """
    everybody, window = await core.store.epoch(NOBODY), core.window
    if window is not None and window.opened is not None and window.opened[0] != everybody:
        window.opened = None
    if user_id is None:
        return 0
    found = await _row(core, marks.cutoff_id(await core.key(), core.tenant, everybody, user_id))
    return max(_moment(found, marks.REVOKED), _moment(found, marks.ENDED) if signed else 0)


async def note(core: Core, user_id: str | None, kind: Kind) -> None:
    """Leave word that a session of *user_id*, or all of them, are being ended; before they are.

    Costs two reads where no window is open, and nothing at a sign-out in an application without one.

    Raises:
        StoreUnavailable: nothing is ended then.
    """
    if user_id is None or (kind == "ended" and core.window is not None and not core.window.signed):
        return
    now = await core.moment()
    everybody = await core.store.epoch(NOBODY)
    until = await _open_until(core, everybody)
    if until <= now:
        return
    row_id, change = marks.cutoff_id(await core.key(), core.tenant, everybody, user_id), {_KEYS[kind]: encode(now)}
    record = marks.row(row_id, core.tenant, change, now, until + MARGIN)
    if not isinstance(await core.store.create(record, now=now), Created):
        await core.store.commit(row_id, generation=1, change=Change(change), now=now)


async def note_of(core: Core, session_id: str) -> bool:
    """As `note`, of the user that a session belongs to; ``False`` for a row that is no session and must stay.

    Raises:
        StoreUnavailable: nothing is ended then.
    """
    if core.window is None and await _open_until(core, await core.store.epoch(NOBODY)) == 0:
        return True
    found = (await core.store.find((session_id,)))[0]
    if isinstance(found, (Record, Tombstone)):
        await note(core, found.user_id, "ended")
    return not marks.is_row(found)


async def open_window(core: Core, window: Window) -> Opened:
    """Let the store know of a window, once in a process and once after every `Store.raise_epoch`.

    A window is not extended: what was refused in it is remembered until the end that it had first.

    Raises:
        StoreUnavailable, UnreadableRecord: it cannot be told.
    """
    if window.opened is not None:
        return window.opened[1]
    now, everybody = await core.moment(), await core.store.epoch(NOBODY)
    row_id, change = marks.window_id(await core.key(), core.tenant, everybody), {window.source: encode(window.until)}
    await core.store.create(marks.row(row_id, core.tenant, change, now, None), now=now)  # or it is there
    known = _moment(await _row(core, row_id), window.source)
    if known == 0:
        await core.store.commit(row_id, generation=1, change=Change(change), now=now)
        known = window.until
    if window.until > known:
        _log.warning("Moving(until=...) was changed to a later day: %s", _NOT_EXTENDED)
    opened = Opened(min(window.until, known), known)
    window.opened = everybody, opened
    return opened


async def _open_until(core: Core, everybody: int) -> Millis:
    """Return when the last window ends, by this process's options or by what the store knows; 0 for none."""
    if core.window is not None:
        return core.window.until
    found = await _row(core, marks.window_id(await core.key(), core.tenant, everybody))
    return max((_moment(found, source) for source in found.data), default=0) if isinstance(found, Record) else 0


async def _row(core: Core, row_id: str) -> Found:
    found = (await core.store.find((row_id,)))[0]
    if isinstance(found, FromTheFuture):
        raise UnreadableRecord.written_in(found.id, found.schema)
    return found


def _moment(found: Found, key: str) -> Millis:
    """Return a moment that a row holds, 0 for none. What is left of a row that was ended refuses what is older."""
    if isinstance(found, Tombstone):
        return found.ended_at
    if not isinstance(found, Record) or key not in found.data:
        return 0
    moment = decode(found.data[key])
    return moment if isinstance(moment, int) else 0
