"""Scenarios about a store that does not answer, or answers what nobody can read."""

from __future__ import annotations

from tests.web.scenarios import PROGRAM, Site, cookies_of, deletes, ours_of, read, scenario, sign_in, token_of


@scenario("outage")
async def an_outage_is_loud(site: Site) -> str | None:
    """While the store does not answer a user is told 503 and when to try again, never anonymous (promise 9, 16.5.2)."""
    async with site.browser() as client:
        await sign_in(client)
        site.faults.down = True
        answer = await client.get("/read", headers=PROGRAM)
    if answer.status_code != 503:
        return f"the outage was answered {answer.status_code} {answer.text}"
    return None if answer.headers.get("retry-after", "").isdigit() else "nobody is told when to try again"


@scenario("outage")
async def an_outage_deletes_nothing(site: Site) -> str | None:
    """An outage leaves the cookie, and when the store is back the user is signed in as before (ruling 8)."""
    async with site.browser() as client:
        await sign_in(client)
        token = token_of(site, client)
        site.faults.down = True
        answers = [await client.get("/read"), await client.get("/me"), await client.post("/set?a=1")]
        if any(cookies_of(answer) for answer in answers) or token_of(site, client) != token:
            return "the outage touched the cookie"
        site.faults.down = False
        return None if (await read(client))["user"] == "u1" else "the user is signed out"


@scenario("outage")
async def an_outage_keeps_nothing_quietly(site: Site) -> str | None:
    """A write that could not be committed is not answered as if it were kept (promise 9)."""
    async with site.browser() as client:
        gate = site.gate("late")
        await client.post("/set?a=1")
        gate.open()
        site.faults.down = True
        codes = [(await client.post("/set?b=2")).status_code, (await client.post("/login?user=u1")).status_code]
    return None if codes == [503, 503] else f"writing and signing in were answered {codes}"


@scenario("outage")
async def a_first_write_in_an_outage_is_told(site: Site) -> str | None:
    """A visitor without a cookie whose first write fails is told 503 and gets no cookie (promise 9)."""
    async with site.browser() as client:
        site.faults.down = True
        answer = await client.post("/set?a=1")
    return None if answer.status_code == 503 and not cookies_of(answer) else f"it was answered {answer.status_code}"


@scenario("outage")
async def pages_that_do_not_look_outlive_an_outage(site: Site) -> str | None:
    """Pages that do not look at the session, and visitors without one, are served in an outage (ruling 7)."""
    async with site.browser() as client, site.browser() as visitor:
        await sign_in(client)
        site.faults.down = True
        codes = [(await client.get("/plain")).status_code, (await visitor.get("/read")).status_code]
    return None if codes == [200, 200] else f"they were answered {codes}"


@scenario("outage")
async def an_outage_is_not_stored(site: Site) -> str | None:
    """The answer of an outage is no-store (K-3)."""
    async with site.browser() as client:
        await sign_in(client)
        site.faults.down = True
        answer = await client.get("/read")
    said = answer.headers.get("cache-control", "")
    return None if "no-store" in said else f"Cache-Control: {said}"


@scenario("outage")
async def signing_out_in_an_outage_is_honest(site: Site) -> str | None:
    """A sign-out that the store did not confirm deletes the cookie and says 503 (ruling 8)."""
    async with site.browser() as client:
        await sign_in(client)
        site.faults.down = True
        answer = await client.post("/logout")
        sent = ours_of(site, answer)
        if answer.status_code != 503:
            return f"the sign-out was answered {answer.status_code}"
        return None if len(sent) == 1 and deletes(sent[0]) else "the cookie stays"


@scenario("outage")
async def an_outage_tells_no_secret(site: Site) -> str | None:
    """What an outage's page says holds no address, no ticket and nothing of the program (16.5.1, promise 7)."""
    async with site.browser() as client:
        await sign_in(client)
        token = token_of(site, client)
        site.faults.down = True
        answer = await client.get("/read")
    told = [word for word in (token, "Traceback", "://", "coatcheck/", "site-packages") if word in answer.text]
    return f"the page shows {told}" if told else None


@scenario("damage")
async def a_damaged_record_is_a_signed_out_user(site: Site) -> str | None:
    """A session whose data cannot be decoded is a visitor who is not signed in, never a 500 (promise 12)."""
    async with site.browser() as client:
        await sign_in(client)
        await client.post("/set?a=1")
        site.faults.damaged = True
        answer = await client.get("/read")
    if answer.status_code != 200:
        return f"a damaged session was answered {answer.status_code}"
    seen = answer.json()
    return f"a damaged session reads {seen}" if seen["user"] or seen["data"] else None


@scenario("newer")
async def a_newer_record_is_left_alone(site: Site) -> str | None:
    """A session that a newer release wrote is answered 503, its cookie kept, and works again later (promise 12)."""
    async with site.browser() as client:
        await sign_in(client)
        site.faults.newer = True
        answer = await client.get("/read")
        if answer.status_code != 503 or cookies_of(answer):
            return f"it was answered {answer.status_code} with {len(cookies_of(answer))} cookies"
        site.faults.newer = False
        return None if (await read(client))["user"] == "u1" else "the user is signed out"
