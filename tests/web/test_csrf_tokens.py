"""Tokens through the middleware: who has one, for how long it fits, where it may stand, and what a visitor's costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import Request
from starlette.responses import StreamingResponse

from coatcheck import AsyncSessions, Policy, Sessions
from coatcheck.errors import ConfigurationError, InsecureTransport, TooLate
from coatcheck.web.asgi import accounts_in
from coatcheck.web.csrf import Csrf
from coatcheck.web.fastapi import BlockingSession, SessionMiddleware
from coatcheck.web.starlette import session_of
from tests.web._csrf import Got, Host, form, login, nothing, put

SESSION, FORM = "__Host-session", "__Host-csrf"
SAME = [(b"origin", b"https://host.example")]
Story = Callable[[], Coroutine[Any, Any, None]]


def run(story: Story) -> None:
    """Run a story."""
    asyncio.run(story())


async def token_of(host: Host, cookies: dict[str, str]) -> tuple[str, Got]:
    """Open a page with a form and return its token, and the answer."""
    host.act = form
    got = await host.ask("GET", "/form", cookies=cookies)
    host.act = nothing
    assert got.status == 200
    return got.body, got


async def post(host: Host, cookies: dict[str, str], token: str, **more: Any) -> int:
    """Post a form of our own with a token, from a browser that says nothing."""
    return (await host.ask(cookies=cookies, form={"a": "1", "csrf_token": token}, **more)).status


def test_the_token_of_a_session_lets_a_silent_request_through() -> None:
    """CS-1, CS-5, CS-14: it fits again and again, in field or header, until the session changes its privilege."""

    async def story() -> None:
        host = Host()
        cookies = {SESSION: await host.signed_in()}
        token, page = await token_of(host, cookies)
        assert page.cookie(FORM) is None
        assert "no-store" in page.header("cache-control")
        for _ in range(2):
            assert await post(host, cookies, token) == 200
        assert (await host.ask(cookies=cookies, headers=[(b"x-csrf-token", token.encode())])).status == 200
        assert (await host.ask(cookies=cookies)).status == 403
        other, _ = await token_of(host, cookies)
        assert other != token
        assert await post(host, cookies, other) == 200

    run(story)


def test_the_token_of_another_session_fits_nothing() -> None:
    """CS-2, SM-15: session A's cookie with B's token, of the same user or another, is refused."""

    async def story() -> None:
        host = Host()
        mine, theirs, again = [{SESSION: await host.signed_in(user)} for user in ("ada", "grace", "ada")]
        token, _ = await token_of(host, theirs)
        assert [await post(host, cookies, token) for cookies in (mine, theirs, again)] == [403, 200, 403]

    run(story)


@pytest.mark.parametrize(
    ("change", "fits"),
    [("age", True), ("login", False), ("rotate", False), ("roles", False), ("logout", False)],
)
def test_a_token_dies_with_a_change_of_privilege(change: str, fits: bool) -> None:
    """CS-2, CS-3, CS-5: rotation by age leaves forms that are open alone; everything else ends them."""

    async def story() -> None:
        host = Host(csrf=Csrf())
        ticket = await host.signed_in()
        token, _ = await token_of(host, {SESSION: ticket})
        if change == "roles":
            await host.sessions.set_roles("ada", ["admin"])
        else:
            host.act = {"age": form, "login": login, "rotate": rotate, "logout": logout}[change]
            host.clock.advance("25h" if change == "age" else "1s")
            got = await host.ask("GET", cookies={SESSION: ticket})
            ticket = got.cookie(SESSION) or ticket
        host.act = nothing
        assert (await post(host, {SESSION: ticket}, token) == 200) is fits

    run(story)


async def rotate(request: Request) -> None:
    """Change the ticket."""
    await session_of(request).rotate()


async def logout(request: Request) -> None:
    """Sign out."""
    await session_of(request).logout()


@pytest.mark.parametrize(
    "where", ["query", "cookie", "two headers", "two fields", "json", "too large", "another field"]
)
def test_a_token_counts_only_where_pages_put_it(where: str) -> None:
    """CS-4, CS-6, 15.3.7: not in the query, not in a cookie alone, not twice, not beyond what is read ahead."""

    async def story() -> None:
        host = Host()
        cookies = {SESSION: await host.signed_in()}
        token, _ = await token_of(host, cookies)
        header, encoded = (b"x-csrf-token", token.encode()), token.encode()
        kind = (b"content-type", b"application/x-www-form-urlencoded")
        facts: dict[str, dict[str, Any]] = {
            "query": {"query_string": b"csrf_token=" + encoded},
            "cookie": {"cookies": {**cookies, "csrf_token": token, "x-csrf-token": token, FORM: token}},
            "two headers": {"headers": [header, header]},
            "two fields": {"body": b"csrf_token=%b&csrf_token=%b" % (encoded, encoded), "headers": [kind]},
            "json": {"body": b'{"csrf_token": "%b"}' % encoded, "headers": [(b"content-type", b"application/json")]},
            "too large": {"body": b"csrf_token=" + encoded + b"&a=" + b"1" * 65_536, "headers": [kind]},
            "another field": {"body": b"token=" + encoded, "headers": [kind]},
        }
        got = await host.ask(**{"cookies": cookies, **facts[where]})
        assert (got.status, got.reached) == (403, False)

    run(story)


def test_a_form_that_was_read_ahead_is_read_again() -> None:
    """Promise 13: the handler gets every octet of a body in which a token was looked for."""

    async def story() -> None:
        host = Host()
        cookies = {SESSION: await host.signed_in()}
        token, _ = await token_of(host, cookies)

        async def read(request: Request) -> str:
            return str(len((await request.form())["note"]))

        host.act = read
        got = await host.ask(cookies=cookies, form={"note": "é" * 10_000, "csrf_token": token})
        assert (got.status, got.body) == (200, "10000")

    run(story)


def test_a_body_is_left_alone_where_no_token_is_needed() -> None:
    """Promise 13: an upload of one's own page reaches its handler piece by piece, and nothing was read before."""

    async def story() -> None:
        host = Host()
        cookies = {SESSION: await host.signed_in()}

        async def count(request: Request) -> list[int]:
            return [len(piece) async for piece in request.stream()]

        host.act = count
        kind = (b"content-type", b"application/x-www-form-urlencoded")
        got = await host.ask(cookies=cookies, body=b"x" * 200_000, headers=[*SAME, kind])
        assert (got.status, got.body.count("10000")) == (200, 20)

    run(story)


