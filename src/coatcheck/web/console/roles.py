"""The field that changes a user's roles: what stands in it, and when nothing may. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from coatcheck.model import SessionInfo


class RolesField(Struct, frozen=True):
    """The field before somebody writes into it.

    Attributes:
        text: the roles that all live sessions have, separated by commas; empty where they differ.
        differ: the sessions have different roles, or not all of them were seen. What is written is given to all, so a
            role of one session must not get into another without a word.
        unwritable: a role that cannot be written with commas between; ``None`` where there is none.
    """

    text: str
    differ: bool
    unwritable: str | None


def roles_field(live: Sequence[SessionInfo], *, all_seen: bool) -> RolesField:
    """Return the field for these live sessions of one user; *all_seen* when the user has no others."""
    kinds = {tuple(sorted(info.roles)) for info in live}
    roles = sorted({role for kind in kinds for role in kind})
    differ = len(kinds) > 1 or not all_seen
    unwritable = next((role for role in roles if [role] != written_roles(role)), None)
    return RolesField("" if differ else ", ".join(roles), differ, unwritable)


def written_roles(text: str) -> list[str]:
    """Return the roles that the field's text names."""
    return [role for part in text.split(",") if (role := part.strip())]
