"""Several accounts in one browser over HTTP: the second cookie, who may switch, and what caches are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from coatcheck import Policy
from coatcheck.web.csrf import Csrf
from coatcheck.web.starlette import accounts_of, session_of
from tests.web._site import LOCAL, PUBLIC, World, cookies_of

LISTED = "session-accounts"


async def act(request: Request) -> Response:
    """Call the verb of the accounts in the path with the arguments of the query."""
    verb, who = request.path_params["verb"], request.query_params.get("who")
    said = await getattr(accounts_of(request), verb)(*([] if who is None else [who]))
    return JSONResponse({} if said is None else [account.as_json() for account in said])


async def fail(request: Request) -> Response:
    """Put the account in use aside and fail."""
    await accounts_of(request).park()
    raise RuntimeError("a bug in the handler")


async def begin(request: Request) -> Response:
    """Keep the first factor."""
    await session_of(request).begin_login(request.query_params["who"])
    return JSONResponse({})


async def finish(request: Request) -> Response:
    """Show the second one."""
    await session_of(request).finish_login(amr=["otp"])
    return JSONResponse({})


def world(**options: Any) -> World:
    """Build the application with accounts switched on."""
    routes: list[Route | WebSocketRoute] = [
        Route("/accounts/{verb}", act, methods=["GET", "POST"]),
        Route("/fail", fail, methods=["POST"]),
        Route("/begin", begin, methods=["POST"]),
        Route("/finish", finish, methods=["POST"]),
    ]
    return World(routes=routes, **{"accounts": 3, **options})


def story(tell: Callable[..., Awaitable[None]], *, base: str = LOCAL, **options: Any) -> World:
    """Run a story in a browser that two accounts are signed in in: ada waits, bob is in use."""
    made = world(**options)

    async def told() -> None:
        async with made.browser(base) as client:
            for user in ("ada", "bob"):
                assert (await client.post(f"/accounts/add?who={user}")).status_code == 200
            await tell(made, client)

    asyncio.run(told())
    return made


async def ids(client: httpx.AsyncClient) -> dict[str, str]:
    """Return the session of each account that is listed."""
    return {row["user_id"]: row["session_id"] for row in (await client.get("/accounts/list")).json()}


async def user(client: httpx.AsyncClient) -> str | None:
    """Return who is signed in."""
    found: str | None = (await client.get("/read")).json()["user"]
    return found


def test_switched_without_signing_out() -> None:
    """Issue 5, section 4: two accounts, there and back; each answer sets each cookie once at most (C-3)."""

    async def tell(_: World, client: httpx.AsyncClient) -> None:
        known = await ids(client)
        for who in ("ada", "bob", "ada"):
            answer = await client.post(f"/accounts/switch?who={known[who]}")
            names = [cookie.partition("=")[0] for cookie in cookies_of(answer)]
            assert sorted(names) in (["session"], ["session", LISTED])
            assert await user(client) == who
        rows = (await client.get("/accounts/list")).json()
        assert [(row["user_id"], row["current"]) for row in rows] == [("ada", True), ("bob", False)]

    story(tell)


def test_the_cookie_is_like_the_sessions() -> None:
    """S-22 to S-26: the same prefix, HttpOnly, Secure, Lax and path; a ticket and nothing of any account inside."""
    made = world()

    async def tell() -> None:
        async with made.browser(PUBLIC) as client:
            await client.post("/accounts/add?who=ada")
            one, two = sorted(cookies_of(await client.post("/accounts/add?who=bob")))
        assert two.startswith("__Host-session=")
        name, _, value = one.partition(";")[0].partition("=")
        assert (name, len(value)) == ("__Host-session-accounts", 70)
        attributes = {part.strip() for part in one.split(";")[1:]}
        assert attributes == {"Max-Age=2592000", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"}

    asyncio.run(tell())


def test_both_are_deleted_with_matching_attributes() -> None:
    """C-21: signing out of all deletes exactly both cookies; signing out of one deletes the session's alone."""

    async def tell(_: World, client: httpx.AsyncClient) -> None:
        assert cookies_of(await client.post("/logout")) == ["session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"]
        assert (await user(client), list(await ids(client))) == (None, ["ada"])
        assert cookies_of(await client.post("/accounts/sign_out_all")) == [
            f"{LISTED}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
        ]
        assert not client.cookies

    story(tell)