# --- visitors


def test_a_visitors_form_costs_no_row() -> None:
    """CS-16: a sign-in form's token is bound to a cookie of its own for an hour; nothing is stored for it."""

    async def story() -> None:
        host = Host()
        token, page = await token_of(host, {})
        (cookie,) = [value for name, value in page.headers if name == "set-cookie"]
        assert cookie.partition(";")[2] == " Max-Age=3600; Path=/; Secure; HttpOnly; SameSite=Lax"
        assert "no-store" in page.header("cache-control")
        assert await host.sessions.count() == 0
        held = {FORM: page.cookie(FORM) or ""}
        host.act = login
        assert await post(host, {}, token) == 403
        assert await post(host, held, token[:-1] + "A") == 403
        assert await post(host, held, "") == 403
        got = await host.ask(cookies=held, form={"csrf_token": token})
        assert (got.status, got.cookie(FORM)) == (200, "")
        assert got.cookie(SESSION)

    run(story)


def test_what_a_visitor_was_given_is_over_when_they_sign_in() -> None:
    """CS-2, CS-16: the form's cookie and its token are destroyed at sign-in, not promoted, also for who kept them."""

    async def story() -> None:
        host = Host()
        token, page = await token_of(host, {})
        held = {FORM: page.cookie(FORM) or ""}
        assert await post(host, held, token) == 200
        assert await post(host, {**held, SESSION: await host.signed_in()}, token) == 403

    run(story)


def test_an_anonymous_session_may_begin_while_a_form_is_open() -> None:
    """CS-5: the form that was shown before something was put into the cart still works; the session's own does too."""

    async def story() -> None:
        host = Host()
        token, page = await token_of(host, {})
        held = {FORM: page.cookie(FORM) or ""}
        host.act = put
        cart = (await host.ask(headers=SAME)).cookie(SESSION) or ""
        own, _ = await token_of(host, {**held, SESSION: cart})
        for each in (token, own):
            assert await post(host, {**held, SESSION: cart}, each) == 200
        assert await post(host, {SESSION: cart}, token) == 403

    run(story)


