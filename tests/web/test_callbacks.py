"""Answers that another site posts, as OpenID Connect's form_post by the real Authlib: once and here, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from authlib.integrations.starlette_client import OAuthError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from coatcheck import AsyncSessions, Policy
from coatcheck.testing import CapturedEvents, FrozenClock
from coatcheck.web.csrf import Callback, Csrf
from coatcheck.web.starlette import SessionMiddleware, session_of
from tests.web._provider import ISSUER, SITE, Browser, Provider

BEGIN, ANSWER = "/sign-in/acme", "/sign-in/acme/answer"
SESSION, CALLBACK = "__Host-session", "__Host-callback"
Story = Callable[["Shop"], Coroutine[Any, Any, None]]


class Shop:
    """A shop whose sign-in is at the provider, written as Authlib's own documentation has it."""

    def __init__(self, *, store: str = "memory://", policy: Policy | None = None, **csrf: Any) -> None:
        """Build it."""
        self.provider = Provider()
        self.oauth = self.provider.client()
        self.clock, self.events = FrozenClock(), CapturedEvents()
        self.sessions = AsyncSessions(store, policy=policy, clock=self.clock, listeners=[self.events])
        self.reached = 0
        routes = [
            Route("/cart", self._cart, methods=["POST"]),
            Route("/me", self._me),
            Route(BEGIN, self._begin, methods=["GET", "POST"]),
            Route(ANSWER, self._answer, methods=["GET", "POST"]),
        ]
        self.app = Starlette(routes=routes)
        callbacks = [Callback(ANSWER, begin=BEGIN)]
        self.app.add_middleware(SessionMiddleware, sessions=self.sessions, csrf=Csrf(callbacks=callbacks, **csrf))

    async def _begin(self, request: Request) -> Response:
        return await self.oauth.acme.authorize_redirect(request, SITE + ANSWER)  # type: ignore[no-any-return]

    async def _answer(self, request: Request) -> Response:
        self.reached += 1
        try:
            token = await self.oauth.acme.authorize_access_token(request)
        except OAuthError as error:
            raise HTTPException(400, error.error) from None
        await session_of(request).login(token["userinfo"]["sub"])
        return RedirectResponse("/", 303)

    async def _cart(self, request: Request) -> Response:
        session_of(request)["cart"] = ["apples"]
        return Response()

    async def _me(self, request: Request) -> Response:
        session = session_of(request)
        return JSONResponse({"user": session.user_id, "data": dict(session)})

    async def begun(self, browser: Browser, user: str = "ada") -> dict[str, str]:
        """Begin a sign-in in *browser* and return what it is to post back."""
        sent = await browser.go("GET", BEGIN)
        assert (sent.status_code, "no-store" in sent.headers["cache-control"]) == (302, True)
        return self.provider.answer(sent.headers["location"], user)

    async def me(self, browser: Browser) -> Any:
        """Return who is signed in, and what the session holds."""
        return (await browser.go("GET", "/me")).json()


def run(story: Story, **options: Any) -> None:
    """Run a story."""

    async def whole() -> None:
        await story(Shop(**options))

    asyncio.run(whole())


def test_a_form_post_signs_in() -> None:
    """ASVS 7.6.2, 10.1.2: Authlib finds its state in ``request.session``, and an ordinary session begins."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        form = await shop.begun(browser)
        assert browser.set[CALLBACK].partition("; ")[2] == "Max-Age=600; Path=/; Secure; HttpOnly; SameSite=None"
        assert SESSION not in browser.jar
        came = await browser.go("POST", ANSWER, of=ISSUER, form=form)
        assert (came.status_code, came.headers["location"]) == (303, "/")
        assert browser.set[SESSION].endswith("SameSite=Lax")
        assert browser.set[CALLBACK].startswith(f"{CALLBACK}=; Max-Age=0")
        assert "no-store" in came.headers["cache-control"]
        assert await shop.me(browser) == {"user": "ada", "data": {}}
        (info,) = await shop.sessions.list("ada")
        assert await shop.sessions.count() == 1
        assert info.carrier == "cookie"

    run(story)


def test_an_answer_counts_once() -> None:
    """ASVS 10.1.2: the same answer again, with the same cookie, is refused before its handler."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        form = await shop.begun(browser)
        held = dict(browser.jar)
        await browser.go("POST", ANSWER, of=ISSUER, form=form)
        browser.jar = held
        again = await browser.go("POST", ANSWER, of=ISSUER, form=form)
        assert (again.status_code, again.json()["code"]) == (400, "callback_refused")
        assert (shop.reached, shop.provider.asked) == (1, 1)
        assert await shop.sessions.count() == 1

    run(story)


