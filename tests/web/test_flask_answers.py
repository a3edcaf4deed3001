"""What a Flask application answers: errors, failures, outages, other sites' requests, and what caches are told."""

from __future__ import annotations

from typing import Any

import flask
import pytest
from flask import abort, get_flashed_messages, render_template_string, session
from flask.testing import FlaskClient

from coatcheck import InsecureTransport, Policy, SignInRequired, StaleLogin
from coatcheck.web.flask import session_of, signed_in, user_of
from coatcheck.web.gate import Gate, Rule
from tests.web._flask_site import World, cookies_of, token_of


@signed_in
def me() -> Any:
    """Show who is signed in."""
    return list(user_of().roles)


# --- errors


def test_an_unhandled_exception_drops_the_changes() -> None:
    """A 500 keeps nothing, and its page still sees what is stored; an abort is an answer and keeps (DESIGN 4)."""
    shown: list[Any] = []

    def boom() -> str:
        session["a"] = "changed"
        raise ValueError("a bug")

    def halt() -> str:
        session["b"] = "kept"
        abort(404)

    world = World(boom, halt)

    @world.app.errorhandler(500)
    def sorry(_fault: Exception) -> tuple[str, int]:
        shown.append(dict(session))
        return "sorry", 500

    client = world.browser()
    client.get("/put?a=1")
    assert client.get("/boom").text == "sorry"
    assert shown == [{"a": "1"}]
    assert client.get("/halt").status_code == 404
    assert client.get("/read").json == {"a": "1", "b": "kept"}


@pytest.mark.parametrize("testing", [True, False])
def test_a_sign_in_before_a_failure_holds(testing: bool) -> None:
    """The new ticket goes home with the 500; in tests the exception reaches the test, as Flask's users expect."""

    def boom() -> str:
        session_of().login("ann")
        raise ValueError("a bug")

    world = World(boom, config={"TESTING": testing})
    client = world.browser()
    if testing:
        with pytest.raises(ValueError, match="a bug"):
            client.get("/boom")
        return
    assert client.get("/boom").status_code == 500
    assert world.sessions.load(token_of(client)).user_id == "ann"


def test_a_handler_of_ones_own_comes_first() -> None:
    """An application may answer coatcheck's errors itself, one class at a time."""
    world = World(me)

    @world.app.errorhandler(SignInRequired)
    def own(error: SignInRequired) -> tuple[str, int]:
        return f"please sign in ({error.reason})", 418

    answer = world.browser().get("/me")
    assert (answer.status_code, answer.text) == (418, "please sign in (none)")


def test_caught_errors_are_the_views_own() -> None:
    """A view that catches StaleLogin goes on with the session as it was."""

    def slow() -> str:
        epoch = world.sessions.epoch("ann")
        world.sessions.revoke_user("ann")
        session["tries"] = 1
        try:
            session_of().login("ann", epoch=epoch)
        except StaleLogin:
            return "again"
        return "in"

    world = World(slow)
    client = world.browser()
    assert client.get("/slow").text == "again"
    assert client.get("/read").json == {"tries": 1}


def test_misuse_reaches_the_developer() -> None:
    """A mistake in the use of a session is raised in tests and answered 500 with its remedy elsewhere."""
    for testing in (True, False):
        client = World(config={"TESTING": testing}).browser()
        if testing:
            with pytest.raises(InsecureTransport, match="trusted_proxies"):
                client.get("/put?a=1", base_url="http://shop.example")
        else:
            answer = client.get("/put?a=1", base_url="http://shop.example")
            assert (answer.status_code, "trusted_proxies" in answer.text) == (500, True)


def test_an_outage_is_503() -> None:
    """A store that is down is 503 with Retry-After for who looks, and deletes no cookie (promise 9, ruling 8)."""
    world = World()
    client = world.browser()
    client.get("/put?a=1")
    world.store.down = True
    answer = client.get("/read")
    assert (answer.status_code, answer.headers["retry-after"], cookies_of(answer)) == (503, "5", [])
    assert client.get("/plain").status_code == 200