def test_several_forms_share_one_cookie() -> None:
    """CS-5: a second tab neither replaces the first one's cookie nor shortens its life."""

    async def story() -> None:
        host = Host()
        first, page = await token_of(host, {})
        held = {FORM: page.cookie(FORM) or ""}
        second, again = await token_of(host, held)
        assert again.cookie(FORM) == held[FORM]
        assert [await post(host, held, each) for each in (first, second)] == [200, 200]

    run(story)


@pytest.mark.parametrize("value", ["", "x", "a" * 43, "A" * 44, "A" * 4000])
def test_a_visitors_cookie_of_another_shape_is_replaced(value: str) -> None:
    """CS-6, SM-11: what nobody of ours set is not used, and with an attacker's value in both places nothing fits."""

    async def story() -> None:
        host = Host()
        _, page = await token_of(host, {FORM: value})
        assert page.cookie(FORM) not in (None, value)
        assert await post(host, {FORM: value}, value) == 403

    run(story)


def test_a_visitors_cookie_twice_is_nobodys() -> None:
    """C-10, CS-6: a second cookie of the name, which somebody planted, makes both worthless."""

    async def story() -> None:
        host = Host()
        token, page = await token_of(host, {})
        twice = f"{FORM}={page.cookie(FORM)}; {FORM}={'A' * 43}".encode()
        got = await host.ask(form={"csrf_token": token}, headers=[(b"cookie", twice)])
        assert got.status == 403

    run(story)


def test_tenants_do_not_share_visitors() -> None:
    """CS-2: one store's key, and still no token of one tenant fits another."""

    async def story() -> None:
        from coatcheck import csrf_tokens

        value = "A" * 43
        bounds = [csrf_tokens.of_visitor(value, tenant=tenant) for tenant in ("", "a")]
        made = csrf_tokens.make(b"k" * 32, bounds[0], lambda size: b"r" * size)
        assert [csrf_tokens.check(b"k" * 32, bound, made) for bound in bounds] == [True, False]

    run(story)


# --- token="always"


@pytest.mark.parametrize("trusted", [False, True])
def test_a_token_on_top_of_the_origin(trusted: bool) -> None:
    """N-10: with ``token="always"`` neither one's own page nor a trusted one acts without the session's token."""

    async def story() -> None:
        host = Host(csrf=Csrf(token="always"), trusted_origins=["https://app.example"])
        cookies = {SESSION: await host.signed_in()}
        token, _ = await token_of(host, cookies)
        said = [(b"origin", b"https://app.example" if trusted else b"https://host.example")]
        assert (await host.ask(cookies=cookies, headers=said)).status == 403
        assert await post(host, cookies, token, headers=said) == 200
        assert await post(host, cookies, token, headers=[(b"sec-fetch-site", b"cross-site")]) == 403
        reasons = [event.details["reason"] for event in host.events.only("csrf.refused")]
        assert reasons == ["no_token", "cross_site"]

    run(story)


def test_signing_in_needs_a_forms_token_too() -> None:
    """N-10, CS-16: with ``token="always"`` a sign-in form without our token signs nobody in."""

    async def story() -> None:
        host = Host(csrf=Csrf(token="always"))
        token, page = await token_of(host, {})
        host.act = login
        assert (await host.ask(headers=SAME)).status == 403
        assert await post(host, {FORM: page.cookie(FORM) or ""}, token, headers=SAME) == 200

    run(story)


def test_header_and_field_have_the_names_that_were_chosen() -> None:
    """CS-4: an application's own names are the only ones that are read."""

    async def story() -> None:
        host = Host(csrf=Csrf(header="X-XSRF-TOKEN", field="_csrf"))
        cookies = {SESSION: await host.signed_in()}
        token, _ = await token_of(host, cookies)
        assert (await host.ask(cookies=cookies, headers=[(b"x-xsrf-token", token.encode())])).status == 200
        assert (await host.ask(cookies=cookies, form={"_csrf": token})).status == 200
        assert (await host.ask(cookies=cookies, headers=[(b"x-csrf-token", token.encode())])).status == 403
        assert await post(host, cookies, token) == 403

    run(story)


def test_a_token_can_be_checked_where_sessions_load_on_demand() -> None:
    """CS-1: what is needed for the verdict is loaded for it, and the handler then has it."""

    async def story() -> None:
        host = Host(load="on_demand")
        cookies = {SESSION: await host.signed_in()}

        async def give(request: Request) -> str:
            session = session_of(request)
            await session.load()
            return await session.csrf_token()

        host.act = give
        token = (await host.ask("GET", cookies=cookies)).body
        assert await post(host, cookies, token) == 200
        assert await post(host, cookies, token[1:] + "A") == 403

    run(story)


