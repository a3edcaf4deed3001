"""Scenarios that every session library must survive, in words that every one of them has.

A scenario drives an application through HTTP alone and returns ``None`` when it went well, else what went wrong. So
the same table judges coatcheck's adapters and rivals; a rival that fails where it is known to fail proves that the
scenarios can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import httpx

from tests.web._site import Gate, cookie_header, cookies_of


class Site(Protocol):
    """What a scenario needs: browsers, gates, and the name that the cookie has on local http."""

    gates: dict[str, Gate]
    cookie: str

    def browser(self) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """Open a browser with a cookie jar of its own."""
        ...

    def planted(self) -> str:
        """Return a well-formed cookie value that the library never made."""
        ...


Scenario = Callable[[Site], Awaitable[str | None]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(check: Scenario) -> Scenario:
    """Add *check* to the table."""
    SCENARIOS[check.__name__] = check
    return check


def token_of(site: Site, client: httpx.AsyncClient) -> str:
    """Return the browser's session cookie."""
    return client.cookies.get(site.cookie) or ""


async def data_under(site: Site, token: str) -> dict[str, Any]:
    """Return what a stranger who holds *token* reads."""
    async with site.browser() as stranger:
        answer = await stranger.get("/read", headers=cookie_header(token, site.cookie))
        return dict(answer.json())


@scenario
async def planted_id_is_never_adopted(site: Site) -> str | None:
    """A ticket that somebody made up never becomes a session (promise 1, SM-10, CVE-2024-38513)."""
    planted = site.planted()
    async with site.browser() as victim:
        await victim.post("/set?secret=yes", headers=cookie_header(planted, site.cookie))
    found = (await data_under(site, planted))["data"]
    return f"the planted id reads {found}" if found else None


@scenario
async def reading_writes_no_cookie(site: Site) -> str | None:
    """A request that only reads is answered without Set-Cookie (promise 6)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        again = await client.get("/read")
        return f"reading sent {len(cookies_of(again))} cookies" if cookies_of(again) else None


@scenario
async def looking_at_nothing_makes_nothing(site: Site) -> str | None:
    """A visitor who stores nothing gets no cookie (promise 6, S-03)."""
    async with site.browser() as client:
        answer = await client.get("/read")
        return "an anonymous read sent a cookie" if cookies_of(answer) else None


@scenario
async def the_old_id_dies_at_sign_in(site: Site) -> str | None:
    """The ticket from before signing in opens nothing afterwards (promise 5, S-46, 7.2.4)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        before = token_of(site, client)
        await client.post("/login?user=u1")
        if token_of(site, client) == before:
            return "signing in kept the ticket"
    seen = await data_under(site, before)
    return f"the old ticket still reads {seen}" if seen["data"] or seen["user"] else None


@scenario
async def the_old_id_dies_at_regeneration(site: Site) -> str | None:
    """The ticket from before a rotation by privilege is dead at once (promise 5)."""
    async with site.browser() as client:
        await client.post("/login?user=u1")
        before = token_of(site, client)
        await client.post("/regenerate")
        if token_of(site, client) == before:
            return "regenerating kept the ticket"
    seen = await data_under(site, before)
    return f"the old ticket still reads {seen}" if seen["data"] or seen["user"] else None


@scenario
async def two_writers_both_win(site: Site) -> str | None:
    """Two requests that change different keys of one session both win (promise 3)."""
    async with site.browser() as client:
        await client.post("/set?base=1")
        await _overlap(site, client, ["/slow?gate=one&a=1", "/slow?gate=two&b=2"])
        data = (await client.get("/read")).json()["data"]
        return None if {"a", "b"} <= data.keys() else f"of a and b only {sorted(data)} is left"


@scenario
async def a_late_read_does_not_resurrect(site: Site) -> str | None:
    """A request that only reads, in flight while its session is signed out, does not bring it back (promise 2)."""
    return await _resurrected(site, "/slow?gate=late")


@scenario
async def a_late_write_does_not_resurrect(site: Site) -> str | None:
    """A request that writes, in flight while its session is signed out, does not bring it back (promise 2)."""
    return await _resurrected(site, "/slow?gate=late&x=1")


@scenario
async def signing_out_is_idempotent(site: Site) -> str | None:
    """Signing out twice, and without a cookie, succeeds (S-47)."""
    async with site.browser() as client:
        await client.post("/login?user=u1")
        codes = [(await client.post("/logout")).status_code for _ in range(2)]
    async with site.browser() as stranger:
        codes.append((await stranger.post("/logout")).status_code)
    return None if codes == [200, 200, 200] else f"signing out answered {codes}"


@scenario
async def data_survives_signing_in(site: Site) -> str | None:
    """A cart filled before signing in is there afterwards (S-03, ruling 1)."""
    async with site.browser() as client:
        await client.post("/set?cart=apples")
        await client.post("/login?user=u1")
        answer = (await client.get("/read")).json()
        good = answer["data"].get("cart") == "apples" and answer["user"] == "u1"
        return None if good else f"after signing in there is {answer}"


@scenario
async def garbage_is_a_stranger(site: Site) -> str | None:
    """A cookie of garbage is an anonymous visitor on a public page, never an error (S-52)."""
    for garbage in ("x", "a" * 5000, "%00", "..%2f..", "'; DROP TABLE sessions; --", "{}", "*"):
        async with site.browser() as client:
            answer = await client.get("/read", headers=cookie_header(garbage, site.cookie))
            if answer.status_code != 200 or answer.json()["data"]:
                return f"garbage was answered with {answer.status_code}"
    return None


async def _overlap(site: Site, client: httpx.AsyncClient, targets: list[str]) -> list[httpx.Response]:
    """Send all targets, wait until each is inside its handler, then let them go one by one."""
    names = [httpx.URL(target).params["gate"] for target in targets]
    site.gates.update({name: Gate() for name in names})
    tasks = [asyncio.create_task(client.post(target)) for target in targets]
    answers = []
    for name in names:
        await site.gates[name].inside.wait()
    for name, task in zip(names, tasks, strict=True):
        site.gates[name].go.set()
        answers.append(await task)
    return answers


async def _resurrected(site: Site, target: str) -> str | None:
    async with site.browser() as client:
        await client.post("/set?base=1")
        await client.post("/login?user=u1")
        token = token_of(site, client)
        site.gates["late"] = Gate()
        late = asyncio.create_task(client.post(target))
        await site.gates["late"].inside.wait()
        async with site.browser() as other:
            await other.post("/logout", headers=cookie_header(token, site.cookie))
        site.gates["late"].go.set()
        await late
    seen = await data_under(site, token)
    return f"the signed-out ticket reads {seen}" if seen["data"] or seen["user"] else None
