"""Scenarios about time: both clocks, renewal, and rotation by age. The clock is the site's and moves when told."""

from __future__ import annotations

from tests.web.scenarios import (
    PROGRAM,
    Site,
    attributes_of,
    deletes,
    opens,
    ours_of,
    read,
    scenario,
    seen_with,
    sign_in,
    token_of,
    with_ticket,
)

_SHORT = {"idle_timeout": "30m", "absolute_timeout": "2h", "rotate_every": None}


@scenario("clock", policy=_SHORT)
async def idleness_ends_a_session(site: Site) -> str | None:
    """A session that was not used for the idle timeout is over, and says why (promise 8, 7.3.1)."""
    async with site.browser() as client:
        await sign_in(client)
        site.clock.advance("31m")
        answer = await client.get("/me", headers=PROGRAM)
    if answer.status_code != 401:
        return f"after 31 idle minutes of 30 it was answered {answer.status_code}"
    return None if answer.json().get("reason") == "idle" else f"the reason is {answer.json().get('reason')}"


@scenario("clock", policy=_SHORT)
async def activity_renews_the_idle_clock(site: Site) -> str | None:
    """A session that is used is not idle, whatever its requests do (promise 8, 7.3.1)."""
    async with site.browser() as client:
        await sign_in(client)
        for _ in range(4):
            site.clock.advance("20m")
            if (await read(client))["user"] != "u1":
                return "a session in use ended as idle"
    return None


@scenario("clock", policy=_SHORT)
async def use_does_not_move_the_absolute_deadline(site: Site) -> str | None:
    """A session ends at its absolute deadline however much it is used (promise 8, 7.3.2)."""
    async with site.browser() as client:
        await sign_in(client)
        for _ in range(4):
            site.clock.advance("25m")
            await client.post("/append?item=x")
        token = token_of(site, client)
        site.clock.advance("25m")
        answer = await client.get("/me", headers=PROGRAM)
        if answer.status_code != 401 or answer.json().get("reason") != "expired":
            return f"after 125 minutes of 120 it was answered {answer.status_code} {answer.text}"
    return await opens(site, token)


@scenario("clock", policy=_SHORT)
async def rotation_does_not_move_the_absolute_deadline(site: Site) -> str | None:
    """A new ticket for a new privilege does not make the session live longer (promise 8)."""
    async with site.browser() as client:
        await sign_in(client)
        for _ in range(5):
            site.clock.advance("25m")
            await client.post("/rotate")
        return "the session outlived its deadline" if (await read(client))["user"] else None


@scenario("clock", policy=_SHORT)
async def the_cookie_dies_with_the_session(site: Site) -> str | None:
    """Max-Age is what is left of the absolute deadline, never more (ruling 17, S-36)."""
    async with site.browser() as client:
        first = attributes_of(ours_of(site, await sign_in(client))[0])
        site.clock.advance("20m")
        second = attributes_of(ours_of(site, await client.post("/rotate"))[0])
    ages = [first.get("max-age"), second.get("max-age")]
    return None if ages == ["7200", "6000"] else f"Max-Age is {ages} where 7200 and 6000 seconds are left"


