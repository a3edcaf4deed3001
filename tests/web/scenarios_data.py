"""Scenarios about data: what is written is there, once, whole, and only where it belongs."""

from __future__ import annotations

import asyncio

import httpx

from tests.web.scenarios import Site, cookies_of, ours_of, path, read, scenario, sign_in, token_of


@scenario()
async def what_is_written_is_read(site: Site) -> str | None:
    """A key that was assigned is there in the next request, and gone when it was removed (S-03)."""
    async with site.browser() as client:
        await client.post("/set?a=1&b=2")
        await client.post("/unset?key=a")
        found = (await read(client))["data"]
        return None if found == {"b": "2"} else f"after a removal there is {found}"


@scenario()
async def clearing_leaves_no_data(site: Site) -> str | None:
    """A session whose keys are all removed has none in the next request, and its user stays (S-03)."""
    async with site.browser() as client:
        await sign_in(client)
        await client.post("/set?a=1&b=2")
        await client.post("/clear")
        seen = await read(client)
        return None if seen["data"] == {} else f"after clearing there is {seen}"


@scenario()
async def plain_types_survive(site: Site) -> str | None:
    """Text, numbers, booleans, none and what is nested come back as they were (S-05)."""
    async with site.browser() as client:
        await client.post("/types")
        found = (await read(client))["data"].get("value")
    wanted = {"text": "ä€😀", "int": 2**53 - 1, "float": 0.5, "none": None, "list": [True, False, {}]}
    return None if found == wanted else f"came back as {found}"


@scenario()
async def a_change_inside_a_value_is_kept(site: Site) -> str | None:
    """A list that is appended to in place is saved with what was appended (S-04)."""
    async with site.browser() as client:
        for item in ("a", "b", "c"):
            await client.post(path("append", item=item))
        found = (await read(client))["data"]
        return None if found == {"items": ["b", "c"]} else f"there is {found}"


@scenario()
async def two_writers_both_win(site: Site) -> str | None:
    """Two requests that change different keys of one session both win (promise 3)."""
    async with site.browser() as client:
        await client.post("/set?base=1")
        await _overlap(site, client, "a=1", "b=2")
        data = (await read(client))["data"]
        return None if data == {"base": "1", "a": "1", "b": "2"} else f"of base, a and b there is {data}"


@scenario()
async def a_reader_does_not_undo_a_writer(site: Site) -> str | None:
    """A request that only reads and ends later does not take back what another one wrote (promise 3)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        await _overlap(site, client, "a=2", "")
        data = (await read(client))["data"]
        return None if data == {"a": "2"} else f"there is {data}"


@scenario()
async def a_removal_and_a_change_both_win(site: Site) -> str | None:
    """A key removed in one request stays removed when another one changes another key (promise 3)."""
    async with site.browser() as client:
        await client.post("/set?gone=1&a=1")
        site.gate("late")
        late = asyncio.create_task(client.post("/slow?gate=late&a=2"))
        await site.gate("late").reached()
        await client.post("/unset?key=gone")
        site.gate("late").open()
        await late
        data = (await read(client))["data"]
        return None if data == {"a": "2"} else f"there is {data}"


@scenario()
async def of_one_key_the_last_wins(site: Site) -> str | None:
    """Two tabs that change the same key are both served, and the last to be saved is what stays (promise 3)."""
    async with site.browser() as client:
        await client.post("/set?a=0")
        codes = await _overlap(site, client, "a=1", "a=2")
        data = (await read(client))["data"]
        return None if codes == [200, 200] and data == {"a": "2"} else f"{codes}, and there is {data}"


@scenario()
async def two_tabs_begin_one_session_each_or_share(site: Site) -> str | None:
    """Two first requests at once leave the browser with a session that works (S-03)."""
    async with site.browser() as client:
        await asyncio.gather(client.post("/set?a=1"), client.post("/set?b=2"))
        await client.post("/set?c=3")
        data = (await read(client))["data"]
        return None if "c" in data and ({"a", "b"} & data.keys()) else f"there is {data}"


@scenario()
async def data_survives_signing_in(site: Site) -> str | None:
    """A cart filled before signing in is there afterwards (S-03, ruling 1)."""
    async with site.browser() as client:
        await client.post("/set?cart=apples")
        await sign_in(client)
        answer = await read(client)
        good = answer["data"].get("cart") == "apples" and answer["user"] == "u1"
        return None if good else f"after signing in there is {answer}"


@scenario()
async def a_failure_drops_changes(site: Site) -> str | None:
    """What a handler assigned before it failed is not kept (section 4: an unhandled exception drops them)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        answer = await client.post("/fail")
        if answer.status_code != 500:
            return f"the failure was answered {answer.status_code}"
        data = (await read(client))["data"]
        return None if data == {"a": "1"} else f"after the failure there is {data}"