def test_a_refused_save_is_the_answer() -> None:
    """A session that was revoked while the view ran is 401 in place of the view's answer (ruling 4)."""

    def late() -> str:
        session["a"] = 2
        world.sessions.revoke(session_of().id or "")
        return "done"

    world = World(late)
    client = world.browser()
    client.get("/put?a=1")
    assert client.get("/late").status_code == 401


def test_csrf_is_on() -> None:
    """What a page of another site sends is refused before any view runs; the site's own page is let through (G-1)."""
    client = World().browser()
    refused = client.post("/put?a=1", headers={"sec-fetch-site": "cross-site"})
    assert refused.status_code == 403
    assert client.post("/put?a=1", headers={"origin": "http://localhost"}).status_code == 200


def test_the_gate_judges_before_flask_does() -> None:
    """Rules by path hold, a page is sent to sign in, and views read who it is from headers that nobody can forge."""

    def named() -> str:
        return flask.request.headers.get("x-user-id", "nobody")

    def enter() -> str:
        session_of().login("ann")
        return "in"

    gate = Gate([Rule("/enter", allow="public"), Rule("/plain", allow="public")], default="signed_in")
    world = World(named, enter, gate=gate)
    client = world.browser()
    forged = {"x-user-id": "admin", "accept": "text/html"}
    assert client.get("/named", headers=forged).location == "/login?next=/named"
    assert client.get("/plain", headers=forged).status_code == 200
    client.post("/enter")
    assert client.get("/named", headers=forged).text == "ann"
    with world.browser().session_transaction() as stored:
        stored["a"] = 1  # no request, so that no rule keeps a test from it


# --- caches


LOOKS: dict[str, Any] = {
    "get": lambda: session.get("a"),
    "in": lambda: "a" in session,
    "len": lambda: len(session),
    "bool": lambda: bool(session),
    "iter": lambda: list(session),
    "eq": lambda: session == {},
    "new": lambda: session.new,
    "permanent": lambda: session.permanent,
    "template": lambda: render_template_string("{{ session.a }}"),
    "flashes": get_flashed_messages,
}


@pytest.mark.parametrize("name", LOOKS)
def test_every_look_varies_by_cookie(name: str) -> None:
    """Every way of looking adds Vary: Cookie, for a stranger too (K-2, CVE-2023-30861, CVE-2026-27205)."""

    def look() -> str:
        return str(LOOKS[name]())

    client = World(look).browser()
    assert client.get("/look").headers["vary"] == "Cookie"


def test_holding_the_session_is_no_look() -> None:
    """A template that does not use the session and an extension that merely holds it add nothing (K-5, ruling 7)."""

    def hold() -> str:
        _ = session._get_current_object(), session.modified, session.accessed  # type: ignore[attr-defined]
        return render_template_string("nothing of a session")

    world = World(hold, policy=Policy(sweep_every=None))
    client = world.browser()
    client.get("/put?a=1")
    world.store.calls.clear()
    answer = client.get("/hold")
    assert ("vary" in answer.headers, cookies_of(answer), world.store.calls) == (False, [], [])


def test_reading_writes_nothing() -> None:
    """A request that reads costs one call and sends no cookie (promise 6; Flask-Session writes each time)."""
    world = World()
    client: FlaskClient = world.browser()
    client.get("/put?a=1")
    world.store.calls.clear()
    assert cookies_of(client.get("/read")) == []
    assert world.store.calls == ["find"]


def test_two_writers_both_win() -> None:
    """Two requests that change different keys both win (promise 3; Flask-Session loses one)."""

    def outer() -> str:
        len(session)
        copy = world.browser()
        copy.set_cookie("session", token_of(client))
        copy.get("/put?b=2")
        session["a"] = 1
        return "both"

    world = World(outer)
    client = world.browser()
    client.get("/put?base=0")
    client.get("/outer")
    assert client.get("/read").json == {"a": 1, "b": "2", "base": "0"}
