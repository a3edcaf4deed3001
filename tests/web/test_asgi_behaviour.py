"""The ASGI adapter's rulings: refused saves, dead tickets, outages, streams, sockets, and who is sent where."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from coatcheck import CommitRefused, Policy
from coatcheck.web.starlette import session_of
from tests.web._site import Gate, Outage, World, cookie_header, cookies_of

PAGE = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_refused_save_replaces_the_answer() -> None:
    """A change to a session that ended meanwhile is 401 without a cookie, not the handler's 200 (ruling 4)."""
    world = World()

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            world.gates["g"] = Gate()
            late = asyncio.create_task(client.post("/slow?gate=g&x=1"))
            await world.gates["g"].inside.wait()
            await world.sessions.revoke_user("u1")
            world.gates["g"].go.set()
            answer = await late
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "session_gone"
        assert not cookies_of(answer)
        assert answer.headers["cache-control"] == "no-store, private"
        assert world.events.only("session.commit_refused")[0].details["why"] == "gone"

    asyncio.run(story())


def test_a_save_over_changed_privileges_is_a_conflict() -> None:
    """A change made under old roles is answered 409, as a page for a browser (ruling 4, promise 2)."""
    world = World()

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            world.gates["g"] = Gate()
            late = asyncio.create_task(client.post("/slow?gate=g&x=1", headers=PAGE))
            await world.gates["g"].inside.wait()
            await world.sessions.set_roles("u1", ["guest"])
            world.gates["g"].go.set()
            answer = await late
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "not saved" in answer.text

    asyncio.run(story())


async def _catching(request: Request) -> Response:
    session = session_of(request)
    session["x"] = 1
    gate: Gate = request.app.state.gate
    await gate.wait()
    try:
        await session.save()
    except CommitRefused as refused:
        return JSONResponse({"caught": refused.code}, status_code=202)
    return PlainTextResponse("saved")


def test_a_handler_may_catch_the_refusal() -> None:
    """`await session.save()` lets a handler answer a refused save in its own way (ruling 4)."""
    world = World(routes=[Route("/catching", _catching, methods=["POST"])])

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            gate = world.app.state.gate = Gate()
            late = asyncio.create_task(client.post("/catching"))
            await gate.inside.wait()
            await world.sessions.revoke_user("u1")
            gate.go.set()
            answer = await late
        assert (answer.status_code, answer.json()) == (202, {"caught": "session_gone"})

    asyncio.run(story())


def test_an_unhandled_exception_drops_changes_and_an_http_exception_keeps_them() -> None:
    """Changes before a crash are dropped; the cookie and the session stay as they were (design, section 4)."""
    world = World()

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/set?a=1")
            assert (await client.post("/boom")).status_code == 500
            assert (await client.get("/read")).json()["data"] == {"a": "1"}

    asyncio.run(story())


@pytest.mark.parametrize(
    ("how", "reason", "deleted"),
    [
        ("idle", "idle", True),
        ("absolute", "expired", True),
        ("revoked", "revoked", True),
        ("login", "superseded", False),
    ],
)
def test_a_dead_ticket_is_told_why_and_deleted_only_where_that_is_harmless(
    how: str, reason: str, deleted: bool
) -> None:
    """The right secret of a dead session is told why; a superseded one keeps its cookie (ruling 5, promise 11)."""
    world = World(policy=Policy(idle_timeout="1h", absolute_timeout="2h", allow_remember=False))

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            old = client.cookies["session"]
            if how == "idle":
                world.clock.advance("1h")
            elif how == "absolute":
                for _ in range(4):
                    world.clock.advance("30m")
                    await client.get("/read")
            elif how == "revoked":
                await world.sessions.revoke_user("u1")
            else:
                await client.post("/login?user=u1")
        async with world.browser() as client:
            answer = await client.get("/read", headers=cookie_header(old))
        assert answer.json() == {"data": {}, "user": None, "reason": reason}
        assert [("Max-Age=0" in cookie) for cookie in cookies_of(answer)] == ([True] if deleted else [])

    asyncio.run(story())


def test_an_unknown_ticket_is_told_nothing_and_keeps_its_cookie() -> None:
    """A well-formed ticket of nobody gets no reason and no deletion cookie (ruling 5, law 4)."""
    world, other = World(), World()

    async def story() -> None:
        async with other.browser() as client:
            await client.post("/login?user=u1")
            token = client.cookies["session"]
        async with world.browser() as client:
            answer = await client.get("/read", headers=cookie_header(token))
        assert answer.json()["reason"] is None
        assert not cookies_of(answer)

    asyncio.run(story())


def test_a_late_answer_does_not_wipe_the_new_ticket() -> None:
    """Two answers in either order leave the browser with the ticket of the sign-in (promise 11)."""

    async def story(first: str) -> None:
        world = World()
        async with world.browser() as client:
            await client.post("/set?a=1")
            world.gates["g"] = Gate()
            late = asyncio.create_task(client.post("/slow?gate=g"))
            await world.gates["g"].inside.wait()
            if first == "late":
                world.gates["g"].go.set()
                await late
            await client.post("/login?user=u1")
            if first == "login":
                world.gates["g"].go.set()
                await late
            assert (await client.get("/read")).json()["user"] == "u1"

    asyncio.run(story("late"))
    asyncio.run(story("login"))


