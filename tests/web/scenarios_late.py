"""Scenarios about what comes late: requests in flight while their session ends or changes, and their answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.web.scenarios import PROGRAM, Site, deletes, opens, ours_of, read, scenario, sign_in, token_of, with_ticket


@scenario()
async def a_late_read_does_not_resurrect(site: Site) -> str | None:
    """A request that only reads, in flight while its session is signed out, does not bring it back (promise 2)."""
    return await _resurrected(site, "/slow?gate=late")


@scenario()
async def a_late_write_does_not_resurrect(site: Site) -> str | None:
    """A request that writes, in flight while its session is signed out, does not bring it back (promise 2)."""
    return await _resurrected(site, "/slow?gate=late&x=1")


@scenario()
async def a_late_answer_does_not_sign_in_again(site: Site) -> str | None:
    """The answer that was in flight during the sign-out leaves the browser signed out (promises 2 and 11)."""
    async with site.browser() as client:
        await sign_in(client)
        async with _in_flight(site, client, "/slow?gate=late&x=1"):
            await client.post("/logout")
        return "the browser is signed in again" if (await read(client))["user"] else None


@scenario()
async def a_lost_write_is_told(site: Site) -> str | None:
    """A write whose session ended meanwhile is refused, never answered as if it were kept (ruling 4)."""
    async with site.browser() as client:
        await sign_in(client)
        token = token_of(site, client)
        async with _in_flight(site, client, "/slow?gate=late&x=1") as late:
            await _sign_out_elsewhere(site, token)
    answer = await late
    return None if 400 <= answer.status_code < 500 else f"the lost write was answered {answer.status_code}"


@scenario()
async def a_concurrent_sign_out_is_no_error_of_a_reader(site: Site) -> str | None:
    """A request that only reads is answered as ever when its session is signed out meanwhile (ruling 4)."""
    async with site.browser() as client:
        await sign_in(client)
        token = token_of(site, client)
        async with _in_flight(site, client, "/slow?gate=late") as late:
            await _sign_out_elsewhere(site, token)
    answer = await late
    return None if answer.status_code == 200 else f"the reader was answered {answer.status_code}"


@scenario()
async def a_late_answer_keeps_the_new_ticket(site: Site) -> str | None:
    """A late answer to the ticket from before a sign-in does not wipe or change the new one (promise 11)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        async with _in_flight(site, client, "/slow?gate=late") as late:
            await sign_in(client)
            new = token_of(site, client)
        answer = await late
        if ours_of(site, answer) or token_of(site, client) != new:
            return f"the late answer sent {len(ours_of(site, answer))} cookies"
        return None if (await read(client))["user"] == "u1" else "the browser is signed out"


@scenario()
async def a_late_write_makes_no_second_session(site: Site) -> str | None:
    """A write on the ticket from before a sign-in is refused, and begins no session beside the new one (ruling 5)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        async with _in_flight(site, client, "/slow?gate=late&x=1") as late:
            await sign_in(client)
        answer = await late
        if ours_of(site, answer):
            return "the late write sent a cookie"
        if not 400 <= answer.status_code < 500:
            return f"the late write was answered {answer.status_code}"
        return None if (await read(client))["user"] == "u1" else "the browser is signed out"


@scenario()
async def the_old_ticket_writes_nothing_into_the_new_session(site: Site) -> str | None:
    """After a sign-in a write with the ticket from before reaches nobody's session (promise 5, ruling 5)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        before = token_of(site, client)
        await sign_in(client)
        async with site.browser() as late:
            await late.post("/set?x=1", headers=with_ticket(site, before))
        return "the old ticket wrote" if "x" in (await read(client))["data"] else None


