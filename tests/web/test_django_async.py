"""Django's async views: the same promises, and nothing that holds up the event loop."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from django.core.asgi import get_asgi_application

from coatcheck.errors import StoreUnavailable
from tests.web._django import AsyncClient, User, get_sessions, live, new_user
from tests.web.django_project import views

FROM_HERE = {"sec-fetch-site": "same-origin"}


def application() -> Any:
    """Return the project's ASGI application; Django's annotations of it are not ASGI's."""
    return get_asgi_application()


def visit(*requests: tuple[str, str]) -> list[httpx.Response]:
    """Send requests one after another from one browser to the project's ASGI application."""

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(application(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [await client.request(method, path, headers=FROM_HERE) for method, path in requests]

    return asyncio.run(send())


def done(response: httpx.Response) -> Any:
    """Return what a view said it did."""
    assert response.status_code == 200, response.text
    return response.json()["done"]


def signing_in(user: User) -> tuple[str, str]:
    """Return the request that signs a user in, in an async view."""
    return "GET", f"/async/?do=login&user={user.get_username()}"


def test_signing_in_and_out_by_awaiting() -> None:
    """Ruling 13: ``alogin`` makes a coatcheck session of the user, ``alogout`` ends it, both under ASGI."""
    user = new_user()

    entered, who, left, nobody = visit(
        signing_in(user), ("GET", "/async/?do=who"), ("GET", "/async/?do=logout"), ("GET", "/async/?do=who")
    )

    assert done(entered) == user.get_username()
    assert done(who) == [user.get_username(), str(user.pk)]
    assert "Max-Age=0" in left.headers["set-cookie"]
    assert done(nobody) == ["", None]
    assert live(user) == []


def test_data_is_there_with_and_without_await() -> None:
    """DESIGN, Speed: a request with a cookie is loaded before an async view, so that plain reading blocks nothing."""
    _, awaited, plain = visit(
        ("GET", "/async/?do=set&key=a&value=1"), ("GET", "/async/?do=get&key=a"), ("GET", "/async/?do=plain&key=a")
    )

    assert (done(awaited), done(plain)) == (1, 1)
    assert awaited.headers["vary"] == "Cookie"


def test_each_awaited_variant() -> None:
    """Django's API: every variant that begins with ``a`` does what the other one does."""
    (each,) = visit(("GET", "/async/?do=each"))

    assert done(each) == [True, ["a", "c"], True, False]


def test_what_would_hold_up_the_loop_is_refused() -> None:
    """Django's rule: a verb that asks the store, called in an async view without ``await``, says what to write."""
    user = new_user()

    _, refused = visit(signing_in(user), ("GET", "/async/?do=flush"))

    assert refused.status_code == 500
    assert len(live(user)) == 1


def test_sync_views_under_asgi() -> None:
    """Promise 13: sync and async views share one session under ASGI, also signing in."""
    user = new_user()

    _, mine, gone, nobody = visit(
        signing_in(user), ("GET", "/mine/"), ("POST", "/act/?do=flush"), ("GET", "/async/?do=who")
    )

    assert mine.json()["user_id"] == str(user.pk)
    assert gone.status_code == 200
    assert done(nobody) == ["", None]


def test_a_concurrent_sign_out_is_no_400() -> None:
    """Ruling 4: under ASGI too, a request whose session ends meanwhile is answered 401 and saves nothing."""
    user = new_user()
    views.hooks["during"] = lambda request: get_sessions().revoke_user(str(user.pk))

    _, refused = visit(signing_in(user), ("POST", "/act/?do=during"))

    assert (refused.status_code, refused.json()["code"]) == (401, "session_gone")


def test_an_outage_is_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 9: a store that does not answer is 503 in an async view, and a page that does not look is served."""

    def down(ids: Any) -> Any:
        raise StoreUnavailable("the store is down")

    made, *_ = visit(("GET", "/async/?do=set&key=a&value=1"))
    cookie = made.headers["set-cookie"].partition(";")[0]
    monkeypatch.setattr(get_sessions().store, "find", down)

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(application(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [await client.get(path, headers={"cookie": cookie}) for path in ("/async/?do=get&key=a", "/")]

    looked, public = asyncio.run(send())

    assert (looked.status_code, public.status_code) == (503, 200)
    assert "set-cookie" not in looked.headers


def test_many_at_once_keep_all_their_keys() -> None:
    """Promise 3: forty overlapping requests of one browser, each with a key of its own, lose none."""

    async def send() -> dict[str, Any]:
        transport = httpx.ASGITransport(application())
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.get("/async/?do=set&key=first&value=0")
            await asyncio.gather(*(client.get(f"/async/?do=set&key=k{n}&value={n}") for n in range(40)))
            found: dict[str, Any] = (await client.post("/act/?do=all", headers=FROM_HERE)).json()["done"]
            return found

    kept = asyncio.run(send())

    assert {key: value for key, value in kept.items() if key.startswith("k")} == {f"k{n}": n for n in range(40)}


def test_djangos_async_client() -> None:
    """Existing suites: ``AsyncClient`` signs users in and shows the session, unchanged."""
    user = new_user()

    async def use() -> tuple[Any, Any]:
        client = AsyncClient()
        await client.aforce_login(user)
        response = await client.get("/async/?do=who")
        await client.alogout()
        after = await client.get("/async/?do=who")
        return response.json()["done"], after.json()["done"]

    before, after = asyncio.run(use())

    assert (before, after) == ([user.get_username(), str(user.pk)], ["", None])
