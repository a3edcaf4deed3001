"""From a person's name to the user id that sessions go by, and back."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError


def user_named(name: str) -> str | None:
    """Return the id of the user with this username, else with this primary key; ``None`` if nobody has it."""
    model: Any = get_user_model()
    try:
        user = model._default_manager.get_by_natural_key(name)  # noqa: SLF001 - Django's documented name
    except ObjectDoesNotExist:
        user = _by_key(model, name)
    return None if user is None else model._meta.pk.value_to_string(user)  # noqa: SLF001 - as above


def username_of(user_id: str) -> str:
    """Return the name of a user, or the id where there is no such user any more."""
    user = _by_key(get_user_model(), user_id)
    return user_id if user is None else str(user.get_username())


def _by_key(model: Any, key: str) -> Any:
    try:
        return model._default_manager.filter(pk=key).first()  # noqa: SLF001 - as above
    except (ValueError, TypeError, OverflowError, ValidationError):
        return None
