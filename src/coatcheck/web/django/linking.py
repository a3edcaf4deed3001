"""Whose session it is: Django says by its signals who has signed in, and coatcheck's session becomes theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.core.signals import request_finished
from django.http import HttpRequest

from coatcheck.errors import CoatcheckError
from coatcheck.web.django.configuration import built, current
from coatcheck.web.django.listening import listen
from coatcheck.web.django.store import SessionStore

RolesOf = Callable[[Any], Iterable[str]]

_FLAGS: Final = {"staff": "is_staff", "superuser": "is_superuser"}


def roles_of(user: Any) -> tuple[str, ...]:
    """Return the roles of a user's sessions, as ``COATCHECK["ROLES"]`` says; without it `default_roles`."""
    chosen = current().roles
    return tuple(default_roles(user) if chosen is None else chosen(user))


def default_roles(user: Any) -> tuple[str, ...]:
    """Return the policy's default roles, the names of the user's groups, and ``staff`` and ``superuser`` by flag.

    A group cannot lend the two: whoever may name groups may not make superusers.
    """
    names = set(current().sessions.policy.default_roles)
    if hasattr(user, "groups"):
        names |= set(user.groups.values_list("name", flat=True)) - _FLAGS.keys()
    return tuple(sorted(names | {role for role, flag in _FLAGS.items() if getattr(user, flag, False)}))


def link(request: HttpRequest | None = None, user: Any = None, **_: Any) -> None:
    """Make the session that of *user*, who has just signed in into it.

    Raises:
        StaleLogin, SessionLimitReached, StoreUnavailable: nobody is signed in; the middleware answers.
    """
    session = getattr(request, "session", None)
    if not isinstance(session, SessionStore):
        return
    user_id = session.get(SESSION_KEY)
    if not isinstance(user_id, str) or user_id != user._meta.pk.value_to_string(user):  # noqa: SLF001 - Django's documented API
        return  # sent for a token or the like: this session is not what they signed in into
    try:
        session.sign_in(user_id, roles_of(user))
    except CoatcheckError:
        if request is not None and hasattr(request, "user"):
            from django.contrib.auth.models import AnonymousUser

            request.user = AnonymousUser()
        raise


def keep_up(**_: Any) -> None:
    """Do what is due once the answer is out: a bounded sweep, in turn with other workers, and writing counts."""
    setup = built()
    if setup is not None and setup.sessions.upkeep_due:
        setup.sessions.upkeep_if_due()


listen(user_logged_in, link)
listen(request_finished, keep_up)
