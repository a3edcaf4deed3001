"""Which roles a user of Django has whose session is moved: those of now, whatever the session remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from coatcheck.moving.options import Moving


def with_roles(moving: object) -> object:
    """Return *moving* with roles from the user's row, where it names no others."""
    if isinstance(moving, Moving) and moving.roles_of is None:
        return structs.replace(moving, roles_of=roles_now)
    return moving


def roles_now(data: Mapping[str, Any]) -> Sequence[str]:
    """Return the roles of a session's user, as ``COATCHECK["ROLES"]`` says; none where the user is gone."""
    from django.contrib.auth import SESSION_KEY, get_user_model

    from coatcheck.web.django.linking import roles_of

    model: Any = get_user_model()
    user = model._default_manager.filter(pk=data.get(SESSION_KEY)).first()  # noqa: SLF001 - Django's documented name
    return () if user is None else roles_of(user)