def test_signing_out_of_all_at_once() -> None:
    """S-47: one answer deletes both, and no session of the browser is left."""

    async def tell(made: World, client: httpx.AsyncClient) -> None:
        assert len(cookies_of(await client.post("/accounts/sign_out_all"))) == 2
        assert not client.cookies
        assert await made.sessions.count() == 0

    story(tell)


def test_other_sites_and_links_change_no_account() -> None:
    """CS-1, CS-16: a form of another site is refused by the origin layer, and a GET from anywhere with a 500."""

    async def tell(_: World, client: httpx.AsyncClient) -> None:
        known = await ids(client)
        for verb in ("switch", "sign_out"):
            path = f"/accounts/{verb}?who={known['ada']}"
            foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
            assert (await client.post(path, headers=foreign)).status_code == 403
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"], cookies_of(answer)) == (500, "configuration", [])
        assert (await user(client), len(await ids(client))) == ("bob", 2)

    story(tell)


def test_a_form_of_one_account_is_not_sent_as_another() -> None:
    """CS-8: a token is bound to its session and privilege, so that a page left open under ada does nothing as bob."""

    async def token(request: Request) -> Response:
        return JSONResponse(await session_of(request).csrf_token())

    made = World(
        routes=[Route("/accounts/{verb}", act, methods=["GET", "POST"]), Route("/token", token)],
        accounts=3,
        csrf=Csrf(token="always"),
    )

    async def tell() -> None:
        async with made.browser() as client:

            async def send(path: str, shown: str) -> int:
                return (await client.post(path, headers={"x-csrf-token": shown})).status_code

            async def fresh() -> str:
                found: str = (await client.get("/token")).json()
                return found

            assert await send("/accounts/add?who=ada", await fresh()) == 200
            adas = await fresh()
            assert await send("/accounts/add?who=bob", adas) == 200
            assert await send("/set?a=1", adas) == 403
            known, before = await ids(client), await fresh()
            assert await send(f"/accounts/switch?who={known['ada']}", before) == 200
            assert [await send("/set?a=1", shown) for shown in (adas, before, await fresh())] == [403, 403, 200]

    asyncio.run(tell())


@pytest.mark.parametrize(
    "spell",
    [
        lambda held: f"{LISTED}={held}; {LISTED}={held}",
        lambda held: f"{LISTED}=x~{held}",
        lambda held: f"{LISTED}={held}A",
        lambda held: f'{LISTED}="{held}"',
        lambda _held: f"{LISTED}={'~' * 5000}",
        lambda _held: f"{LISTED}=0" + "A" * 24 + "A." + "A" * 42 + "A",
        lambda held: f"SESSION-ACCOUNTS={held}",
        lambda held: f"__Host-{LISTED}={held}",
    ],
    ids=["twice", "joined", "longer", "quoted", "long", "minted by nobody", "case", "other name"],
)
def test_what_is_no_list_is_nothing(spell: Callable[[str], str]) -> None:
    """C-10, SM-11, promise 1: repeated, strange or invented, it names nobody, and no row and no cookie come of it."""

    async def tell(made: World, client: httpx.AsyncClient) -> None:
        held, token, rows = client.cookies[LISTED], client.cookies["session"], await made.sessions.count()
        client.cookies.clear()
        header = {"cookie": f"session={token}; {spell(held)}"}
        answer = await client.get("/accounts/list", headers=header)
        assert ([row["user_id"] for row in answer.json()], cookies_of(answer)) == (["bob"], [])
        assert await made.sessions.count() == rows

    story(tell)


def test_nothing_of_it_is_cached() -> None:
    """K-1, K-2: what shows accounts varies by the cookie and is stored nowhere, also where nobody is in use."""

    async def tell(_: World, client: httpx.AsyncClient) -> None:
        for _round in range(2):
            answer = await client.get("/accounts/list")
            assert answer.headers["vary"] == "Cookie"
            assert answer.headers["cache-control"] == "no-store, private"
            await client.post("/logout")
        plain = await client.get("/plain")
        assert "vary" not in plain.headers
        assert "cache-control" not in plain.headers

    story(tell)