@scenario("clock", policy=_SHORT)
async def an_expired_session_can_begin_anew(site: Site) -> str | None:
    """With an expired ticket a write makes a fresh session that has none of the old data (ruling 5)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        old = token_of(site, client)
        site.clock.advance("3h")
        await client.post("/set?b=2")
        if token_of(site, client) == old:
            return "the expired ticket was handed out again"
        data = (await read(client))["data"]
        return None if data == {"b": "2"} else f"the new session reads {data}"


@scenario("clock", policy={**_SHORT, "remember_idle_timeout": "30d", "remember_absolute_timeout": "30d"})
async def a_remembered_session_has_clocks_of_its_own(site: Site) -> str | None:
    """A remembered sign-in lives by its own clocks, and ends by them (N-7, ruling 2)."""
    async with site.browser() as client:
        await sign_in(client, remember="yes")
        site.clock.advance("29d")
        if (await read(client))["user"] != "u1":
            return "a remembered session ended before its time"
        site.clock.advance("2d")
        return "a remembered session outlived its deadline" if (await read(client))["user"] else None


@scenario("clock", policy={"rotate_every": "1h", "rotation_grace": "30s"})
async def a_secret_grows_old(site: Site) -> str | None:
    """After its time a secret is replaced in passing, and the session goes on (ruling 3, 7.2.4)."""
    async with site.browser() as client:
        await sign_in(client)
        old = token_of(site, client)
        site.clock.advance("61m")
        answer = await client.get("/read")
        if not ours_of(site, answer) or token_of(site, client) == old:
            return "the secret was not replaced"
        if answer.json()["user"] != "u1" or (await read(client))["user"] != "u1":
            return "replacing the secret signed the browser out"
        return None


@scenario("clock", policy={"rotate_every": "1h", "rotation_grace": "30s"})
async def a_lost_answer_signs_nobody_out(site: Site) -> str | None:
    """A browser that never received the new secret goes on with the old one (ruling 3, promise 5)."""
    async with site.browser() as client:
        await sign_in(client)
        old = token_of(site, client)
    site.clock.advance("61m")
    for _ in range(3):
        if (await seen_with(site, old))["user"] != "u1":
            return "the old secret was refused before the new one was seen"
        site.clock.advance("10m")
    return None


@scenario("clock", policy={"rotate_every": "1h", "rotation_grace": "30s"})
async def parallel_requests_get_one_successor(site: Site) -> str | None:
    """All requests that carry the old secret are handed the same new one (ruling 3)."""
    async with site.browser() as client:
        await sign_in(client)
        old = token_of(site, client)
    site.clock.advance("61m")
    handed: set[str] = set()
    for _ in range(3):
        async with site.browser() as tab:
            answer = await tab.get("/read", headers=with_ticket(site, old))
            handed.update(header.partition(";")[0] for header in ours_of(site, answer))
    return None if len(handed) == 1 else f"{len(handed)} different secrets were handed out"


@scenario("clock", policy={"rotate_every": "1h", "rotation_grace": "30s"})
async def a_replaced_secret_is_dead_after_the_grace(site: Site) -> str | None:
    """A secret that comes back after its successor was seen and the grace is over opens nothing (ruling 3)."""
    async with site.browser() as client:
        await sign_in(client)
        old = token_of(site, client)
        site.clock.advance("61m")
        await read(client)
        await read(client)
        site.clock.advance("31s")
        if found := await opens(site, old):
            return found
        return None if (await read(client))["user"] == "u1" else "the thief's request signed the user out"


@scenario("clock", policy={"rotate_every": "1h", "rotation_grace": "30s"})
async def prefetching_does_not_rotate(site: Site) -> str | None:
    """A prefetch, whose answer may never be used, does not get the new secret (ruling 14)."""
    async with site.browser() as client:
        await sign_in(client)
        site.clock.advance("61m")
        answer = await client.get("/read", headers={"sec-purpose": "prefetch;prerender"})
        return "the prefetch got a new secret" if ours_of(site, answer) else None


@scenario("clock", policy=_SHORT)
async def an_idle_cookie_is_no_loop(site: Site) -> str | None:
    """A dead ticket is answered, page after page, without a redirect or a cookie on every one (promise 11)."""
    async with site.browser() as client:
        await sign_in(client)
        token = token_of(site, client)
        site.clock.advance("31m")
        sent = []
        for _ in range(3):
            answer = await client.get("/read", headers=with_ticket(site, token))
            if answer.status_code != 200:
                return f"a dead ticket was answered {answer.status_code}"
            sent += ours_of(site, answer)
    others = [header for header in sent if not deletes(header)]
    return f"a dead ticket was answered with {len(others)} new cookies" if others else None