@pytest.mark.parametrize("store", ["memory://", "sqlite:///{}/s.db"])
def test_of_two_answers_at_once_one_counts(store: str, tmp_path: Path) -> None:
    """ASVS 15.4.2: the state is taken in the store's one step, so that a race has one winner."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        form = await shop.begun(browser)
        held = dict(browser.jar)
        tabs = [Browser(shop.app) for _ in range(8)]
        for tab in tabs:
            tab.jar = dict(held)
        came = await asyncio.gather(*(tab.go("POST", ANSWER, of=ISSUER, form=form) for tab in tabs))
        assert sorted(answer.status_code for answer in came) == [303, *[400] * 7]
        assert await shop.sessions.count() == 1
        await shop.sessions.aclose()

    run(story, store=store.format(tmp_path))


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("victim", ["nothing", "a sign-in of its own", "a session"])
def test_an_answer_begun_elsewhere_opens_nothing(method: str, victim: str) -> None:
    """CVE-2025-68481, CVE-2026-41425, ASVS 7.6.2: the state of browser A in browser B is 400 and creates nothing."""

    async def story(shop: Shop) -> None:
        attacker, other = Browser(shop.app), Browser(shop.app)
        form = await shop.begun(attacker, "mallory")
        if victim == "a sign-in of its own":
            await shop.begun(other)
        if victim == "a session":
            await other.go("POST", ANSWER, of=ISSUER, form=await shop.begun(other, "grace"))
        before = await shop.me(other)
        path = ANSWER if method == "POST" else f"{ANSWER}?code={form['code']}&state={form['state']}"
        came = await other.go(method, path, of=ISSUER, form=form if method == "POST" else None)
        assert came.status_code == 400
        assert SESSION not in other.set
        assert await shop.me(other) == before
        assert await shop.sessions.list("mallory") == []

    run(story)


@pytest.mark.parametrize("value", ["", "x", "0" + "A" * 25 + "." + "A" * 43])
def test_a_made_up_ticket_opens_nothing(value: str) -> None:
    """SM-10: what we did not mint is no answer's ticket, and costs no row."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        form = await shop.begun(browser)
        browser.jar[CALLBACK] = (value, "None")
        assert (await browser.go("POST", ANSWER, of=ISSUER, form=form)).status_code == 400
        assert shop.reached == 0

    run(story)


def test_tickets_are_not_exchanged() -> None:
    """ASVS 9.2.2: an answer's ticket opens no session, and a session's ticket no answer."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        form = await shop.begun(browser)
        ticket = browser.jar[CALLBACK][0]
        other = Browser(shop.app)
        other.jar[SESSION] = (ticket, "Lax")
        assert await shop.me(other) == {"user": None, "data": {}}
        await other.go("POST", "/cart")
        other.jar[CALLBACK] = (other.jar[SESSION][0], "None")
        assert (await other.go("POST", ANSWER, of=ISSUER, form=form)).status_code == 400

    run(story)


def test_an_answer_may_take_ten_minutes() -> None:
    """ASVS 10.1.2: what was left for the answer is short-lived."""

    async def story(shop: Shop) -> None:
        for wait, status in (("9m", 303), ("10m", 400)):
            browser = Browser(shop.app)
            form = await shop.begun(browser)
            shop.clock.advance(wait)
            assert (await browser.go("POST", ANSWER, of=ISSUER, form=form)).status_code == status

    run(story)


def test_a_failed_answer_leaves_nothing() -> None:
    """ASVS 7.6.2: a wrong state is Authlib's to refuse: it is 400, used up, and no session comes of it."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        form = await shop.begun(browser)
        wrong = await browser.go("POST", ANSWER, of=ISSUER, form={**form, "state": "x"})
        assert (wrong.status_code, wrong.text) == (400, "mismatching_state")
        assert (SESSION in browser.jar, CALLBACK in browser.jar) == (False, False)
        assert await shop.sessions.count() == 0

    run(story)


async def _write(request: Request) -> Response:
    session_of(request)["seen"] = True
    return Response()


async def _reload(request: Request) -> Response:
    session = session_of(request)
    await session.reload()
    return JSONResponse([session.user_id, dict(session)])


def test_what_an_answer_writes_makes_no_session() -> None:
    """ASVS 7.6.2: a handler that signs nobody in leaves nothing behind, whatever it writes."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        form = await shop.begun(browser)
        shop.app.router.routes[-1] = Route(ANSWER, _write, methods=["POST"])
        assert (await browser.go("POST", ANSWER, of=ISSUER, form=form)).status_code == 200
        assert SESSION not in browser.jar
        assert await shop.sessions.count() == 0

    run(story)


def test_an_answer_cannot_load_the_session_either() -> None:
    """CS-7: reading the session again does not open the browser's own to a request from another site."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        await browser.go("POST", ANSWER, of=ISSUER, form=await shop.begun(browser, "grace"))
        form = await shop.begun(browser)
        browser.jar[SESSION] = (browser.jar[SESSION][0], "None")
        shop.app.router.routes[-1] = Route(ANSWER, _reload, methods=["POST"])
        assert (await browser.go("POST", ANSWER, of=ISSUER, form=form)).json() == [None, {}]

    run(story)


