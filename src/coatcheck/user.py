"""Who is signed in."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct


class User(Struct, frozen=True):
    """The signed-in user of a request.

    Attributes:
        id: the application's own id for the user.
        roles: sorted.
        aal: assurance level (NIST SP 800-63B), ``None`` when nobody stated one.
        auth_time: when the user last proved who they are.
    """

    id: str
    roles: tuple[str, ...]
    aal: int | None = None
    auth_time: datetime | None = None

    def has(self, role: str) -> bool:
        """Whether the user has *role*."""
        return role in self.roles
