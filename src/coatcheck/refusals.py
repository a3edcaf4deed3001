"""What guards raise: a request that is well formed, and may not do what it asks for.

::

    SessionError (coatcheck.errors)
    ├── StepUpRequired            the user must prove once more who they are (401)
    ├── RoleRequired              the user has none of the roles that would do (403)
    ├── PathRefused               the path can be read in two ways (400)
    ├── PathDenied                the gate opens this path to nobody (403)
    ├── CsrfRefused               it did not come from the application's own pages (403)
    │   └── CallbackRefused       another site's answer that nobody in this browser waits for (400)
    ├── ActingForAnother          not while acting for another user (403)
    └── AccountLimitReached       the browser holds as many accounts as it may (409)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coatcheck.errors import SessionError


class StepUpRequired(SessionError):
    """The user is signed in, and must prove once more who they are before this (ASVS 7.5.1, 7.5.3).

    Attributes:
        reason: ``"step_up"``, beside the reasons of `coatcheck.errors.SignInRequired`.
        max_age: how many seconds ago they may have proved it at most; ``None`` where that is not asked for.
        aal: the assurance level that is asked for (NIST SP 800-63B); ``None`` where none is.
    """

    code = "step_up_required"
    status = 401
    title = "Confirm that it is you"
    reason = "step_up"

    def __init__(self, *, max_age: int | None = None, aal: int | None = None) -> None:
        """Keep what is asked for, in the words of RFC 9470."""
        self.max_age, self.aal = max_age, aal
        level = "" if aal is None else " with another factor"
        super().__init__(f"This needs you to confirm{level} that it is you.")


class RoleRequired(SessionError):
    """The user is signed in and does not have a role that this needs.

    Attributes:
        roles: any one of these would do.
    """

    code = "role_required"
    status = 403
    title = "Not allowed"

    def __init__(self, roles: Sequence[str] = ()) -> None:
        """Keep the roles, for logs; the answer does not name them."""
        self.roles = tuple(roles)
        super().__init__("Your account may not do this.")


class PathRefused(SessionError):
    """The request's path has more than one reading, so that nobody can say which rule is for it.

    Attributes:
        reason: a short word for logs, such as ``"dot_segment"``; it holds nothing of the path.
    """

    code = "path_refused"
    status = 400
    title = "This address was refused"

    def __init__(self, reason: str, why: str) -> None:
        """Keep the *reason* and say *why*."""
        self.reason = reason
        super().__init__(f"It cannot be read in one way: {why}.")


class PathDenied(SessionError):
    """No rule of the gate is for this path, and its default denies it."""

    code = "path_denied"
    status = 403
    title = "Not allowed"

    def __init__(self) -> None:
        """Say no more than that."""
        super().__init__("Nobody may open this address.")


_ELSEWHERE: Final = "It did not come from one of this site's own pages. Open the page again and repeat it there."
_SILENT: Final = (
    "It did not say which page it came from. Browsers say so by themselves; a program names this site in an Origin "
    "header, or identifies itself with a bearer token."
)
_SAYS_NOTHING: Final = frozenset({"no_origin", "no_token"})


class CsrfRefused(SessionError):
    """A request that changes something did not come from the application's own pages, or could not show it (CS-7).

    Attributes:
        reason: a short word for logs and metrics, such as ``"cross_site"``; it holds nothing of the request.
    """

    code = "csrf_refused"
    status = 403
    title = "This request was refused"

    def __init__(self, reason: str) -> None:
        """Keep the *reason*."""
        self.reason = reason
        super().__init__(_SILENT if reason in _SAYS_NOTHING else _ELSEWHERE)


class ActingForAnother(SessionError):
    """Somebody who acts for another user asked for what only that user may do, such as proving who they are."""

    code = "acting_for_another"
    status = 403
    title = "Not while you act for somebody else"

    def __init__(self, what: str) -> None:
        """Say *what* is not possible."""
        super().__init__(f"You act for another user and cannot {what} for them. Go back to your own account first.")


class AccountLimitReached(SessionError):
    """The browser holds as many accounts as ``SessionMiddleware(accounts=...)`` allows.

    Attributes:
        most: how many that is.
    """

    code = "account_limit_reached"
    status = 409
    title = "Too many accounts"

    def __init__(self, most: int) -> None:
        """Say how many there may be."""
        self.most = most
        super().__init__(f"This browser may hold {most} accounts. Sign out of one of them first.")


class CallbackRefused(CsrfRefused):
    """Another site answered, and nobody in this browser waits for it: never begun here, used already, or too late."""

    code = "callback_refused"
    status = 400
    title = "Begin again"

    def __init__(self, reason: str = "no_transaction") -> None:
        """Keep the *reason*."""
        super().__init__(reason)
        self.args = ("This sign-in was not begun in this browser, took too long, or is over. Begin it again.",)