def test_the_browsers_cart_comes_along() -> None:
    """Ruling 1: an anonymous session that the browser had moves into the new one, and ends, as with any sign-in."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        await browser.go("POST", "/cart")
        before = browser.jar[SESSION]
        form = await shop.begun(browser)
        assert browser.jar[SESSION] == before
        await browser.go("POST", ANSWER, of=ISSUER, form=form)
        assert await shop.me(browser) == {"user": "ada", "data": {"cart": ["apples"]}}
        assert await shop.sessions.count() == 1

    run(story)


def test_another_users_session_ends() -> None:
    """Ruling 1: who signs in where somebody else is signed in takes nothing over, and the other session is over."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        await browser.go("POST", ANSWER, of=ISSUER, form=await shop.begun(browser, "grace"))
        await browser.go("POST", "/cart")
        await browser.go("POST", ANSWER, of=ISSUER, form=await shop.begun(browser))
        assert await shop.me(browser) == {"user": "ada", "data": {}}
        assert await shop.sessions.list("grace") == []

    run(story)


def test_the_session_itself_is_not_opened_by_an_answer() -> None:
    """CS-7: a handler that answers another site sees nobody signed in, whatever cookies the browser sends along."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        await browser.go("POST", ANSWER, of=ISSUER, form=await shop.begun(browser, "grace"))
        form = await shop.begun(browser)
        browser.jar[SESSION] = (browser.jar[SESSION][0], "None")
        seen: list[Any] = []
        answer = shop._answer

        async def look(request: Request) -> Response:
            session = session_of(request)
            seen.append((session.user_id, session.signed_in, [key for key in session if "state" not in key]))
            return await answer(request)

        shop.app.router.routes[-1] = Route(ANSWER, look, methods=["POST"])
        assert (await browser.go("POST", ANSWER, of=ISSUER, form=form)).status_code == 303
        assert seen == [(None, False, [])]

    run(story)


def test_a_session_goes_on_while_a_sign_in_is_begun() -> None:
    """Promise 6: what the first handler writes is the answer's alone; a session that is there goes on as it was."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        await browser.go("POST", ANSWER, of=ISSUER, form=await shop.begun(browser, "grace"))
        await browser.go("POST", "/cart")
        before = browser.jar[SESSION]
        await shop.begun(browser)
        assert await shop.me(browser) == {"user": "grace", "data": {"cart": ["apples"]}}
        assert browser.jar[SESSION] == before

    run(story)


@pytest.mark.parametrize("of", [ISSUER, None])
def test_the_first_handler_is_judged_like_any_other(of: str | None) -> None:
    """ASVS 7.6.2: another site's form does not begin a sign-in."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        assert (await browser.go("POST", BEGIN, of=of)).status_code == 403
        assert (await browser.go("POST", BEGIN)).status_code == 302

    run(story)


def test_a_policy_without_anonymous_sessions_signs_in_elsewhere_too() -> None:
    """ASVS 7.6.2: what waits for the answer is no anonymous session, and needs no policy that allows them."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        form = await shop.begun(browser)
        assert (await browser.go("POST", ANSWER, of=ISSUER, form=form)).status_code == 303

    run(story, policy=Policy(anonymous=False))


def test_a_look_with_head_uses_nothing_up() -> None:
    """RFC 9110, 9.2.1: HEAD and OPTIONS take no answer, so that a scanner's look costs nobody their sign-in."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        form = await shop.begun(browser)
        for method in ("HEAD", "OPTIONS"):
            await browser.go(method, ANSWER)
            assert CALLBACK in browser.jar
        assert (await browser.go("POST", ANSWER, of=ISSUER, form=form)).status_code == 303

    run(story)


def test_reporting_alone_lets_an_answer_reach_its_handler() -> None:
    """CS-12: with ``report_only`` the handler judges by itself, and is told of."""

    async def story(shop: Shop) -> None:
        browser = Browser(shop.app)
        came = await browser.go("POST", ANSWER, of=ISSUER, form={"code": "x", "state": "y"})
        assert (came.status_code, came.text) == (400, "mismatching_state")
        assert shop.events.only("csrf.refused")[0].details["reason"] == "no_transaction"

    run(story, report_only=True)
