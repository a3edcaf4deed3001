"""``Authorization: Bearer``: what identifies a request, and what it must not get away with."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from coatcheck import ConfigurationError
from coatcheck.web.csrf import Csrf
from coatcheck.web.gate import Gate
from tests.web._bearer import OTHER_SITE, bearing, cookie, issue, told, world_of
from tests.web._site import LOCAL, PUBLIC, World, cookie_header, cookies_of

# -- what identifies a request


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_a_token_identifies_a_request(scheme: str) -> None:
    """S-12, RFC 6750 2.1: the scheme's case does not matter; the answer is private and sets no cookie."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        answer = await client.get("/me", headers=bearing(await issue(world), scheme))
        assert (answer.status_code, answer.json()) == (200, {"id": "ada"})
        assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Authorization", "no-store, private")
        assert cookies_of(answer) == []

    told(story)


def test_it_is_off_by_default() -> None:
    """SM-4: without bearer=True the header is as if it were not there, and the cookie counts."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        token = await issue(world)
        answer = await client.get("/me", headers=bearing(token))
        assert (answer.status_code, "www-authenticate" in answer.headers) == (401, False)
        answer = await client.get("/me", headers=bearing(token) | await cookie(world))
        assert (answer.json(), answer.headers["vary"]) == ({"id": "bob"}, "Cookie")

    told(story, bearer=False)


@pytest.mark.parametrize("where", ["/me?access_token={}", "/me?sid={}", "/me?session={}", "/me;sid={}"])
def test_tokens_in_addresses_are_ignored(where: str) -> None:
    """14.2.1, SM-4, RFC 6750 2.3: no kind of token in an address identifies anybody, and none is looked up."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        bobs = (await cookie(world))["cookie"].partition("=")[2]
        for token in (await issue(world), bobs, (await world.sessions.issue_exchange("ada")).token):
            assert (await client.get(where.format(token))).status_code in {401, 404}
        assert (await client.post("/set?a=1", data={"access_token": await issue(world)})).status_code == 200

    world = told(story)
    assert world.events.only("cookie.rejected") == []


@pytest.mark.parametrize(
    ("spelling", "why"),
    [("Bearer", "malformed"), ("Bearer ", "malformed"), ("Bearer\t{}", "malformed"), ("Bearer {} x", "malformed"),
     ("Bearer {}, Bearer {}", "malformed"), ("Bearer={}", "malformed"), ("Bearer abc", "malformed"),
     ("Bearer {}x", "malformed"), ('Bearer "{}"', "malformed"), ("Bearer \u00e9", "malformed")],
)  # fmt: skip
def test_other_spellings_look_nothing_up(spelling: str, why: str) -> None:
    """SM-11, W-4: whatever says Bearer and is no token is nobody's, and the cookie beside it does not count."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        value = spelling.replace("{}", await issue(world)).encode("latin-1")
        sent = [(b"authorization", value), (b"cookie", (await cookie(world))["cookie"].encode())]
        answer = await client.get("/me", headers=sent)
        assert (answer.status_code, answer.json()["reason"]) == (401, "none")

    (event,) = told(story).events.only("cookie.rejected")
    assert (event.details, event.session_id) == ({"why": why, "carrier": "bearer"}, None)


def test_two_headers_are_none() -> None:
    """C-10's rule for headers: with two credentials nobody is believed, whichever comes first."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        good = f"Bearer {await issue(world)}".encode()
        for pair in ([good, good], [good, b"Basic YTpi"], [b"Basic YTpi", good]):
            answer = await client.get("/me", headers=[(b"authorization", value) for value in pair])
            assert answer.status_code == 401

    world = told(story)
    assert [event.details["why"] for event in world.events.only("cookie.rejected")] == ["duplicate"] * 3


@pytest.mark.parametrize("value", ["Basic YTpi", "Digest x", "", "BearerX abc", "Token abc"])
def test_other_schemes_leave_the_cookie_alone(value: str) -> None:
    """N-1: a password of the reverse proxy's, or anything that is not Bearer, is none of our business."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        answer = await client.get("/me", headers={"authorization": value} | await cookie(world))
        assert (answer.json(), answer.headers["vary"]) == ({"id": "bob"}, "Cookie, Authorization")
        answer = await client.post("/set?a=1", headers={"authorization": value} | await cookie(world) | OTHER_SITE)
        assert answer.status_code == 403

    told(story)


def test_the_bearer_alone_decides() -> None:
    """10.1: with a token and a cookie it is the token's user; with a dead token it is nobody, whatever the cookie."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        token, bobs = await issue(world), await cookie(world)
        assert (await client.get("/me", headers=bearing(token) | bobs)).json() == {"id": "ada"}
        await world.sessions.revoke(token[:26])
        answer = await client.get("/me", headers=bearing(token) | bobs)
        assert (answer.status_code, answer.json()["reason"], cookies_of(answer)) == (401, "revoked", [])
        assert (await client.get("/me", headers=bobs)).json() == {"id": "bob"}

    told(story)


