"""Requests of every kind in Flask: the test client's, streams, async views, blueprints, contexts without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import flask
import pytest
from flask import session, stream_with_context
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client

from coatcheck import SessionGone, Sessions
from coatcheck.web.flask import Coatcheck, session_of, signed_in, user_of
from tests.web._flask_site import World, cookies_of, read, token_of


@signed_in
def me() -> Any:
    """Show who is signed in."""
    return user_of().id


# --- without a server


def test_session_transaction_works_unchanged() -> None:
    """A test may read and write the session between requests, as with Flask's own (issue 5: session_transaction)."""
    client = World().browser()
    with client.session_transaction() as stored:
        stored["a"] = 1
        stored["list"] = [1]
    assert client.get("/read").json == {"a": 1, "list": [1]}
    with client.session_transaction() as stored:
        assert stored["a"] == 1
        stored["list"].append(2)
        del stored["a"]
    assert client.get("/read").json == {"list": [1, 2]}


def test_a_transaction_may_sign_in_and_out() -> None:
    """Coatcheck's verbs work in it: a suite signs in without its form, and the session is a real one."""
    world = World(me)
    client = world.browser()
    with client.session_transaction() as stored:
        stored.login("ann", roles=["editor"])  # type: ignore[attr-defined]  # Flask types it as its own
    assert client.get("/me").text == "ann"
    assert [one.roles for one in world.sessions.list("ann")] == [("editor",)]
    with client.session_transaction() as stored:
        stored.clear()
    assert client.get("/me").status_code == 401
    assert world.sessions.list("ann") == []


def test_a_transaction_is_not_refused_in_silence() -> None:
    """A session that was revoked while the transaction was open raises in the test."""
    world = World()
    client = world.browser()
    client.get("/put?a=1")

    def interrupted() -> None:
        with client.session_transaction() as stored:
            stored["a"] = 2
            world.sessions.revoke(stored.id)  # type: ignore[attr-defined]  # as above

    with pytest.raises(SessionGone):
        interrupted()


def test_a_transaction_passes_the_gate_and_the_views_do_not() -> None:
    """What a test does to its own session is no request that a gate or the CSRF rules judge."""
    world = World(me, paths=["/me", "/"])
    client = world.browser()
    with client.session_transaction(method="POST", headers={"origin": "https://evil.example"}) as stored:
        stored["a"] = 1
    assert client.get("/read").json == {"a": 1}


def test_a_context_without_a_server_has_a_session() -> None:
    """test_request_context reads what a cookie opens, and what a whole dispatch there changes is saved."""
    world = World()
    client = world.browser()
    client.get("/put?a=1")
    cookie = {"cookie": f"session={token_of(client)}"}
    with world.app.test_request_context("/", headers=cookie):
        assert session["a"] == "1"
    with world.app.test_request_context("/put?b=2", headers=cookie):
        world.app.full_dispatch_request()
    assert client.get("/read").json == {"a": "1", "b": "2"}


def test_errors_are_answered_in_a_context_without_a_server() -> None:
    """A guard's answer is the same without the middleware."""
    world = World(me)
    with world.app.test_request_context("/me"):
        assert world.app.full_dispatch_request().status_code == 401


def test_the_context_of_a_request_may_be_kept() -> None:
    """`with client:` keeps flask.session to be looked at after the answer, also where no view looked."""
    with World().browser() as client:
        client.get("/put?a=1")
        assert session["a"] == "1"
        client.get("/plain")
        assert session["a"] == "1"


@pytest.mark.parametrize("testing", [True, False])
def test_a_suite_that_names_no_origin_runs(testing: bool) -> None:
    """Flask's test client says nothing of whose page it is; in tests it counts as the site's own (G-10)."""
    client = World(config={"TESTING": testing}).browser()
    client.get("/put?a=1")
    assert client.post("/put?b=2").status_code == 200
    assert client.post("/put?c=3", headers={"origin": "https://evil.example"}).status_code == 403