def test_the_cookie_of_other_accounts_is_one_of_ours() -> None:
    """G-10: a silent request that holds a browser's list of accounts, and no session, needs a token to act."""

    async def story() -> None:
        host = Host(accounts=3)
        listed = f"{SESSION}-accounts"

        async def add(request: Request) -> None:
            await accounts_in(request.scope).add(request.query_params["user"])

        async def leave(request: Request) -> None:
            await accounts_in(request.scope).sign_out_all()

        host.act = add
        jar: dict[str, str] = {}
        for user in ("ada", "bob"):
            got = await host.ask(headers=SAME, cookies=jar, query_string=f"user={user}".encode())
            jar |= {name: value for name in (SESSION, listed) if (value := got.cookie(name))}
        host.act = leave
        got = await host.ask(cookies={listed: jar[listed]})
        assert (got.status, got.reached) == (403, False)
        assert len(await host.sessions.list("ada")) == 1

    run(story)


def test_an_outage_is_no_refusal() -> None:
    """Promise 9: where the token cannot be checked the answer is 503, neither 403 nor the handler's."""

    async def story() -> None:
        host = Host()
        cookies = {SESSION: await host.signed_in()}
        token, _ = await token_of(host, cookies)
        store: Any = host.sessions.store
        store.find = _silent
        got = await host.ask(cookies=cookies, form={"csrf_token": token})
        assert (got.status, got.reached) == (503, False)

    run(story)


@pytest.mark.parametrize("load", ["always", "on_demand"])
def test_an_outage_refuses_nothing_where_refusals_are_only_told(load: str) -> None:
    """CS-12: ``report_only`` refuses nothing: a handler that needs no session is reached while the store is down."""

    async def story() -> None:
        host = Host(csrf=Csrf(report_only=True), load=load)
        cookies = {SESSION: await host.signed_in()}
        store: Any = host.sessions.store
        store.find = _silent
        got = await host.ask(cookies=cookies, form={"csrf_token": "x"})
        assert (got.status, got.reached) == (200, True)

    run(story)


async def _silent(_ids: Any) -> Any:
    from coatcheck import StoreUnavailable

    raise StoreUnavailable("the engine did not answer")


def test_a_visitors_token_needs_a_cookie_that_can_be_sent() -> None:
    """Promise 10: over plain http, or after the headers, asking says what is wrong; no useless token is given."""

    async def late(request: Request) -> StreamingResponse:
        async def pieces() -> Any:
            yield await session_of(request).csrf_token()

        return StreamingResponse(pieces())

    host = Host()
    host.act = late
    with pytest.raises(TooLate, match=r"csrf_token\(\) came after"):
        asyncio.run(host.ask("GET"))
    host.act = form
    with pytest.raises(InsecureTransport, match="plain http"):
        asyncio.run(host.ask("GET", scheme="http"))


def test_a_session_that_was_loaded_by_hand_has_no_browser() -> None:
    """CS-16: without a request there is no cookie to bind a visitor's token to."""
    session = asyncio.run(AsyncSessions("memory://").load(None))
    with pytest.raises(ConfigurationError, match="csrf_token"):
        asyncio.run(session.csrf_token())


def test_plain_endpoints_ask_without_awaiting() -> None:
    """CS-1: ``BlockingSession.csrf_token()`` gives what ``AsyncSession``'s does."""
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=AsyncSessions("memory://"), csrf=Csrf(token="always"))

    @app.get("/form")
    def show(session: BlockingSession) -> str:
        return session.csrf_token()

    @app.post("/login")
    def sign_in(session: BlockingSession) -> None:
        session.login("ada")

    browser = TestClient(app, base_url="https://shop.example", headers={"origin": "https://shop.example"})
    assert browser.post("/login").status_code == 403
    held = browser.get("/form").json()
    assert browser.post("/login", headers={"x-csrf-token": held}).status_code == 200
    assert browser.post("/login", headers={"x-csrf-token": held}).status_code == 403
    held = browser.get("/form").json()
    assert browser.post("/login", data={"csrf_token": held}).status_code == 200


def test_blocking_sessions_make_tokens() -> None:
    """CS-1: a session of the blocking manager makes its own tokens, each a new one."""
    sessions = Sessions("memory://", policy=Policy())
    session = sessions.load(None)
    session.login("ada")

    assert session.csrf_token() != session.csrf_token()
