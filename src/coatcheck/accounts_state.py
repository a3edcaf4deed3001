"""What one request knows of the accounts that its browser holds, for the verbs and for the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coatcheck.state import State


class AccountsState:
    """See the module's text. Made when somebody asks for the first time: until then nothing was looked up.

    Attributes:
        most: how many accounts the browser may hold.
        token: what the browser sent as the cookie of its list, ``None`` for nothing usable.
        rejected: why that cookie was not even read.
        listed: the record of the list and what becomes of its cookie, once it was looked up: a session beside the
            session, of another carrier.
    """

    __slots__ = ("listed", "most", "rejected", "token")

    def __init__(self, most: int, token: str | None = None, rejected: str | None = None) -> None:
        """Begin with nothing looked up."""
        self.most, self.token, self.rejected = most, token, rejected
        self.listed: State | None = None

    def __repr__(self) -> str:
        """Show the bound, never the token."""
        return f"AccountsState(most={self.most})"