def test_an_outage_is_loud_only_for_who_looks() -> None:
    """With the store down a look is 503 and the cookie is kept; who does not look is served (ruling 8)."""
    store = Outage()
    world = World(store=store)

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            store.down = True
            answer = await client.get("/read")
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "5"
            assert not cookies_of(answer)
            assert "engine" not in answer.text
            assert (await client.get("/plain")).status_code == 200
            store.down = False
            assert (await client.get("/read")).json()["user"] == "u1"

    asyncio.run(story())


def test_signing_out_during_an_outage_deletes_the_cookie_and_is_tried_again() -> None:
    """A sign-out the store did not answer is 503 with a deletion cookie, and goes through later (ruling 8, S-48)."""
    store = Outage()
    world = World(store=store)

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            token = client.cookies["session"]
            store.down = True
            answer = await client.post("/logout")
            assert answer.status_code == 503
            assert "Max-Age=0" in cookies_of(answer)[0]
            assert answer.json()["code"] == "store_unavailable"
            assert "signed out in this browser, but the server has not confirmed it" in answer.json()["detail"]
            store.down = False
            seen = await client.get("/read", headers=cookie_header(token))
            assert seen.json()["user"] is None
            assert world.events.names.count("logout.unconfirmed") == 1
            assert world.events.names.count("logout.confirmed") == 1

    asyncio.run(story())


def test_a_commit_during_an_outage_is_503_not_a_silent_loss() -> None:
    """A change that the store did not answer is 503, never the handler's 200 (promise 9)."""
    store = Outage()
    world = World(store=store)

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/set?a=1")
            world.gates["g"] = Gate()
            late = asyncio.create_task(client.post("/slow?gate=g&b=2"))
            await world.gates["g"].inside.wait()
            store.down = True
            world.gates["g"].go.set()
            assert (await late).status_code == 503

    asyncio.run(story())


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", PAGE, 303),
        ("HEAD", PAGE, 303),
        ("POST", PAGE, 401),
        ("GET", {"accept": "application/json"}, 401),
        ("GET", {"accept": "*/*"}, 401),
        ("GET", {"accept": "application/json, text/html;q=0.5"}, 401),
    ],
)
def test_303_for_pages_and_401_for_the_rest(method: str, headers: dict[str, str], status: int) -> None:
    """Only a GET or HEAD that prefers HTML is sent to sign in (ruling 18, S-39)."""

    async def guarded(request: Request) -> Response:
        return PlainTextResponse(session_of(request).user.id)

    world = World(
        routes=[Route("/guarded", guarded, methods=["GET", "HEAD", "POST"])],
        sign_in_url="/sign-in",
    )

    async def story() -> None:
        async with world.browser() as client:
            answer = await client.request(method, "/guarded?tab=1&x=%2F%2Fevil", headers=headers)
        assert answer.status_code == status
        assert answer.headers["vary"] == "Cookie"
        if status == 303:
            assert answer.headers["location"] == "/sign-in?next=/guarded%3Ftab%3D1%26x%3D%252F%252Fevil"
        elif method != "HEAD" and headers is not PAGE:
            assert answer.json()["reason"] == "none"

    asyncio.run(story())


def test_the_reason_travels_to_the_sign_in_page() -> None:
    """Who is sent to sign in because the session ran out is told so (S-39)."""
    world = World(policy=Policy.sensitive(), sign_in_url="/sign-in")

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            world.clock.advance("31m")
            answer = await client.get("/me", headers=PAGE)
            assert answer.headers["location"] == "/sign-in?next=/me&reason=idle"

    asyncio.run(story())


@pytest.mark.parametrize(
    "headers", [{"sec-purpose": "prefetch"}, {"purpose": "prefetch"}, {"accept": "text/event-stream"}]
)
def test_rotation_never_happens_on_prefetch_or_event_streams(headers: dict[str, str]) -> None:
    """A due rotation waits for an ordinary request (ruling 14)."""
    world = World()

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            world.clock.advance("25h")
            assert not cookies_of(await client.get("/read", headers=headers))
            assert len(cookies_of(await client.get("/read"))) == 1

    asyncio.run(story())


def test_parallel_requests_over_a_rotation_by_age_all_succeed() -> None:
    """Requests in flight over a rotation get one successor, and the old ticket dies after the grace (SM-16)."""
    world = World()

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/login?user=u1")
            old = client.cookies["session"]
        world.clock.advance("25h")
        async with world.browser() as client:
            answers = [await client.get("/read", headers=cookie_header(old)) for _ in range(4)]
            successors = {cookie.partition(";")[0] for answer in answers for cookie in cookies_of(answer)}
            assert len(successors) == 1
            assert all(answer.json()["user"] == "u1" for answer in answers)
        (pair,) = successors
        async with world.browser() as client:
            new = pair.partition("=")[2]
            assert (await client.get("/read", headers=cookie_header(new))).json()["user"] == "u1"
            world.clock.advance("29s")
            grace = await client.get("/read", headers=cookie_header(old))
            assert grace.json()["user"] == "u1"
            assert not cookies_of(grace)
            world.clock.advance("2s")
            late = await client.get("/read", headers=cookie_header(old))
            assert late.json()["user"] is None
            assert not cookies_of(late)
            assert world.events.names.count("session.theft_suspected") == 1
            assert (await client.get("/read", headers=cookie_header(new))).json()["user"] == "u1"

    asyncio.run(story())
