"""``Authorization: Bearer``: what a request with a token is answered, and how a 401 tells it to do better."""

from __future__ import annotations

import httpx
import pytest

from coatcheck.web.csrf import Callback, Csrf
from coatcheck.web.gate import Gate, Rule
from tests.web._bearer import bearing, cookie, issue, told
from tests.web._site import World, cookie_header, cookies_of

# -- what it is answered


def test_data_is_kept_and_no_cookie_is_ever_set() -> None:
    """S-12: a program's session holds data like a browser's; neither reading, writing nor logging out sets a cookie."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        client.headers.update(bearing(await issue(world)))
        answers = [await client.post("/set?a=1"), await client.get("/read"), await client.get("/form")]
        assert answers[1].json()["data"] == {"a": "1"}
        world.clock.advance("2d")
        answers.append(await client.get("/me"))
        answers.append(await client.post("/logout"))
        answers.append(await client.get("/me"))
        answers.append(await client.post("/set?a=1"))
        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 401, 401]
        assert [cookies_of(answer) for answer in answers] == [[]] * 7
        assert {answer.headers["vary"] for answer in answers} == {"Authorization"}

    world = told(story)
    assert world.events.only("session.ended")[0].details["reason"] == "signed_out"
    assert world.events.only("session.regenerated") == []


def test_logging_out_deletes_no_cookie() -> None:
    """Promise 11: what is ended is the bearer's session; the browser's beside it, and its cookie, stay."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        token, bobs = await issue(world), await cookie(world)
        answer = await client.post("/logout", headers=bearing(token) | bobs)
        assert (answer.status_code, cookies_of(answer)) == (200, [])
        assert (await client.get("/me", headers=bobs)).json() == {"id": "bob"}
        assert (await client.get("/me", headers=bearing(token))).json()["reason"] == "signed_out"

    told(story)


@pytest.mark.parametrize("alive", [True, False])
def test_signing_in_is_refused_with_the_line_to_write(alive: bool) -> None:
    """10.2, CS-16: nobody is signed in by a request that says Bearer, and the answer says what to do instead."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        token = await issue(world)
        headers = bearing(token if alive else "nobody") | await cookie(world)
        answer = await client.post("/login?user=eve", headers=headers)
        assert (answer.status_code, answer.json()["code"], cookies_of(answer)) == (400, "wrong_carrier", [])
        assert "await sessions.issue(user_id, epoch=epoch)" in answer.json()["detail"]
        assert await world.sessions.list("eve") == []

    told(story)


def test_new_roles_are_obeyed_with_the_same_token() -> None:
    """Promise 5: the next request has the new roles; the token stays as it is."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        client.headers.update(bearing(await issue(world, roles=["user"])))
        assert (await client.get("/admin")).status_code == 403
        await world.sessions.set_roles("ada", ["admin"])
        assert [(await client.get("/admin")).status_code for _ in range(2)] == [404, 404]

    world = told(story, gate=Gate([Rule("/admin", role="admin")], default="public"))
    assert world.events.only("session.regenerated") == []


def test_a_look_alone_makes_an_answer_private() -> None:
    """Ruling 7, K-2: a handler that does not look is answered as it says, with a token as without."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        answer = await client.get("/plain", headers=bearing(await issue(world)))
        assert ("vary" in answer.headers, "cache-control" in answer.headers) == (False, False)

    told(story)


def test_no_other_cookie_either() -> None:
    """SM-4: the short-lived cookies beside the session's are a browser's, too; a token's request gets none of them."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        assert len(cookies_of(await client.post("/set?state=x", headers={"sec-fetch-site": "same-origin"}))) == 1
        assert cookies_of(await client.post("/set?state=x", headers=bearing(await issue(world)))) == []

    told(story, csrf=Csrf(callbacks=[Callback("/callback", begin="/set")]))


# -- challenges


def challenge_of(answer: httpx.Response) -> str:
    """Return the one challenge of an answer."""
    (said,) = answer.headers.get_list("www-authenticate")
    value: str = said
    return value


def test_challenges() -> None:
    """RFC 6750 3, RFC 9110 11.6.1: every 401 tells how to do better; an error only where a token came and is dead."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        token = await issue(world)
        assert challenge_of(await client.get("/me")) == 'Bearer realm="sessions"'
        assert challenge_of(await client.get("/me", headers=cookie_header("x"))) == 'Bearer realm="sessions"'
        await world.sessions.revoke(token[:26])
        for headers in (bearing(token), bearing("nonsense"), bearing("x" * 5000)):
            said = challenge_of(await client.get("/me", headers=headers | {"accept": "text/html"}))
            assert said.startswith('Bearer realm="sessions", error="invalid_token", error_description="')
            assert token[27:] not in said

    told(story, sign_in_url="/sign-in")


def test_a_page_with_a_dead_token_is_not_sent_to_sign_in() -> None:
    """Ruling 18 is for browsers: a request with a token gets 401 also where it asks for HTML."""

    async def story(_world: World, client: httpx.AsyncClient) -> None:
        html = {"accept": "text/html"}
        assert (await client.get("/me", headers=html)).status_code == 303
        assert (await client.get("/me", headers=html | bearing("dead"))).status_code == 401

    told(story, sign_in_url="/sign-in")


def test_stepping_up_is_asked_for_as_rfc_9470_says() -> None:
    """S-54, RFC 9470 3: what is missing is told as error, max_age and acr_values, and the token stays good."""

    async def story(world: World, client: httpx.AsyncClient) -> None:
        client.headers.update(bearing(await issue(world, aal=1)))
        answer = await client.get("/fresh")
        said = challenge_of(answer)
        assert answer.status_code == 401
        assert 'error="insufficient_user_authentication"' in said
        assert said.endswith('max_age="300", acr_values="aal2"')
        assert (answer.json()["max_age"], answer.json()["aal"]) == (300, 2)
        assert (await client.get("/me")).status_code == 200
        client.headers.update(bearing(await issue(world, aal=2)))
        assert (await client.get("/fresh")).status_code == 200

    told(story)


def test_the_gate_challenges_too() -> None:
    """G-1: what the gate refuses before the application is told in the same words."""

    async def story(_world: World, client: httpx.AsyncClient) -> None:
        assert challenge_of(await client.get("/read")) == 'Bearer realm="sessions"'
        assert 'error="invalid_token"' in challenge_of(await client.get("/read", headers=bearing("dead")))

    told(story, gate=Gate([], default="signed_in"))