def test_each_carrier_refuses_the_others_token() -> None:
    """SM-4, 7.2.2: a cookie's token is no bearer token, a bearer token no cookie, an exchange ticket neither."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        token, bobs = await issue(world), (await cookie(world))["cookie"].partition("=")[2]
        ticket = (await world.sessions.issue_exchange("ada")).token
        wrong = [cookie_header(token), cookie_header(ticket), bearing(bobs), bearing(ticket)]
        for headers in wrong:
            answer = await client.get("/me", headers=headers)
            assert (answer.status_code, cookies_of(answer)) == (401, [])

    world = told(story)
    assert [event.details["why"] for event in world.events.only("cookie.rejected")] == ["carrier"] * 4


def test_plain_http_from_elsewhere_is_not_looked_at() -> None:
    """RFC 6750 5.3, ruling 6: a token that came over plain http from another machine opens nothing."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        token = await issue(world)
        assert (await client.get("/me", headers=bearing(token))).status_code == 401
        assert (await client.get(f"{PUBLIC}/me", headers=bearing(token))).status_code == 200

    world = told(story, base="http://shop.example")
    assert [event.details["why"] for event in world.events.only("cookie.rejected")] == ["insecure"]


# -- CSRF


def test_a_bearer_request_is_not_judged() -> None:
    """G-16, CS-15: no browser sends the header by itself, so neither origin nor token is asked for."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        headers = bearing(await issue(world)) | OTHER_SITE
        assert (await client.post("/set?a=1", headers=headers)).status_code == 200
        assert (await client.post("/set?b=1", headers=headers | await cookie(world))).status_code == 200

    told(story, csrf=Csrf(token="always"))


@pytest.mark.parametrize("value", ["Bearer nobody", "Bearer", "Bearer x, y"])
def test_a_header_does_not_help_a_cookie(value: str) -> None:
    """CS-15: another site's request with a cookie and a made-up header changes nothing of the cookie's user."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        bobs = await cookie(world)
        headers = {"authorization": value} | bobs | OTHER_SITE
        assert (await client.post("/set?a=1", headers=headers)).status_code == 401
        assert (await client.post("/logout", headers=headers)).status_code == 200
        assert (await client.post("/login?user=eve", headers=headers)).status_code == 400
        assert (await client.get("/read", headers=bobs)).json() == {"data": {}, "user": "bob", "reason": None}

    told(story)


# -- sockets


def test_a_socket_is_opened_by_a_token() -> None:
    """G-14, S-12: a handshake with a token has its user; another site's cookie beside it is no reason to refuse."""
    world = world_of()
    token = asyncio.run(issue(world))
    with (
        TestClient(world.app, base_url=LOCAL) as client,
        client.websocket_connect("/ws", headers=bearing(token) | OTHER_SITE) as socket,
    ):
        socket.send_text("user")
        assert socket.receive_text() == "ada"
        socket.send_text("login")
        assert socket.receive_text().startswith("WrongCarrier: login() answers with a new cookie")


def test_a_sockets_cookie_does_not_count_beside_a_dead_token() -> None:
    """G-14: the handshake is judged by the token alone, and a gate refuses it as nobody's."""
    world = world_of(gate=Gate([], default="signed_in"))
    bobs = asyncio.run(cookie(world))
    with TestClient(world.app, base_url=LOCAL) as client:
        with client.websocket_connect("/ws", headers=bobs | {"sec-fetch-site": "same-origin"}) as socket:
            socket.send_text("user")
            assert socket.receive_text() == "bob"
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("/ws", headers=bobs | {"sec-fetch-site": "same-origin"} | bearing("dead")),
        ):
            pass


# -- many at once, secrecy, configuration


def test_a_revoked_token_is_dead_for_everybody_at_once() -> None:
    """Promise 2: of many requests in flight none is let in that began after the revocation was acknowledged."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        token = await issue(world)
        before = await asyncio.gather(*(client.get("/me", headers=bearing(token)) for _ in range(20)))
        await world.sessions.revoke(token[:26])
        after = await asyncio.gather(*(client.get("/me", headers=bearing(token)) for _ in range(20)))
        assert {answer.status_code for answer in before} == {200}
        assert {answer.status_code for answer in after} == {401}

    told(story)


def test_nothing_tells_the_token(caplog: pytest.LogCaptureFixture) -> None:
    """14.2, KY-7: neither an answer nor a log nor an event holds the secret, also where the token is refused."""
    caplog.set_level(logging.DEBUG, "coatcheck")

    async def story(world: World, client: httpx.AsyncClient) -> None:
        token = await issue(world)
        secret = token[27:]
        await world.sessions.revoke(token[:26])
        sent = [bearing(token), cookie_header(token), bearing(token + "x"), bearing(token, "Bearer Bearer")]
        for headers in sent:
            answer = await client.post("/login?user=x", headers=headers | OTHER_SITE)
            assert secret not in answer.text + str(answer.headers)
        assert secret not in caplog.text + repr(world.events)

    told(story)


def test_the_option_is_checked() -> None:
    """N-6: a token written where a switch belongs is refused when the middleware is built."""
    with pytest.raises(ConfigurationError, match="bearer='yes' must be True or False"):
        world_of(bearer="yes").app.build_middleware_stack()  # type: ignore[arg-type] # what is tested
