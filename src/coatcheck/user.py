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
        auth_time: when the user last proved who they are; ``None`` in an impersonation, where they did not.
        actor_id: who really acts, where somebody impersonates the user.
    """

    id: str
    roles: tuple[str, ...]
    aal: int | None = None
    auth_time: datetime | None = None
    actor_id: str | None = None

    def has(self, role: str) -> bool:
        """Whether the user has *role*."""
        return role in self.roles
