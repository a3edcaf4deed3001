"""What the judgement about CSRF leaves behind in one request, for the session's verbs and for the answer."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from coatcheck.refusals import CallbackRefused, CsrfRefused

if TYPE_CHECKING:
    from coatcheck.accounts_state import AccountsState
    from coatcheck.manager.core import Core
    from coatcheck.model import Record


class Browser(Protocol):
    """The request, as far as a visitor's forms and a browser's accounts are concerned."""

    @property
    def may_change(self) -> bool:
        """Whether the request may change something, by its method."""
        ...

    def accounts(self) -> AccountsState | None:
        """Return what the browser holds of its list of accounts, ``None`` where there may be only one."""
        ...

    def form_cookie(self) -> str | None:
        """Return what the browser holds as the value of the forms' cookie, ``None`` for nothing usable."""
        ...


class Doubt(Struct, frozen=True, kw_only=True):
    """A request that was refused, may not begin a session, or would be so if that were enforced.

    Attributes:
        reason: a short word for logs and metrics.
        method: the request's method.
        path: its path, without the query.
        reported: nothing is refused, it is only told.
    """

    reason: str
    method: str
    path: str
    reported: bool = False

    def refuse(self, core: Core, holder: Record | None = None) -> None:
        """Tell the listeners, and raise unless it is only told. *holder* is the session that the request opened.

        No token is told, and nothing of the request but its method and path (G-18).

        Raises:
            CsrfRefused: the request may not do this.
        """
        core.emit(
            "csrf.refused",
            session_id=holder.id if holder else None,
            user_id=holder.user_id if holder else None,
            reason=self.reason,
            method=self.method[:20],
            path=self.path[:200],
            reported=self.reported,
        )
        if not self.reported:
            raise CallbackRefused if self.reason == "no_transaction" else CsrfRefused(self.reason)


class Leg(enum.Enum):
    """Which part of a sign-in at another site a request is; ``None`` for nearly all."""

    BEGINS = "begins"
    ANSWERS = "answers"


class CsrfState:
    """See the module's text.

    Attributes:
        doubt: why this request may not begin a session.
        form: the value of the forms' cookie that the answer must set.
        gave_token: the answer holds a token, so no cache may keep it.
        varies: the answer depends on the headers that tell where a request comes from.
        leg: which part of a sign-in at another site this request is.
        callback: the ticket for the other site's answer that the answer must set.
    """

    __slots__ = ("callback", "doubt", "form", "gave_token", "leg", "varies")

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self.doubt: Doubt | None = None
        self.form: str | None = None
        self.gave_token = False
        self.varies = False
        self.leg: Leg | None = None
        self.callback: str | None = None