@scenario()
async def a_superseded_ticket_gets_no_deletion(site: Site) -> str | None:
    """The ticket from before a sign-in is answered without a deletion, which would wipe the new one (promise 11)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        before = token_of(site, client)
        await sign_in(client)
        async with site.browser() as late:
            answer = await late.get("/read", headers=with_ticket(site, before))
    sent = ours_of(site, answer)
    return f"the old ticket was answered with {len(sent)} cookies" if sent else None


@scenario()
async def a_rotated_ticket_gets_no_deletion(site: Site) -> str | None:
    """The secret from before a rotation by privilege is refused without a deletion (ruling 14, promise 11)."""
    async with site.browser() as client:
        await sign_in(client)
        before = token_of(site, client)
        await client.post("/rotate")
        async with site.browser() as late:
            answer = await late.get("/read", headers=with_ticket(site, before))
        if any(deletes(header) for header in ours_of(site, answer)):
            return "the old secret was answered with a deletion"
        return None if (await read(client))["user"] == "u1" else "the late request signed the browser out"


@scenario("generations")
async def a_write_in_flight_survives_no_rotation(site: Site) -> str | None:
    """A write from before a change of privilege is refused and not merged upward (the record: generation)."""
    async with site.browser() as client:
        await sign_in(client)
        async with _in_flight(site, client, "/slow?gate=late&x=1") as late:
            await client.post("/rotate")
        answer = await late
        seen = await read(client)
        if seen["user"] != "u1":
            return "the browser is signed out"
        refused = answer.status_code in (401, 409) and "x" not in seen["data"]
        return None if refused else f"the write was answered {answer.status_code}, then {seen['data']}"


@scenario("revoke_user")
async def a_sign_in_under_way_misses_no_sign_out_of_all(site: Site) -> str | None:
    """A password checked before "sign out everywhere" opens nothing after it (promise 2, 7.4.3, ruling 1)."""
    async with site.browser() as client, site.browser() as admin:
        async with _in_flight(site, client, "/checked_login?user=u1&gate=late") as late:
            site.clock.advance("1s")
            await admin.post("/revoke_user?user=u1")
        answer = await late
        if answer.status_code != 401:
            return f"the sign-in was answered {answer.status_code}"
        return "the browser is signed in" if (await read(client))["user"] else None


@scenario("revoke_user")
async def a_write_in_flight_survives_no_revoke(site: Site) -> str | None:
    """A request in flight while its user is signed out everywhere brings nothing back (promise 2)."""
    async with site.browser() as client, site.browser() as admin:
        await sign_in(client)
        token = token_of(site, client)
        async with _in_flight(site, client, "/slow?gate=late&x=1") as late:
            await admin.post("/revoke_user?user=u1")
        answer = await late
        if answer.status_code != 401:
            return f"the write was answered {answer.status_code}"
    return await opens(site, token)


@scenario("roles")
async def a_write_in_flight_survives_no_change_of_roles(site: Site) -> str | None:
    """A write that began under other roles is refused with 409 (the record: generation)."""
    async with site.browser() as client, site.browser() as admin:
        await sign_in(client)
        async with _in_flight(site, client, "/slow?gate=late&x=1") as late:
            await admin.post("/set_roles?user=u1&roles=guest")
        answer = await late
        data = (await read(client))["data"]
    return None if answer.status_code == 409 and "x" not in data else f"{answer.status_code}, then {data}"


@scenario("reasons")
async def a_refused_write_is_told_to_programs(site: Site) -> str | None:
    """A refused write is 401 and a problem document with a code, without a cookie (ruling 4, RFC 9457)."""
    async with site.browser() as client:
        await sign_in(client)
        token = token_of(site, client)
        async with _in_flight(site, client, "/slow?gate=late&x=1") as late:
            await _sign_out_elsewhere(site, token)
    answer = await late
    if answer.headers.get("content-type") != "application/problem+json" or ours_of(site, answer):
        return f"the refusal is {answer.headers.get('content-type')} with {len(ours_of(site, answer))} cookies"
    good = answer.status_code == 401 and answer.json().get("code") == "session_gone"
    return None if good else f"the refusal is {answer.status_code} and says {answer.json()}"


@asynccontextmanager
async def _in_flight(site: Site, client: httpx.AsyncClient, target: str) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """Hold a request inside its handler for the length of a block, and answer it afterwards."""
    gate = site.gate("late")
    task = asyncio.create_task(client.post(target, headers=PROGRAM))
    try:
        await gate.reached()
        yield task
    finally:
        gate.open()
        await asyncio.wait([task])


async def _sign_out_elsewhere(site: Site, token: str) -> None:
    async with site.browser() as other:
        await other.post("/logout", headers=with_ticket(site, token))


async def _resurrected(site: Site, target: str) -> str | None:
    async with site.browser() as client:
        await client.post("/set?base=1")
        await sign_in(client)
        token = token_of(site, client)
        async with _in_flight(site, client, target):
            await _sign_out_elsewhere(site, token)
    return await opens(site, token)
