"""What the rivals share: a session as the deeds want it, around whatever a library calls one.

A library keeps whom it signed in as a key among the others, as their own documentation does; the facade hides it from
the data. What a library has no word for is `NotOffered`, and such a scenario is not held against it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Final, NoReturn

import httpx

from coatcheck import User
from tests.web.grid.deeds import Call, Deed, Json, NotOffered, Reply
from tests.web.grid.site import Browsing
from tests.web.scenarios import Scenario

NOT_OFFERED: Final = "not offered"
USER: Final = "_user"
ROLES: Final = "_roles"
_HIDDEN: Final = frozenset({USER, ROLES, "_permanent"})


class Refused(Exception):
    """Nobody is signed in."""


class Facade(MutableMapping[str, Any]):
    """A library's session: a mapping of data, and verbs that subclasses spell in its words."""

    reason = None

    def __init__(self, find: Callable[[], Any]) -> None:
        """Show what *find* finds, which is asked for when somebody looks: some libraries take note of it."""
        self._find = find

    @property
    def inner(self) -> Any:
        """The library's own object."""
        return self._find()

    def __getitem__(self, key: str) -> Any:
        """Return a value."""
        return self.inner[key]

    def __setitem__(self, key: str, value: Any) -> None:
        """Assign."""
        self.inner[key] = value

    def __delitem__(self, key: str) -> None:
        """Remove."""
        del self.inner[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the data."""
        return iter([key for key in self.inner.keys() if key not in _HIDDEN])  # noqa: SIM118 - Django's has no iter

    def __len__(self) -> int:
        """Count the data."""
        return len(list(iter(self)))

    @property
    def user_id(self) -> str | None:
        """Who is signed in."""
        user: str | None = self.inner.get(USER)
        return user

    @property
    def roles(self) -> list[str]:
        """What was said of roles at sign-in."""
        return list(self.inner.get(ROLES, ()))

    @property
    def user(self) -> User:
        """Who is signed in, or a refusal."""
        if self.user_id is None:
            raise Refused
        return User(self.user_id, tuple(self.roles))

    @property
    def id(self) -> NoReturn:
        """No library here has a name for a session that is not its ticket."""
        raise NotOffered

    def login(self, user_id: str, *, roles: Any = None, **_options: Any) -> Any:
        """Sign in: a new ticket where the library has a word for it, then the key."""
        self.renew()
        self.inner[USER] = user_id
        self.inner[ROLES] = sorted(roles or ())

    def logout(self) -> Any:
        """Sign out."""
        self.inner.clear()

    def rotate(self) -> Any:
        """Change the ticket."""
        raise NotOffered

    def renew(self) -> None:
        """Change the ticket at sign-in; libraries without a word for it keep it."""


class Nobody:
    """A manager that can do nothing."""

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse."""
        raise NotOffered


class RivalSite(Browsing):
    """A library as a site of the scenarios."""

    offers: frozenset[str] = frozenset({"server_side", "plain_types"})
    manager: Any = Nobody()
    package = ""
    """The distribution whose version counts."""

    def __init__(self, *, secure: bool = False) -> None:
        """Build the application; *secure* configures it for https, as its documentation says for production."""
        super().__init__()
        self.secure = secure

    async def close(self) -> None:
        """Let go of what it holds."""


async def attempt(deed: Deed, call: Call) -> Reply:
    """Do a deed; what the library does not offer is answered 501, a refusal 401."""
    try:
        return await deed(call)
    except NotOffered:
        return Json("not offered", 501)
    except Refused:
        return Json("sign in", 401)


def for_scenario(kind: type[RivalSite], scenario: Scenario) -> RivalSite:
    """Return a rival's site configured for the transport that a scenario uses."""
    return kind(secure=scenario.name.startswith("https_"))


async def verdict_on(site: RivalSite, scenario: Scenario) -> str | None:
    """Run a scenario over a rival: ``None`` when it went well, `NOT_OFFERED`, or what went wrong."""
    site.refuse = _not_offered
    try:
        if not scenario.needs <= site.offers:
            return NOT_OFFERED
        return await asyncio.wait_for(scenario.check(site), 30)
    except NotOffered:
        return NOT_OFFERED
    except Exception as error:  # noqa: BLE001 - whatever a rival does is its verdict
        return f"{type(error).__name__}: {error}".partition("\n")[0]
    finally:
        await site.close()


async def _not_offered(answer: httpx.Response) -> None:
    if answer.status_code == 501:
        raise NotOffered
