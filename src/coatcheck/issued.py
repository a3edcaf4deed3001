"""A token that travels by another way than a session's cookie, as it is handed to the application: once."""

from __future__ import annotations

from coatcheck.discreet import Discreet
from coatcheck.model import SessionInfo


class Issued(Discreet, frozen=True, kw_only=True):
    """What `AsyncSessions.issue` and `AsyncSessions.issue_exchange` return.

    Attributes:
        token: secret, and known to nobody afterwards: the store has its digest alone. Give it away and forget it.
        session: what lists show of it.
    """

    token: str
    session: SessionInfo

    def __repr__(self) -> str:
        """Show the public id and the carrier, never the token."""
        return f"Issued(id={self.session.id!r}, carrier={self.session.carrier!r})"
