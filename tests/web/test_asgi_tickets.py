"""What a failure or a rival task inside one request does to the ticket: nothing is lost, nothing is wiped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from coatcheck import Policy, StoreUnavailable
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import yielding
from coatcheck.web.starlette import session_of
from tests.web._site import World, cookie_header, cookies_of

Handler = Callable[[Request], Awaitable[Response]]
SEEDS = range(24)


class Mute(MemoryStore):
    """A store that does not answer the verbs named in `down`."""

    def __init__(self) -> None:
        """Begin healthy."""
        super().__init__()
        self.down: set[str] = set()

    async def find(self, ids: Any) -> Any:
        """Find, unless down."""
        self._check("find")
        return await super().find(ids)

    async def commit(self, id: str, **facts: Any) -> Any:
        """Commit, unless down."""
        self._check("commit")
        return await super().commit(id, **facts)

    def _check(self, verb: str) -> None:
        if verb in self.down:
            raise StoreUnavailable("the test has switched this verb off")


def world_of(handler: Handler, **options: Any) -> World:
    """Build the site with one more page, ``/act``, for GET and POST."""
    return World(routes=[Route("/act", handler, methods=["GET", "POST"])], **options)


async def signed_in(world: World, user_id: str = "u1", **data: Any) -> str:
    """Sign in without a browser and return the cookie's value."""
    session = await world.sessions.load(None)
    await session.login(user_id)
    session.update(data)
    token = (await world.sessions.save(session)).token
    assert token is not None
    return token


def sent_token(response: Any) -> str:
    """Return the value of the one cookie that an answer sets, which must not be a deletion."""
    (cookie,) = cookies_of(response)
    value: str = cookie.partition("=")[2].partition(";")[0]
    assert len(value) > 60, "a deletion cookie"
    return value


async def give_way(turns: int) -> None:
    """Let the other tasks of the loop run *turns* times."""
    for _ in range(turns):
        await asyncio.sleep(0)


# -- tasks of one request


@pytest.mark.parametrize("seed", SEEDS)
def test_a_key_set_while_a_save_is_on_its_way_is_not_lost(seed: int) -> None:
    """Promise 3: what is assigned or changed in place after `save()` has begun is committed with the answer."""
    saving: set[asyncio.Task[None]] = set()

    async def act(request: Request) -> Response:
        session = session_of(request)
        session["a"] = 1
        session["list"].append(1)
        saving.add(asyncio.create_task(session.save()))
        await give_way(seed % 6)
        session["b"] = 2
        session["list"].append(2)
        return PlainTextResponse("set")

    world = world_of(act, store=yielding(MemoryStore(), seed=seed))

    async def story() -> None:
        token = await signed_in(world, list=[])
        async with world.browser() as client:
            assert (await client.post("/act", headers=cookie_header(token))).status_code == 200
            stored = dict(await world.sessions.load(token))
            await asyncio.gather(*saving)
        assert stored == {"a": 1, "b": 2, "list": [1, 2]}

    asyncio.run(story())


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_sees_half_of_a_reload(seed: int) -> None:
    """Promise 9: while one task reloads, another sees the user as before, never an anonymous visitor."""
    seen: set[str | None] = set()

    async def act(request: Request) -> Response:
        session = session_of(request)
        task = asyncio.create_task(session.reload())
        while not task.done():
            seen.add(session.user_id)
            await asyncio.sleep(0)
        await task
        return PlainTextResponse(str(session.user_id))

    world = world_of(act, store=yielding(MemoryStore(), seed=seed))

    async def story() -> None:
        token = await signed_in(world)
        async with world.browser() as client:
            assert (await client.get("/act", headers=cookie_header(token))).text == "u1"

    asyncio.run(story())
    assert seen <= {"u1"}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_write_during_a_reload_makes_no_second_session(seed: int) -> None:
    """Promise 11: a task that saves while another reloads never sends an anonymous session's cookie over the user's."""

    async def act(request: Request) -> Response:
        session = session_of(request)
        task = asyncio.create_task(session.reload())
        await give_way(seed % 4)
        session["k"] = 1
        await session.save()
        await task
        return PlainTextResponse(str(session.user_id))

    world = world_of(act, store=yielding(MemoryStore(), seed=seed))

    async def story() -> None:
        token = await signed_in(world)
        async with world.browser() as client:
            response = await client.post("/act", headers=cookie_header(token))
        assert (response.status_code, response.text, cookies_of(response)) == (200, "u1", [])
        assert await world.sessions.count() == 1

    asyncio.run(story())


@pytest.mark.parametrize("seed", SEEDS)
def test_two_tasks_may_load_on_demand(seed: int) -> None:
    """Promise 3: the second `load()` of a request leaves alone what a task changed after the first."""

    async def act(request: Request) -> Response:
        session = session_of(request)

        async def one(key: str) -> None:
            await session.load()
            session[key] = 1

        await asyncio.gather(one("a"), one("b"))
        return PlainTextResponse("set")

    world = world_of(act, store=yielding(MemoryStore(), seed=seed), load="on_demand")

    async def story() -> None:
        token = await signed_in(world)
        async with world.browser() as client:
            assert (await client.post("/act", headers=cookie_header(token))).status_code == 200
        assert dict(await world.sessions.load(token)) == {"a": 1, "b": 1}

    asyncio.run(story())


