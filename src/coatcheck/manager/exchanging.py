"""Signing in by an exchange ticket: looked at as often as one likes, used once (S-12).

A ticket is used by an atomic `take`, so that one of any number of requests at once gets it. What it says of the user
was kept when it was made; the epoch of then refuses a user whose sessions were ended meanwhile.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from coatcheck import tokens
from coatcheck.codec import decode
from coatcheck.discreet import Discreet
from coatcheck.errors import StaleLogin
from coatcheck.lifecycle import Verdict
from coatcheck.manager import signing
from coatcheck.manager.core import Core
from coatcheck.manager.credentials import Credentials
from coatcheck.manager.issuing import BROWSER, NEXT
from coatcheck.model import Record
from coatcheck.origin import Pending
from coatcheck.state import State

Why: TypeAlias = Literal["unknown", "used", "other_browser", "stale"]
"""Why a ticket signs nobody in, for the event alone: whoever brings it is told one thing."""

_HELD: Final = (Verdict.LIVE, Verdict.LOCKED)


class Offer(Discreet, frozen=True, kw_only=True):
    """What a ticket that is still good offers.

    Attributes:
        id: the ticket's public handle.
        pending: who is signed in by it, and as what.
        next: where the browser goes then.
        browser: id of the session it works in alone; ``None`` for any browser.
    """

    id: str
    pending: Pending
    next: str
    browser: str | None

    def __repr__(self) -> str:
        """Show the public handle."""
        return f"Offer(id={self.id!r})"


async def look_up(core: Core, token: str) -> Offer | None:
    """Return what *token* offers, and leave it as it is; ``None`` for one that is unknown, used or too old.

    Raises:
        StoreUnavailable: the store did not answer.
    """
    ticket = tokens.parse(token)
    if ticket is None:
        return None
    core.runtime.enter()
    now = await core.moment()
    found = (await core.store.find((ticket.id,)))[0]
    if not isinstance(found, Record) or found.origin.carrier != "exchange" or found.dead_at(now) is not None:
        return None
    if not tokens.same(core.digest(ticket, "exchange"), found.secret_digest) or found.origin.pending is None:
        return None
    browser = found.data.get(BROWSER)
    return Offer(
        id=found.id,
        pending=found.origin.pending,
        next=decode(found.data[NEXT]),
        browser=None if browser is None else decode(browser),
    )


def stands_in_the_way(state: State, offer: Offer) -> str | None:
    """Return the user who is signed in here and would be replaced; ``None`` for nobody, or for the very same.

    Somebody who acts for the ticket's user is not that user.
    """
    record = state.record if state.judgement.verdict in _HELD else None
    if record is None or record.user_id is None:
        return None
    actor = record.origin.actor_id
    return actor or (None if record.user_id == offer.pending.user_id else record.user_id)


async def redeem(state: State, offer: Offer) -> bool:
    """Use the ticket and sign its user in; ``False`` where it is used already, or not for this browser.

    Raises:
        InsecureTransport, TooLate: nothing was used.
        SessionLimitReached, StoreUnavailable: the ticket may be used up.
    """
    core, pending = state.core, offer.pending
    state.may_change_ticket("login")
    state.may_write()
    if offer.browser is not None and offer.browser != state.id:
        return refuse(core, "other_browser", offer)
    credentials = Credentials(
        core,
        pending.user_id,
        epoch=pending.epoch,
        roles=pending.roles,
        remember=pending.remember,
        amr=pending.amr,
        aal=pending.aal,
    )
    if await core.store.take(offer.id, now=await core.moment()) is None:
        return refuse(core, "used", offer)
    try:
        await signing.login(state, credentials, by="exchange")
    except StaleLogin:
        return refuse(core, "stale", offer)
    return True


def refuse(core: Core, why: Why, offer: Offer | None = None) -> Literal[False]:
    """Tell of a ticket that signs nobody in."""
    names = (None, None) if offer is None else (offer.id, offer.pending.user_id)
    core.emit("exchange.refused", session_id=names[0], user_id=names[1], why=why)
    return False
