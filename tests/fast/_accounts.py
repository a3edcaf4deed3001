"""A browser with both cookies, in front of either manager: what an adapter does with accounts, without one."""

from __future__ import annotations

from typing import Any

from coatcheck import AsyncAccounts, BlockingAccounts, Policy
from coatcheck.accounts_state import AccountsState
from coatcheck.lifecycle import Cookie
from coatcheck.manager import accounts
from coatcheck.manager.saving import ticket_outcome
from coatcheck.runtime import finish
from coatcheck.state import Outcome, State
from tests.fast._world import World
from tests.fast.conftest import Build


class Asking:
    """What a request says of its browser's accounts."""

    def __init__(self, known: AccountsState | None, *, may_change: bool = True) -> None:
        """Say *known*."""
        self._known, self.may_change = known, may_change

    def form_cookie(self) -> None:
        """Return nothing: no form is asked for here."""

    def accounts(self) -> AccountsState | None:
        """Return what was known."""
        return self._known


class Visit:
    """One request, with the session and the accounts as a handler has them."""

    def __init__(self, jar: Jar, *, may_change: bool = True) -> None:
        """Load what the browser's cookie opens."""
        self.jar, self.world = jar, jar.world
        self.session: Any = self.world.load(jar.token)
        self.state: State = self.session._state
        self.state.browser = Asking(AccountsState(jar.most, jar.listed), may_change=may_change)
        blocking = self.world.mode == "blocking"
        self._accounts: Any = BlockingAccounts(self.state, finish) if blocking else AsyncAccounts(self.state)

    def do(self, verb: str, *args: Any, **options: Any) -> Any:
        """Call a verb of the accounts."""
        return self.world.run(getattr(self._accounts, verb)(*args, **options))

    def answer(self, *, lost: bool = False) -> None:
        """Answer; a *lost* answer never reaches the browser."""
        self.deliver(self.leave(), lost=lost)

    def leave(self) -> tuple[Outcome, Outcome]:
        """Return what the answer does with both cookies."""
        saved = self.world.save(self.session)
        known = self.state.accounts
        if known is not None:
            asked = accounts.conclude(known)
            _ = self.world.run(asked) if self.world.mode == "async" else finish(asked)
        listed = None if known is None else known.listed
        return saved, Outcome(Cookie.KEEP) if listed is None else ticket_outcome(listed)

    def deliver(self, outcomes: tuple[Outcome, Outcome], *, lost: bool = False) -> None:
        """Let the browser obey an answer."""
        if not lost:
            self.jar.token = _obeyed(self.jar.token, outcomes[0])
            self.jar.listed = _obeyed(self.jar.listed, outcomes[1])


class Jar:
    """A browser: the session's cookie and the list's."""

    def __init__(self, world: World, *, most: int = 5) -> None:
        """Begin with neither."""
        self.world, self.most = world, most
        self.token: str | None = None
        self.listed: str | None = None

    def visit(self, **options: bool) -> Visit:
        """Begin a request."""
        return Visit(self, **options)

    def request(self, verb: str, *args: Any, **options: Any) -> Any:
        """Make a whole request with one verb of the accounts."""
        visit = self.visit()
        result = visit.do(verb, *args, **options)
        visit.answer()
        return result

    def holds(self, *users: str, **options: Any) -> dict[str, str]:
        """Add accounts one after the other; return each user's session id."""
        for user in users:
            self.request("add", user, **options)
        return self.ids()

    def ids(self) -> dict[str, str]:
        """Return the session of each user that is listed."""
        return {account.user_id: account.session_id for account in self.request("list")}

    def shown(self) -> list[str]:
        """Return the users that are listed; the one in use has a star."""
        return [account.user_id + "*" * account.current for account in self.request("list")]

    @property
    def user(self) -> str | None:
        """Whom the session in use belongs to."""
        return self.world.user(self.token)


def _obeyed(held: str | None, outcome: Outcome) -> str | None:
    if outcome.cookie is Cookie.KEEP:
        return held
    return outcome.token if outcome.cookie is Cookie.SEND else None


def browser(build: Build, *users: str, policy: Policy | None = None, **options: Any) -> tuple[Jar, dict[str, str]]:
    """Return a browser in which *users* were signed in one after the other, and their sessions."""
    jar = Jar(build(policy) if policy else build(), **options)
    return jar, jar.holds(*users)


def reasons(jar: Jar, ids: dict[str, str]) -> set[str | None]:
    """Return why the sessions ended; ``None`` for one that lives."""
    return {jar.world.run(jar.world.sessions.get(each)).reason for each in ids.values()}