@scenario()
async def a_failure_makes_no_session(site: Site) -> str | None:
    """A visitor whose first request failed has no session (section 4, promise 6)."""
    async with site.browser() as client:
        answer = await client.post("/fail")
        return "a failure sent a cookie" if ours_of(site, answer) else None


@scenario("acts_at_once")
async def a_failure_after_a_sign_in_carries_the_ticket_home(site: Site) -> str | None:
    """A sign-in holds when its handler fails afterwards: the browser has the one ticket that lives (section 4)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        answer = await client.post("/fail_signed_in?user=u1")
        seen = await read(client)
        return None if answer.status_code == 500 and seen["user"] == "u1" else f"{answer.status_code}, then {seen}"


@scenario()
async def an_abort_keeps_changes(site: Site) -> str | None:
    """An exception that is an answer keeps what was assigned before it, such as a count of tries (section 4)."""
    async with site.browser() as client:
        codes = [(await client.post("/abort")).status_code for _ in range(2)]
        data = (await read(client))["data"]
        return None if codes == [409, 409] and data == {"tries": 2} else f"{codes}, and there is {data}"


@scenario()
async def a_stream_commits_before_its_first_byte(site: Site) -> str | None:
    """Who holds the first byte of a streamed answer can rely on what it wrote (section 4, promise 13)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        gate = site.gate("stream")
        stream = asyncio.create_task(client.get("/stream?gate=stream"))
        await gate.reached()
        data = (await read(client))["data"]
        gate.open()
        answer = await stream
    if answer.content != b"onetwothree":
        return f"the stream was {answer.content!r}"
    return None if data.get("streamed") == "yes" else "the change was not there after the first byte"


@scenario()
async def a_stream_can_begin_a_session(site: Site) -> str | None:
    """A streamed answer carries the cookie of a session that its handler began (promise 13)."""
    async with site.browser() as client:
        site.gate("stream").open()
        answer = await client.get("/stream?gate=stream")
        if not ours_of(site, answer):
            return "the stream sent no cookie"
        return None if (await read(client))["data"] == {"streamed": "yes"} else "what was written is not there"


@scenario("data_limit")
async def too_much_is_refused_whole(site: Site) -> str | None:
    """Data beyond the limit is refused with 413, and what was there stays (S-06, promise 12)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        answer = await client.post("/big?size=50000")
        data = (await read(client))["data"]
    return None if answer.status_code == 413 and data == {"a": "1"} else f"{answer.status_code}, then {list(data)}"


@scenario("plain_types")
async def what_cannot_be_kept_is_refused(site: Site) -> str | None:
    """A value that could not come back as it was is an error at once, and what was there stays (S-05)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        answer = await client.post("/bad")
        after = await client.get("/read")
    if answer.status_code < 400:
        return f"it was answered {answer.status_code}"
    return None if after.status_code == 200 and after.json()["data"] == {"a": "1"} else f"then {after.text}"


@scenario("compares")
async def an_unchanged_session_is_not_written(site: Site) -> str | None:
    """Assigning what is there already sends no cookie (promise 6)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        return "a cookie was sent" if cookies_of(await client.post("/set?a=1")) else None


@scenario()
async def the_ticket_is_in_no_body(site: Site) -> str | None:
    """Neither what a session shows nor an error's page holds the ticket (promise 7, CVE-2020-5224)."""
    async with site.browser() as client:
        await client.post("/set?a=1")
        await sign_in(client)
        token = token_of(site, client)
        for method, route in (("GET", "/read"), ("GET", "/me"), ("POST", "/fail"), ("POST", "/bad")):
            answer = await client.request(method, route)
            if token in answer.text or token.rpartition(".")[2] in answer.text:
                return f"{route} shows the ticket"
    return None


async def _overlap(site: Site, client: httpx.AsyncClient, *queries: str) -> list[int]:
    """Send a request for each query, wait until each is inside its handler, then let them go one by one."""
    gates = [site.gate(f"g{number}") for number in range(len(queries))]
    targets = [f"/slow?gate=g{number}&{query}" for number, query in enumerate(queries)]
    tasks = [asyncio.create_task(client.post(target)) for target in targets]
    for gate in gates:
        await gate.reached()
    codes = []
    for gate, task in zip(gates, tasks, strict=True):
        gate.open()
        codes.append((await task).status_code)
    return codes