def test_a_reload_that_fails_after_login_keeps_the_ticket() -> None:
    """Promise 11, ruling 8: an outage after `login()` never turns the new ticket's cookie into a deletion."""
    store = Mute()

    async def act(request: Request) -> Response:
        session = session_of(request)
        await session.login("u1")
        store.down = {"find"}
        with pytest.raises(StoreUnavailable):
            await session.reload()
        store.down = set()
        return PlainTextResponse(str(session.user_id))

    world = world_of(act, store=store)

    async def story() -> None:
        async with world.browser() as client:
            await client.post("/set?x=1")
            response = await client.post("/act")
            assert response.text == "u1"
            assert (await world.sessions.load(sent_token(response))).user_id == "u1"

    asyncio.run(story())


# -- outside the paths


@pytest.mark.parametrize("verb", ["logout", "load", "reload"])
def test_outside_the_paths_no_verb_pretends(verb: str) -> None:
    """Promise 2: where sessions are not used a verb is refused; no sign-out is acknowledged that did not happen."""

    async def act(request: Request) -> Response:
        session = session_of(request)
        await getattr(session, verb)()
        if verb != "logout":
            session["k"] = 1
        return PlainTextResponse("done")

    world = world_of(act, paths=["/app"])

    async def story() -> None:
        token = await signed_in(world)
        async with world.browser() as client:
            response = await client.post("/act", headers=cookie_header(token))
        assert (response.status_code, response.json()["code"]) == (500, "not_loaded")
        assert cookies_of(response) == []
        assert await world.sessions.count() == 1
        assert (await world.sessions.load(token)).user_id == "u1"

    asyncio.run(story())


# -- the ticket changed and then something failed


async def bug(_world: World, _session: Any) -> None:
    """Fail as handlers do."""
    raise RuntimeError("the mail server is down")


async def too_large(_world: World, session: Any) -> None:
    """Store more than the policy allows."""
    session["big"] = "x" * 2000


async def privileges(world: World, session: Any) -> None:
    """Let the privileges change elsewhere, so that the commit is refused."""
    session["x"] = 1
    await world.sessions.set_roles("u1", ["other"])


async def silence(world: World, session: Any) -> None:
    """Let the store answer no commit."""
    session["x"] = 1
    world.sessions.store.down = {"commit"}  # type: ignore[attr-defined]


FAILURES = {"bug": (bug, 500), "size": (too_large, 413), "privileges": (privileges, 409), "outage": (silence, 503)}


@pytest.mark.parametrize("verb", ["login", "rotate"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_changed_ticket_reaches_the_browser_whatever_fails_afterwards(verb: str, failure: str) -> None:
    """Promise 5: login and rotate hold from the moment they return, for the browser too: else it were locked out."""
    fail, status = FAILURES[failure]

    async def act(request: Request) -> Response:
        session = session_of(request)
        await (session.login("u1") if verb == "login" else session.rotate())
        await fail(world, session)
        return PlainTextResponse("done")

    world = world_of(act, store=Mute(), policy=Policy(data_limit=1500, data_warning=1000))

    async def story() -> None:
        token = await signed_in(world)
        async with world.browser() as client:
            response = await client.post("/act", headers=cookie_header(token))
        world.sessions.store.down = set()  # type: ignore[attr-defined]
        assert response.status_code == status
        assert "no-store" in response.headers["cache-control"]
        new = sent_token(response)
        assert new != token
        session = await world.sessions.load(new)
        assert (session.user_id, dict(session)) == ("u1", {})

    asyncio.run(story())


@pytest.mark.parametrize("verb", ["login", "rotate"])
def test_a_session_that_ended_meanwhile_gets_no_cookie(verb: str) -> None:
    """Ruling 4: after SessionGone there is no ticket to send, also when this request had changed it."""

    async def act(request: Request) -> Response:
        session = session_of(request)
        await (session.login("u1") if verb == "login" else session.rotate())
        await world.sessions.revoke_user("u1")
        session["x"] = 1
        return PlainTextResponse("done")

    world = world_of(act)

    async def story() -> None:
        token = await signed_in(world)
        async with world.browser() as client:
            response = await client.post("/act", headers=cookie_header(token))
        assert (response.status_code, response.json()["code"]) == (401, "session_gone")
        assert cookies_of(response) == []

    asyncio.run(story())


# -- a replaced ticket


@pytest.mark.parametrize("path", ["/login?user=u1", "/regenerate"])
def test_a_replaced_ticket_is_late_for_ten_minutes_and_then_a_visitor(path: str) -> None:
    """Ruling 5, ADR 0012: a write on a replaced ticket is 401 for ten minutes, and afterwards a visitor's."""
    world = World()

    async def story() -> None:
        old = await signed_in(world)
        async with world.browser() as client, world.browser() as late:
            new = sent_token(await client.post(path, headers=cookie_header(old)))
            for wait in ("0s", "599s"):
                world.clock.advance(wait)
                refused = await late.post("/set?x=1", headers=cookie_header(old))
                assert (refused.status_code, cookies_of(refused)) == (401, [])
            world.clock.advance("1s")
            read = await late.get("/read", headers=cookie_header(old))
            assert (read.json(), cookies_of(read)) == ({"data": {}, "user": None, "reason": "superseded"}, [])
            made = sent_token(await late.post("/set?x=1", headers=cookie_header(old)))
        assert made[:26] not in (old[:26], new[:26])
        visitor, user = await world.sessions.load(made), await world.sessions.load(new)
        assert (visitor.user_id, dict(visitor)) == (None, {"x": "1"})
        assert (user.user_id, dict(user)) == ("u1", {})

    asyncio.run(story())
