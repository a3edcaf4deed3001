"""Handing out tokens: a session that a program carries, and a ticket for one sign-in by an address (S-12, X-3).

Both are records whose origin says what carries them, and whose digest is made for that carrier alone: their token opens
nothing through another one, and neither does what is left of them when they have ended.
"""

from __future__ import annotations

import re
from typing import Final

from coatcheck.codec import encode
from coatcheck.data import Data
from coatcheck.durations import Duration, to_millis
from coatcheck.errors import SessionGone
from coatcheck.issued import Issued
from coatcheck.manager.core import Core
from coatcheck.manager.credentials import Credentials
from coatcheck.manager.making import Taken, make
from coatcheck.manager.saving import new_record
from coatcheck.model import Millis, Record, describe, is_text, replace
from coatcheck.origin import Origin, Pending
from coatcheck.state import State
from coatcheck.tokens import Ticket, is_id
from coatcheck.verbs import Created

LONGEST_LABEL: Final = 255
"""Characters of a label."""

LONGEST_WAIT: Final[Millis] = 86_400_000
"""Milliseconds, one day, that an exchange ticket may be good for."""

NEXT: Final = "coatcheck.next"
"""Key of an exchange ticket's record: where the browser goes once it is signed in."""

BROWSER: Final = "coatcheck.browser"
"""Key of an exchange ticket's record: the session of the one browser that it works in, if it is for one."""

_LOCAL: Final = re.compile(r"/(?!/)[\x21-\x5b\x5d-\x7e]{0,1999}")


class Leading:
    """Where an exchange ticket leads, and from which browser; checked."""

    __slots__ = ("browser", "life", "next")

    def __init__(self, to: str, browser: str | None, within: Duration) -> None:
        """Check the arguments of ``issue_exchange``.

        Raises:
            ValueError: *to* is no path of this site, *browser* no session's id, or *within* nothing or above a day.
        """
        if not isinstance(to, str) or not _LOCAL.fullmatch(to):
            raise ValueError('next must be a path of this site as addresses spell it, such as "/orders?page=2"')
        if browser is not None and not (isinstance(browser, str) and is_id(browser)):
            raise ValueError("for_browser must be session.id of the browser that asked; store something in it first")
        life = to_millis(within)
        if not 0 < life <= LONGEST_WAIT:
            raise ValueError(f'within={within!r} must lie between a moment and a day, such as "2m"')
        self.next, self.browser, self.life = to, browser, life


async def issue(core: Core, credentials: Credentials, label: str | None) -> Issued:
    """Begin a session that a bearer token opens.

    Raises:
        StaleLogin, SessionLimitReached, SessionGone: as `coatcheck.manager.signing.login`.
        ValueError: *label* cannot be kept.
        StoreUnavailable: the store did not answer.
    """
    name, state = _checked_label(label), State(core)
    core.runtime.enter()
    user_id = credentials.user_id
    epoch = await core.store.epoch(user_id) if credentials.epoch is None else credentials.epoch
    ticket, now = await core.mint(user_id), await core.moment()
    fresh = await new_record(state, ticket, Data({}).delta(), now, credentials.lifetime)
    record = replace(
        fresh,
        secret_digest=core.digest(ticket, "bearer"),
        user_id=user_id,
        roles=credentials.roles,
        auth_time=now,
        amr=credentials.amr,
        aal=credentials.aal,
        locks=False,  # nothing could resume it: that answers with a cookie
        persistent=False,
        origin=Origin(carrier="bearer", label=name),
    )
    taken = Taken(Data({}), Data({}).delta(), None)
    await make(state, record, ticket, taken, by="issue", user_id=user_id, limit=core.policy.limit, epoch=epoch)
    return _issued(state.record or record, ticket, now)


async def issue_exchange(core: Core, credentials: Credentials, leading: Leading) -> Issued:
    """Keep what a sign-in says of its user until somebody brings the ticket; nobody is signed in by that.

    The epoch is that of now, or of before: what ends all of the user's sessions meanwhile refuses the sign-in.

    Raises:
        StoreUnavailable: the store did not answer.
    """
    core.runtime.enter()
    user_id = credentials.user_id
    epoch = await core.store.epoch(user_id) if credentials.epoch is None else credentials.epoch
    ticket, now = await core.mint(None), await core.moment()
    record = _waiting(core, ticket, credentials, leading, epoch=epoch, now=now)
    with core.writing():
        answer = await core.store.create(record, now=now)
    if not isinstance(answer, Created):
        raise SessionGone("the ticket could not be made; nothing was saved")
    core.emit("exchange.issued", session_id=record.id, user_id=user_id)
    return _issued(record, ticket, now)


def _waiting(
    core: Core, ticket: Ticket, credentials: Credentials, leading: Leading, *, epoch: int, now: Millis
) -> Record:
    """Return the record behind an exchange ticket: nobody's, on no list, counting towards no limit."""
    until = now + leading.life
    pending = Pending(
        user_id=credentials.user_id,
        epoch=epoch,
        until=until,
        amr=credentials.amr,
        roles=credentials.roles,
        remember=credentials.remember,
        aal=credentials.aal,
    )
    data = {NEXT: encode(leading.next, NEXT)}
    if leading.browser is not None:
        data[BROWSER] = encode(leading.browser, BROWSER)
    return Record(
        id=ticket.id,
        secret_digest=core.digest(ticket, "exchange"),
        created_at=now,
        last_seen_at=now,
        idle_expires_at=None,
        expires_at=until,
        rotated_at=now,
        confirmed_at=now,
        persistent=False,
        tenant=core.tenant,
        data=data,
        origin=Origin(carrier="exchange", pending=pending),
    )


def _issued(record: Record, ticket: Ticket, now: Millis) -> Issued:
    return Issued(token=ticket.token, session=describe(record, now))


def _checked_label(label: str | None) -> str | None:
    """Return *label* if every store can keep it."""
    if label is None:
        return None
    if not isinstance(label, str) or not 0 < len(label) <= LONGEST_LABEL or not is_text(label):
        raise ValueError(f"label must have 1 to {LONGEST_LABEL} characters of valid Unicode and no NUL")
    return label
