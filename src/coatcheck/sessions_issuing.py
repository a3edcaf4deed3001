"""A manager's verbs that hand out tokens: bearer tokens for programs, exchange tickets for addresses."""

from __future__ import annotations

from collections.abc import Sequence

from coatcheck.durations import Duration
from coatcheck.issued import Issued
from coatcheck.manager import issuing
from coatcheck.manager.core import Core
from coatcheck.manager.credentials import Credentials
from coatcheck.runtime import finish
from coatcheck.wrong_words import Corrected


class AsyncIssuing(Corrected):
    """The verbs, awaited."""

    _core: Core

    async def issue(
        self,
        user_id: str,
        *,
        epoch: int | None = None,
        roles: Sequence[str] | None = None,
        remember: bool | None = None,
        amr: Sequence[str] = (),
        aal: int | None = None,
        label: str | None = None,
    ) -> Issued:
        """Begin a session of *user_id* whose token a program sends as ``Authorization: Bearer`` (RFC 6750).

        It is a session like any other: the policy's clocks, the user's limit, lists, revocation and roles hold for it.
        Its token stays the same for as long as it lives, and opens nothing as a cookie. *label* is the name that lists
        show, in the words of whoever asked for the token. The other arguments are those of ``session.login``.

        Whoever may have a token is for the application to decide: issue it in a request that `require_fresh` guards.

        Raises:
            StaleLogin, SessionLimitReached, StoreUnavailable: as ``session.login``.
            ValueError: *label* is empty, longer than 255 characters or no valid Unicode.
        """
        core = self._core
        wanted = Credentials(core, user_id, epoch=epoch, roles=roles, remember=remember, amr=amr, aal=aal)
        return await issuing.issue(core, wanted, label)

    async def issue_exchange(
        self,
        user_id: str,
        *,
        epoch: int | None = None,
        roles: Sequence[str] | None = None,
        remember: bool | None = None,
        amr: Sequence[str] = (),
        aal: int | None = None,
        next: str = "/",
        for_browser: str | None = None,
        within: Duration = "2m",
    ) -> Issued:
        """Make a ticket that signs *user_id* in once, by an address such as ``https://example.com/enter?sid=TOKEN``.

        The address works where the middleware has ``entering=Entering(...)``, for as long as *within* says. What is
        recorded of the sign-in is what the other arguments say, as for ``session.login``; the user's sessions being
        ended or their roles being changed meanwhile refuses it. *next* is where the browser goes then. With
        *for_browser*, the id of the session of the browser that asked, the ticket works in that browser alone.

        Raises:
            StoreUnavailable: the store did not answer.
            ValueError: *next* is no path of this site, *for_browser* no session's id, or *within* more than a day.
        """
        core = self._core
        wanted = Credentials(core, user_id, epoch=epoch, roles=roles, remember=remember, amr=amr, aal=aal)
        return await issuing.issue_exchange(core, wanted, issuing.Leading(next, for_browser, within))


class BlockingIssuing(Corrected):
    """The verbs, called."""

    _core: Core

    def issue(
        self,
        user_id: str,
        *,
        epoch: int | None = None,
        roles: Sequence[str] | None = None,
        remember: bool | None = None,
        amr: Sequence[str] = (),
        aal: int | None = None,
        label: str | None = None,
    ) -> Issued:
        """As `AsyncSessions.issue`."""
        core = self._core
        wanted = Credentials(core, user_id, epoch=epoch, roles=roles, remember=remember, amr=amr, aal=aal)
        return finish(issuing.issue(core, wanted, label))

    def issue_exchange(
        self,
        user_id: str,
        *,
        epoch: int | None = None,
        roles: Sequence[str] | None = None,
        remember: bool | None = None,
        amr: Sequence[str] = (),
        aal: int | None = None,
        next: str = "/",
        for_browser: str | None = None,
        within: Duration = "2m",
    ) -> Issued:
        """As `AsyncSessions.issue_exchange`."""
        core = self._core
        wanted = Credentials(core, user_id, epoch=epoch, roles=roles, remember=remember, amr=amr, aal=aal)
        return finish(issuing.issue_exchange(core, wanted, issuing.Leading(next, for_browser, within)))
