"""What a sign-in says of the user, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Sequence

from coatcheck.errors import ConfigurationError
from coatcheck.manager.core import Core
from coatcheck.model import is_text


class Credentials:
    """What a sign-in says of the user; checked and brought into one form."""

    __slots__ = ("aal", "amr", "epoch", "remember", "roles", "user_id")

    def __init__(
        self,
        core: Core,
        user_id: str,
        *,
        epoch: int | None,
        roles: Sequence[str] | None,
        remember: bool | None,
        amr: Sequence[str],
        aal: int | None,
    ) -> None:
        """Check the arguments of ``login``."""
        self.user_id = checked_user(user_id)
        if epoch is not None and type(epoch) is not int:
            raise TypeError(f"epoch must be what sessions.epoch() returned, not {type(epoch).__name__}")
        self.epoch = epoch
        self.roles = checked_roles(core.policy.default_roles if roles is None else roles)
        if remember and not core.policy.allow_remember:
            raise ConfigurationError(
                "login(remember=True) needs a policy with allow_remember=True; this one refuses remembered sign-ins"
            )
        self.remember = remember
        self.amr = with_methods((), amr, "pwd")
        highest = highest_aal(core, 3, remembered=bool(remember)) if core.policy.aal is not None else None
        self.aal = highest if aal is None else highest_aal(core, aal, remembered=bool(remember))

    @property
    def lifetime(self) -> str:
        """Which of the policy's lifetimes the session gets."""
        return "remember_me" if self.remember else "default"


def checked_user(user_id: str) -> str:
    """Refuse what cannot name a user.

    Raises:
        TypeError: it is not a string.
        ValueError: it is empty, longer than 255 characters, no valid Unicode, or holds a NUL.
    """
    if not isinstance(user_id, str):
        raise TypeError(f"user_id must be str, not {type(user_id).__name__}; write str(user.id)")
    if not user_id or len(user_id) > 255 or not is_text(user_id):
        raise ValueError("user_id must have 1 to 255 characters of valid Unicode and no NUL")
    return user_id


def checked_roles(roles: Sequence[str]) -> tuple[str, ...]:
    """Return roles sorted and without repeats.

    Raises:
        TypeError: one text was given instead of a list of them, or something that is not text.
        ValueError: a role is no valid Unicode, or holds a NUL.
    """
    return tuple(sorted(set(checked_names(roles, "roles", "editor"))))


def checked_names(names: Sequence[str], what: str, example: str) -> tuple[str, ...]:
    """Return names as they are, or raise as `checked_roles` says."""
    if isinstance(names, str) or not all(isinstance(name, str) and name for name in names):
        raise TypeError(f'{what} must be a list of names, such as ["{example}"], not {type(names).__name__}')
    for name in names:
        if not is_text(name):
            raise ValueError(f"{what} must be valid Unicode without NUL, not {name!r}")
    return tuple(names)


def with_methods(shown: Sequence[str], further: Sequence[str], example: str) -> tuple[str, ...]:
    """Return the methods *shown* before and *further* ones in the order in which they were shown, each once.

    Raises:
        TypeError, ValueError: *further* is no list of names; *example* says what one looks like.
    """
    return tuple(dict.fromkeys((*shown, *checked_names(further, "amr", example))))


def highest_aal(core: Core, aal: int, *, remembered: bool) -> int:
    """Return an assurance level as far as the policy and a remembered sign-in let it count (N-7).

    Raises:
        ValueError: there is no such level.
    """
    if type(aal) is not int or not 0 <= aal <= 3:
        raise ValueError(f"aal must be 0, 1, 2 or 3 (NIST SP 800-63B), not {aal!r}")
    aal = min(aal, 1) if remembered else aal
    return aal if core.policy.aal is None else min(aal, core.policy.aal)
