"""What an experiment's outcome means, decided by what came back in this run alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from .trial import Seen

Kind: TypeAlias = Literal["held", "partly", "broken", "absent", "unclear"]

WORDS: Final[dict[Kind, str]] = {
    "held": "Holds",
    "partly": "Holds in part",
    "broken": "Does not hold",
    "absent": "Not offered",
    "unclear": "No result",
}
"""What each kind of verdict is called."""


class Verdict(Struct, frozen=True):
    """A kind, and a sentence that says what happened."""

    kind: Kind
    text: str

    @property
    def word(self) -> str:
        """The kind in words."""
        return WORDS[self.kind]


def of_two_tabs(wanted: tuple[str, ...], tabs: Sequence[Seen], after: Seen) -> Verdict:
    """Judge what is in the cart after two *tabs* added to it, and what they were told."""
    if fault := _fault(*tabs, after):
        return fault
    lost = " and ".join(thing for thing in wanted if thing not in after.cart)
    if lost and all(tab.status == 200 for tab in tabs):
        return Verdict("broken", f"The {lost} is gone, and both tabs were told that all went well.")
    if lost:
        return Verdict("partly", f"The {lost} is not in the cart, and a tab was told so.")
    return Verdict("held", "Everything is in the cart.")


def of_slow_request(late: Seen, after: Seen, old: Seen) -> Verdict:
    """Judge who is signed in once the slow request has ended: the browser, and whoever has its *old* cookie."""
    if fault := _fault(late, after, old):
        return fault
    if after.user:
        return Verdict("broken", "Signed in again. The slow request undid the sign-out.")
    if old.user:
        return Verdict("broken", "Signed out in the browser, but the cookie from before still opens the account.")
    if late.status >= 400:
        return Verdict("held", f"Still signed out. The slow request was refused with {late.status}.")
    return Verdict("held", "Still signed out.")


def of_stolen_cookie(after: Seen) -> Verdict:
    """Judge what the copy opens after its owner signed out."""
    if fault := _fault(after):
        return fault
    if after.user:
        return Verdict("broken", "The copy still opens the account.")
    return Verdict("held", "The copy no longer opens anything.")


def of_crowd(limit: int, entered: Sequence[Seen], seen: Sequence[Seen], *, can_limit: bool) -> Verdict:
    """Judge how many of those who *entered* are live, by what each has *seen* afterwards."""
    if fault := _fault(*entered, *seen):
        return fault
    live = sum(one.user is not None for one in seen)
    if live < limit or (live == limit and not can_limit):
        return Verdict("unclear", f"{live} are signed in: too few to show whether there is a limit.")
    if not can_limit:
        return Verdict("absent", f"{live} are signed in. There is no limit to set.")
    if live > limit:
        return Verdict("broken", f"{live} are signed in, {limit} are allowed.")
    return Verdict("held", f"{live} are signed in, {limit} are allowed.")


def of_planted_cookie(before: Seen, after: Seen, own: Seen) -> Verdict:
    """Judge what the attacker saw with the made-up cookie before and after the sign-in, and with their *own*."""
    if fault := _fault(before, after, own):
        return fault
    if after.user or own.user:
        cookie = "The made-up cookie" if after.user else "The attacker's own cookie"
        return Verdict("broken", f"{cookie} became yours: the attacker is signed in as you.")
    if before.cart or after.cart:
        return Verdict(
            "partly", "The made-up cookie was accepted: the attacker read your cart. They were not signed in with you."
        )
    return Verdict("held", "The attacker saw nothing of yours with either cookie.")


def _fault(*answers: Seen) -> Verdict | None:
    """Return that nothing is decided when one of the *answers* failed: where nothing works, nothing is lost either."""
    failed = next((one.status for one in answers if one.status >= 500), None)
    return Verdict("unclear", f"A request was answered with {failed}: this shows nothing.") if failed else None
