"""Flask-Login's remember-me, freshness and session protection on coatcheck's sessions (issue 5; rulings 2 and 13)."""

from __future__ import annotations

import pytest
from flask import session
from flask_login import login_user  # type: ignore[import-untyped]  # it has no types
from flask_login.utils import encode_cookie  # type: ignore[import-untyped]  # as above

from coatcheck import ConfigurationError, Policy
from tests.web._flask_site import cookies_of, token_of
from tests.web._login_site import Person, World, holder_of

# --- remember me


def test_remember_is_a_persistent_session() -> None:
    """login_user(remember=True) gives the lifetime remember_me and no cookie of Flask-Login's (ruling 2)."""
    world = World()
    client = world.browser()
    answer = client.post("/login?user=ann&remember=1")
    assert [each.partition("=")[0] for each in answer.headers.getlist("set-cookie")] == ["session"]
    assert "Max-Age=2592000" in cookies_of(answer)[0]
    (listed,) = world.sessions.list("ann")
    assert (listed.lifetime, listed.persistent) == ("remember_me", True)
    world.clock.advance("20d")
    assert client.get("/who").text == "ann"


def test_without_remember_the_cookie_ends_with_the_browser() -> None:
    """login_user() without remember is a session of the browser, as with Flask; session.permanent says otherwise."""

    def permanent() -> str:
        session.permanent = True
        login_user(Person("ann"))
        return "in"

    world = World(permanent)
    assert "Max-Age" not in cookies_of(world.browser().post("/login?user=ann"))[0]
    assert "Max-Age" in cookies_of(world.browser().post("/permanent"))[0]


def test_an_old_remember_cookie_is_ignored_and_deleted() -> None:
    """A remember_token signs nobody in, valid or not, and is deleted wherever it arrives (issue 5)."""
    world = World(config={"SECRET_KEY": "old", "REMEMBER_COOKIE_PATH": "/"})
    with world.app.app_context():
        valid = encode_cookie("ann")
    for value in (valid, "ann|forged"):
        client = world.browser()
        client.set_cookie("remember_token", value)
        answer = client.get("/who")
        assert answer.text == "nobody"
        assert answer.headers["cache-control"] == "no-store, private"
        assert client.get_cookie("remember_token") is None
        assert world.sessions.count() == 0


def test_an_old_remember_cookie_needs_no_secret_key() -> None:
    """Without SECRET_KEY nothing tries to read it."""
    client = World(config={"TESTING": True}).browser()
    client.set_cookie("remember_token", "ann|x")
    client.set_cookie("other", "kept")
    assert client.get("/who").text == "nobody"
    assert client.get_cookie("other") is not None


def test_a_duration_that_nobody_would_keep_is_refused() -> None:
    """login_user(duration=...) other than the policy's raises with the line to write; the same length is fine."""
    world = World(config={"TESTING": True})
    with pytest.raises(ConfigurationError, match="remember_absolute_timeout"):
        world.browser().post("/login?user=ann&remember=1&days=365")
    assert world.browser().post("/login?user=ann&remember=1&days=30").status_code == 200


def test_a_request_that_does_not_look_is_not_made_to() -> None:
    """Flask-Login's own hook looks at the session in every request; it is taken out with its cookie (K-5)."""
    world = World(policy=Policy(sweep_every=None))
    client = world.browser()
    client.post("/login?user=ann")
    world.store.calls.clear()
    answer = client.get("/plain")
    assert ("vary" in answer.headers, world.store.calls) == (False, [])
    assert client.get("/who").headers["vary"] == "Cookie"


# --- fresh, and protected


def test_fresh_ends_with_time_for_remembered_sessions() -> None:
    """A remembered sign-in is fresh for fresh_for; confirm_login makes it fresh again (ASVS 7.5.1)."""
    world = World(fresh_for="10m")
    client = world.browser()
    client.post("/login?user=ann&remember=1")
    assert client.get("/vault").status_code == 200
    world.clock.advance("11m")
    assert (client.get("/vault").status_code, client.get("/secret").status_code) == (401, 200)
    client.post("/confirm")
    assert client.get("/vault").status_code == 200


def test_other_sessions_stay_fresh() -> None:
    """A sign-in that is not remembered is fresh as long as it lasts, and one that was made stale never was."""
    world = World()
    client = world.browser()
    client.post("/login?user=ann")
    world.clock.advance("1d")
    assert client.get("/vault").status_code == 200
    client.post("/login?user=ann&stale=1")
    assert (client.get("/vault").status_code, client.get("/secret").status_code) == (401, 200)


def test_confirming_is_a_step_up() -> None:
    """confirm_login gives a new secret and a new auth_time; the old ticket opens nothing (promise 5, SM-14)."""
    world = World()
    client = world.browser()
    client.post("/login?user=ann")
    before, copy = world.sessions.list("ann")[0], token_of(client)
    world.clock.advance("1h")
    client.post("/confirm")
    after = world.sessions.list("ann")[0]
    assert after.id == before.id
    assert (after.auth_time or 0) - (before.auth_time or 0) == 3_600_000
    assert holder_of(world, copy).get("/who").text == "nobody"
    assert client.get("/vault").text == "for ann"


def test_confirming_nobody_signs_nobody_in() -> None:
    """confirm_login without a sign-in raises nothing, as before."""
    client = World().browser()
    assert client.post("/confirm").status_code == 200
    assert client.get("/who").text == "nobody"


@pytest.mark.parametrize(("protection", "who"), [("basic", "ann"), ("strong", "nobody"), (None, "ann")])
def test_session_protection_does_what_it_says(protection: str | None, who: str) -> None:
    """Another browser with the ticket is not fresh with basic protection; with strong the session ends for good."""
    world = World(protection=protection)
    client = world.browser()
    client.post("/login?user=ann")
    thief = {"user-agent": "another"}
    assert client.get("/who", headers=thief).text == who
    assert len(world.sessions.list("ann")) == (0 if protection == "strong" else 1)
    assert client.get("/vault").status_code == (200 if protection is None else 401)


def test_strong_protection_leaves_visitors_alone() -> None:
    """Flask-Login's own rule: it takes its keys out of a session that it does not trust, and a cart is none of them."""
    world = World(protection="strong", policy=Policy(persistent=False))
    client = world.browser()
    client.post("/put?cart=apples")
    before = token_of(client)

    assert client.get("/who").text == "nobody"

    assert (client.get("/read").json, token_of(client)) == ({"cart": "apples"}, before)