def test_outside_of_tests_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is tested, a request with our cookie that says nothing of its page is refused (G-10)."""
    from coatcheck.web import settings

    monkeypatch.setattr(settings, "test_hosts", set())
    client = World().browser()
    client.get("/put?a=1")
    assert client.post("/put?b=2").status_code == 403


# --- streams, async views, teardown


def test_a_stream_may_use_the_session_until_its_first_byte() -> None:
    """stream_with_context: what is changed before the first piece is committed, what comes later is told of."""

    def stream() -> Any:
        def pieces() -> Iterator[str]:
            session["before"] = True
            yield "one"
            yield str(session.get("before"))
            session["after"] = True

        return stream_with_context(pieces())

    world = World(stream)
    client = world.browser()
    answer = client.get("/stream")
    assert (answer.text, len(cookies_of(answer))) == ("oneTrue", 1)
    answer.close()
    assert client.get("/read").json == {"before": True}
    assert world.events.only("session.changes_lost")[0].details["keys"] == "after"


def test_async_views_have_the_same_session() -> None:
    """Flask runs async views in a loop of their own; the session is the blocking one, and guards work (issue 5)."""

    async def later() -> str:
        await asyncio.sleep(0)
        session["a"] = 1
        session_of().login("ann")
        return "later"

    @signed_in
    async def guarded() -> str:
        await asyncio.sleep(0)
        return user_of().id

    client = World(later, guarded).browser()
    assert client.get("/guarded").status_code == 401
    assert client.get("/later").text == "later"
    assert client.get("/guarded").text == "ann"
    assert client.get("/read").json == {"a": 1}


def test_what_comes_after_the_view_counts() -> None:
    """after_request and teardown_request run before the first byte: what they change is committed too."""
    world = World()

    @world.app.after_request
    def after(response: flask.Response) -> flask.Response:
        if flask.request.path == "/plain":
            session["after"] = True
        return response

    @world.app.teardown_request
    def down(_fault: BaseException | None) -> None:
        if flask.request.path == "/plain":
            session["teardown"] = True

    client = world.browser()
    client.get("/plain")
    assert client.get("/read").json == {"after": True, "teardown": True}


def test_what_happens_when_the_body_is_closed() -> None:
    """call_on_close runs, and a change there is told of, for nobody can commit it any more."""

    def noting() -> flask.Response:
        held, response = session_of(), flask.make_response("x")
        response.call_on_close(lambda: held.__setitem__("late", 1))
        return response

    world = World(noting)
    world.browser().get("/noting").close()
    assert world.events.names == ["session.changes_lost"]


# --- applications inside applications


def test_a_mounted_application_has_its_own_paths() -> None:
    """Below a prefix the session works, and next= holds the whole address (SCRIPT_NAME)."""
    world = World(me, sign_in_url="/sign-in")
    client = Client(DispatcherMiddleware(flask.Flask("outer"), {"/shop": world.app}))
    client.get("/shop/put?a=1")
    assert client.get("/shop/read").json == {"a": "1"}
    page = client.get("/shop/me", headers={"accept": "text/html"})
    assert page.location == "/sign-in?next=/shop/me"


def test_a_blueprint_shares_the_session() -> None:
    """A blueprint's views and error handlers work on the same session."""
    world = World()
    part = flask.Blueprint("part", __name__, url_prefix="/part")
    part.add_url_rule("/read", view_func=read)
    world.app.register_blueprint(part)
    client = world.browser()
    client.get("/put?a=1")
    assert client.get("/part/read").json == {"a": "1"}


@pytest.mark.parametrize("outside", [True, False])
def test_a_proxy_is_believed_from_outside(outside: bool) -> None:
    """ProxyFix that was applied after Coatcheck tells of https; before it, coatcheck says what to write (ruling 6)."""
    app = flask.Flask(__name__)
    fix: Any = {"x_proto": 1, "x_host": 1}
    if not outside:
        app.wsgi_app = ProxyFix(app.wsgi_app, **fix)  # type: ignore[method-assign]
    Coatcheck(app, sessions=Sessions("memory://"))
    if outside:
        app.wsgi_app = ProxyFix(app.wsgi_app, **fix)  # type: ignore[method-assign]
    app.add_url_rule("/", view_func=lambda: session.setdefault("a", "x"))
    sent = {"x-forwarded-proto": "https", "x-forwarded-host": "shop.example"}
    answer = app.test_client().get("/", headers=sent)
    if outside:
        assert "__Host-session=" in answer.headers["set-cookie"]
    else:
        assert (answer.status_code, "trusted_proxies" in answer.text) == (500, True)