def test_the_lists_secret_is_rotated_by_age() -> None:
    """Ruling 3: an answer that shows the accounts carries a new secret of the list when it is due, and only then."""

    async def tell(made: World, client: httpx.AsyncClient) -> None:
        assert cookies_of(await client.get("/accounts/list")) == []
        made.clock.advance("2h")
        names = [cookie.partition("=")[0] for cookie in cookies_of(await client.get("/accounts/list"))]
        assert sorted(names) == ["session", LISTED]
        assert set(await ids(client)) == {"ada", "bob"}

    story(tell, policy=Policy(rotate_every="1h"))


def test_a_handler_that_fails_signs_nobody_out_for_good() -> None:
    """Promise 2: what was put aside before a bug stays aside; both cookies leave with the 500."""

    async def tell(_: World, client: httpx.AsyncClient) -> None:
        answer = await client.post("/fail")
        assert answer.status_code == 500
        assert len(cookies_of(answer)) == 2
        assert (await user(client), set(await ids(client))) == (None, {"ada", "bob"})

    story(tell)


def test_a_refusal_keeps_the_account_in_use() -> None:
    """Promise 9: 401 for an account that is gone, 409 for one too many: who was in use goes on."""

    async def tell(made: World, client: httpx.AsyncClient) -> None:
        known = await ids(client)
        await client.post("/accounts/add?who=eve")
        answer = await client.post("/accounts/add?who=joan")
        assert (answer.status_code, answer.json()["code"]) == (409, "account_limit_reached")
        await made.sessions.revoke(known["ada"])
        answer = await client.post(f"/accounts/switch?who={known['ada']}")
        assert (answer.status_code, answer.json()["reason"]) == (401, "revoked")
        assert await user(client) == "eve"

    story(tell)


def test_a_sign_in_in_two_steps_adds_an_account() -> None:
    """E-9: parked, the ordinary pages of a sign-in with two factors add an account; half of it adds none."""

    async def tell(_: World, client: httpx.AsyncClient) -> None:
        await client.post("/accounts/park")
        await client.post("/begin?who=eve")
        assert (await user(client), set(await ids(client))) == (None, {"ada", "bob"})
        await client.post("/finish")
        assert (await user(client), set(await ids(client))) == ("eve", {"ada", "bob", "eve"})

    story(tell)


def test_a_bearer_token_has_no_accounts() -> None:
    """Section 5: a request with a token and both cookies is judged by the token: no list, no change, no cookie."""

    async def tell(made: World, client: httpx.AsyncClient) -> None:
        known = await ids(client)
        token = {"authorization": f"Bearer {(await made.sessions.issue('eve')).token}"}
        answer = await client.get("/accounts/list", headers=token)
        assert (answer.json(), cookies_of(answer)) == ([], [])
        answer = await client.post(f"/accounts/switch?who={known['ada']}", headers=token)
        assert (answer.status_code, answer.json()["code"], cookies_of(answer)) == (400, "wrong_carrier", [])

    story(tell, bearer=True)


def test_insecure_transport_is_refused_with_the_remedy() -> None:
    """N-5: over plain http off this machine nobody is listed and nothing is changed."""
    made = world()

    async def tell() -> None:
        async with made.browser("http://shop.example") as client:
            assert (await client.get("/accounts/list")).json() == []
            answer = await client.post("/accounts/add?who=ada")
            assert (answer.status_code, answer.json()["code"]) == (500, "insecure_transport")

    asyncio.run(tell())


def test_no_secret_is_told() -> None:
    """Promise 7: no answer's body and no event holds what either cookie holds."""

    async def tell(made: World, client: httpx.AsyncClient) -> None:
        known = await ids(client)
        bodies = [(await client.get("/accounts/list")).text]
        held = [client.cookies["session"], client.cookies[LISTED]]
        bodies.append((await client.post(f"/accounts/switch?who={known['ada']}")).text)
        bodies += [json.dumps(event.as_json(), default=str) for event in made.events]
        for secret in (held[0][27:], held[1][27:], held[1]):
            assert not any(secret in body for body in bodies)

    story(tell)


def test_without_the_option_there_is_no_second_cookie() -> None:
    """Issue 5: opt-in: an application that did not ask for accounts is told so when it uses them, and nobody else."""
    made = world(accounts=None)

    async def tell() -> None:
        async with made.browser() as client:
            await client.post("/login?user=ada")
            answer = await client.get("/accounts/list")
            assert (answer.status_code, answer.json()["code"]) == (500, "configuration")
            assert list(client.cookies) == ["session"]

    asyncio.run(tell())
