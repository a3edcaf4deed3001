"""Defects that can be switched on in coatcheck's own site, so that every scenario is seen to fail for its reason.

Each is one mistake that real session code has made: in the store, the policy, the options, or around the application.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from coatcheck import codec
from coatcheck.model import Record, replace
from coatcheck.stores.contract import Store
from coatcheck.testing import FrozenClock
from tests.web.grid import adapter_starlette, defects_around
from tests.web.grid.around import Around
from tests.web.grid.grounds import Ground
from tests.web.grid.site import OurSite
from tests.web.grid.store import Spoilt
from tests.web.scenarios import Faults, Scenario


@dataclass(frozen=True)
class Defect:
    """One mistake.

    Attributes:
        policy: what it makes of the policy.
        options: what it makes of the middleware's options.
        found: what it makes of a session that the store found.
        given: what it makes of an argument of the store's `commit`.
        quiet: whether the store hides its faults: what it cannot find or read is simply not there.
        manager: what it answers in the place of verbs of the manager.
        around: what it does around the application.
        timeless: whether its clock stands still.
    """

    policy: Mapping[str, Any] = field(default_factory=dict[str, Any])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    found: Callable[[Record, Faults], Any] | None = None
    given: Callable[[str, Any], Any] = lambda _name, value: value
    quiet: bool = False
    manager: Mapping[str, Callable[..., Any]] = field(default_factory=dict[str, Callable[..., Any]])
    around: Callable[[], Around] | None = None
    timeless: bool = False


class BrokenSite(OurSite):
    """Coatcheck in Starlette on memory, with a defect."""

    def __init__(self, defect: Defect, scenario: Scenario) -> None:
        """Build it."""
        self._defect = defect
        super().__init__(adapter_starlette, Ground("memory", "memory://"), scenario)
        if defect.timeless:
            self.clock = _Standing()
        if defect.manager:
            self.manager = _Instead(self.manager, defect.manager)
        if defect.around is not None:
            self.app = defect.around().around(self.app, self.faults)

    async def close(self) -> None:
        """Let go of the store."""
        self.faults.down = self.faults.newer = False
        await self.manager.aclose()

    def policy_of(self, scenario: Scenario) -> Mapping[str, Any]:
        """Return the policy with the defect."""
        return {**scenario.policy, **self._defect.policy}

    def options_of(self, scenario: Scenario) -> Mapping[str, Any]:
        """Return the options with the defect."""
        return {**scenario.options, **self._defect.options}

    def store_of(self, store: Store) -> Store:
        """Return the store with the defect."""
        inner = store if self._defect.quiet else super().store_of(store)
        spoilt: Any = Spoilt(inner, self._found, self._defect.given)
        return spoilt  # type: ignore[no-any-return]  # it has every verb of the one it wraps

    def _found(self, found: list[Any]) -> list[Any]:
        change, faults = self._defect.found, self.faults
        if self._defect.quiet and (faults.down or faults.newer):
            return [None for _ in found]
        return [change(each, faults) if change and isinstance(each, Record) else each for each in found]


class _Standing(FrozenClock):
    """A clock that nobody moves."""

    def advance(self, by: Any) -> None:
        """Stand still."""


class _Instead:
    """A manager some of whose verbs are others."""

    def __init__(self, manager: Any, verbs: Mapping[str, Callable[..., Any]]) -> None:
        self._manager, self._verbs = manager, verbs

    def __getattr__(self, name: str) -> Any:
        own = getattr(self._manager, name)
        if name not in self._verbs:
            return own

        async def verb(*args: Any, **options: Any) -> Any:
            answer = self._verbs[name](own, *args, **options)
            return await answer if hasattr(answer, "__await__") else answer

        return verb


# --- in the store


def _forgets(_record: Record, _faults: Faults) -> Any:
    return None


def _nobodys(record: Record, _faults: Faults) -> Any:
    return replace(record, user_id=None, roles=())


def _without_previous(record: Record, _faults: Faults) -> Any:
    return replace(record, previous_digest=None)


def _in_words(record: Record, _faults: Faults) -> Any:
    data = {key: codec.encode(str(codec.decode(value))) for key, value in record.data.items()}
    return replace(record, data=data)


def _unreadable(record: Record, faults: Faults) -> Any:
    if faults.damaged:
        raise ValueError("a field cannot be decoded")
    return record


def _without_removals(_name: str, value: Any) -> Any:
    return replace(value, unset=()) if hasattr(value, "unset") else value


DEFECTS: Final[dict[str, Defect]] = {
    "sessions are forgotten": Defect(found=_forgets),
    "nobody is signed in": Defect(found=_nobodys),
    "the replaced secret is dropped": Defect(found=_without_previous),
    "values become text": Defect(found=_in_words),
    "time stands still": Defect(timeless=True),
    "activity does not count": Defect(policy={"renew_when": "1s"}),
    "no limit": Defect(policy={"max_sessions": None, "at_limit": "evict_least_recent"}),
    "any size": Defect(policy={"data_limit": 1_000_000}),
    "no protection from other sites": Defect(options={"csrf": "off"}),
    "plain http is fine": Defect(options={"allow_http_hosts": ["shop.example"]}),
    "no sign-in page": Defect(options={"sign_in_url": None}),
    "a sign-in page elsewhere": Defect(options={"sign_in_url": "https://evil.example/sign-in"}),
    "revoking does nothing": Defect(
        manager={
            "revoke": lambda _own, _id, **_: False,
            "revoke_user": lambda _own, _user, **_: 0,
            "set_roles": lambda _own, _user, _roles: 0,
        }
    ),
    "lists are empty": Defect(manager={"list": lambda _own, _user: []}),
    "whose session it is does not matter": Defect(manager={"revoke": lambda own, session_id, **_: own(session_id)}),
    "nothing is kept": Defect(manager={"revoke_user": lambda own, user, **_: own(user)}),
    "an outage is silence": Defect(quiet=True),
    "what cannot be read is an error": Defect(found=_unreadable),
    "removals are ignored": Defect(given=_without_removals),
    "the cookie is bare": Defect(around=defects_around.Bare),
    "caches are told nothing": Defect(around=defects_around.Silent),
    "the cookie is echoed": Defect(around=defects_around.Echo),
    "headers are doubled": Defect(around=defects_around.Twice),
    "other cookies are dropped": Defect(around=defects_around.OnlyOurs),
    "cookies are lost on the way": Defect(around=defects_around.NoCookieOnTheWay),
    "every answer says 200": Defect(around=defects_around.AlwaysWell),
    "errors are pages": Defect(around=defects_around.Pages),
    "errors show the request": Defect(around=defects_around.Debug),
    "HEAD is unknown": Defect(around=defects_around.NoHead),
    "garbage is an error": Defect(around=defects_around.Strict),
    "links from elsewhere are refused": Defect(around=defects_around.NoLinks),
    "signing out is for members": Defect(around=defects_around.Members),
    "an outage stops everything": Defect(around=defects_around.AllDown),
    "prefetching is like reading": Defect(around=defects_around.Prefetching),
    "tickets are taken from anywhere": Defect(around=defects_around.Helpful),
    "half a ticket opens": Defect(around=defects_around.HalfATicket),
    "the name without prefix is read": Defect(around=defects_around.AnyName),
    "data travels in the cookie": Defect(around=defects_around.DataInTheCookie),
    "tickets are short": Defect(around=defects_around.Short),
    "a sign-out interrupts others": Defect(around=defects_around.Interrupted),
    "one cache for all": Defect(around=defects_around.OneCacheForAll),
}
