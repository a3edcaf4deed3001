"""The table of scenarios that every session library must survive, in words that every one of them has.

A scenario drives an application through HTTP alone and returns ``None`` when it went well, else what went wrong. So
the same table judges coatcheck's adapters and rivals; a rival that fails where it is known to fail proves that the
scenarios can. What the application's routes do is said in ``tests/web/grid/deeds.py``; the scenarios themselves are in
the files ``tests/web/scenarios_*.py``, by subject.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import httpx

from coatcheck.testing import FrozenClock
from tests.web.grid.gates import Gate

LOCAL: Final = "http://localhost:8000"
PUBLIC: Final = "https://shop.example"
PLAIN: Final = "http://shop.example"

PROGRAM: Final = {"accept": "application/json"}
PAGE: Final = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@dataclass
class Faults:
    """What goes wrong with the store, as a scenario switches it on.

    Attributes:
        down: it does not answer.
        damaged: what it answers of a session's data cannot be decoded.
        newer: its sessions were written by a newer release.
    """

    down: bool = False
    damaged: bool = False
    newer: bool = False


class Site(Protocol):
    """What a scenario needs of an application that is set up: browsers, gates, a clock, faults, and two names."""

    cookie: str
    """The session cookie's name on local http."""
    public_cookie: str
    """Its name on https."""
    clock: FrozenClock
    faults: Faults

    def browser(self, base: str = LOCAL, **headers: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """Open a browser with a cookie jar of its own; it says, as browsers do, that its forms are our own."""
        ...

    def planted(self) -> str:
        """Return a well-formed cookie value that the library never made."""
        ...

    def gate(self, name: str) -> Gate:
        """Set up a gate, which holds the requests that name it inside their handlers."""
        ...


Check = Callable[[Site], Awaitable[str | None]]


@dataclass(frozen=True)
class Scenario:
    """One row of the table.

    Attributes:
        check: runs it.
        needs: what a library must offer for it to make sense.
        policy: what the site's policy has beside the defaults.
        options: what the site's middleware has beside the defaults.
    """

    check: Check
    needs: frozenset[str]
    policy: Mapping[str, Any]
    options: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The scenario in a few words."""
        return self.check.__name__

    @property
    def title(self) -> str:
        """The scenario in one sentence, with the requirements it stands for."""
        return (self.check.__doc__ or "").strip().partition("\n")[0]


SCENARIOS: Final[dict[str, Scenario]] = {}


def scenario(
    *needs: str, policy: Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None
) -> Callable[[Check], Check]:
    """Add a check to the table."""

    def add(check: Check) -> Check:
        assert check.__name__ not in SCENARIOS, f"there are two scenarios {check.__name__}"
        SCENARIOS[check.__name__] = Scenario(check, frozenset(needs), policy or {}, options or {})
        return check

    return add


def table() -> dict[str, Scenario]:
    """Return every scenario by its name."""
    from tests.web import (  # noqa: F401 - they add themselves to the table
        scenarios_caching,
        scenarios_clocks,
        scenarios_cookies,
        scenarios_data,
        scenarios_doors,
        scenarios_failures,
        scenarios_late,
        scenarios_people,
        scenarios_tickets,
    )

    return SCENARIOS


# --- words that scenarios share


def token_of(site: Site, client: httpx.AsyncClient) -> str:
    """Return the browser's session cookie, on local http or on https."""
    return client.cookies.get(site.cookie) or client.cookies.get(site.public_cookie) or ""


def with_ticket(site: Site, token: str) -> dict[str, str]:
    """Return the header that a client sends by hand."""
    return {"cookie": f"{site.cookie}={token}"}


def cookies_of(answer: httpx.Response) -> list[str]:
    """Return the answer's ``Set-Cookie`` headers."""
    return [header.strip() for header in answer.headers.get_list("set-cookie")]


def ours_of(site: Site, answer: httpx.Response) -> list[str]:
    """Return the answer's ``Set-Cookie`` headers for the session cookie."""
    names = (f"{site.cookie}=", f"{site.public_cookie}=")
    return [header for header in cookies_of(answer) if header.startswith(names)]


def attributes_of(header: str) -> dict[str, str]:
    """Return a cookie's attributes, their names in lower case."""
    pairs = (part.strip().partition("=") for part in header.split(";")[1:])
    return {name.lower(): value for name, _, value in pairs}


def deletes(header: str) -> bool:
    """Whether a ``Set-Cookie`` deletes."""
    attributes = attributes_of(header)
    return attributes.get("max-age") in ("0", "-1") or "1970" in attributes.get("expires", "")


def members_of(answer: httpx.Response, name: str) -> set[str]:
    """Return the members of a header that is a list, in lower case."""
    return {member.strip().lower() for member in answer.headers.get(name, "").split(",") if member.strip()}


def path(name: str, **query: str) -> str:
    """Return a route with its query."""
    return f"/{name}?{urlencode(query)}" if query else f"/{name}"


async def read(client: httpx.AsyncClient) -> dict[str, Any]:
    """Return what a browser's session shows."""
    answer = await client.get("/read")
    assert answer.status_code == 200, f"/read answered {answer.status_code}"
    return dict(answer.json())


async def seen_with(site: Site, token: str) -> dict[str, Any]:
    """Return what a stranger who holds *token* sees."""
    async with site.browser() as stranger:
        answer = await stranger.get("/read", headers=with_ticket(site, token))
        return dict(answer.json())


async def opens(site: Site, token: str) -> str | None:
    """Say what a ticket opens that should open nothing."""
    seen = await seen_with(site, token)
    return f"the ticket reads {seen}" if seen["data"] or seen["user"] else None


async def sign_in(client: httpx.AsyncClient, user: str = "u1", **query: str) -> httpx.Response:
    """Sign in."""
    answer = await client.post(path("login", user=user, **query))
    assert answer.status_code == 200, f"signing in answered {answer.status_code}"
    return answer
