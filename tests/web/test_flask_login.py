"""Flask-Login works unchanged, on sessions that belong to their users (issue 5; rulings 2 and 13; promises 2 and 5)."""

from __future__ import annotations

from typing import Any

import flask
import pytest
from flask import session
from flask_login import FlaskLoginClient, current_user, login_user, logout_user  # type: ignore[import-untyped]  # it has no types

from coatcheck import Policy, StaleLogin
from coatcheck.web.flask import session_of
from tests.web._flask_site import cookies_of, token_of
from tests.web._login_site import Person, World, holder_of

# --- signing in and out


@pytest.mark.parametrize("first", [True, False])
def test_signing_in_and_out(first: bool) -> None:
    """login_user, current_user, login_required and logout_user do what they always did, whoever is installed first."""
    client = World(first=first).browser()
    assert client.get("/secret").status_code == 401
    client.post("/login?user=ann")
    assert (client.get("/secret").text, client.get("/who").text) == ("for ann", "ann")
    client.post("/logout")
    assert (client.get("/secret").status_code, client.get("/who").text) == (401, "nobody")


def test_the_session_is_the_users() -> None:
    """It is listed under the user, and revoking the user signs them out in the very next request (promise 2)."""
    world = World()
    client = world.browser()
    client.post("/login?user=ann")
    (listed,) = world.sessions.list("ann")
    assert listed.user_id == "ann"
    world.sessions.revoke_user("ann")
    assert (client.get("/secret").status_code, client.get("/who").text) == (401, "nobody")


def test_signing_in_changes_the_ticket() -> None:
    """A ticket that was planted before opens nothing, and the visitor's cart comes along (promise 5, S-46)."""
    world = World()
    client = world.browser()
    client.get("/put?cart=apples")
    planted = token_of(client)
    client.post("/login?user=ann")
    data = client.get("/read").json or {}
    assert data["cart"] == "apples"
    assert token_of(client) != planted
    assert holder_of(world, planted).get("/who").text == "nobody"


def test_signing_out_ends_the_session() -> None:
    """A copy of the ticket opens nothing after logout_user, and the cookie is deleted (promise 2)."""
    world = World()
    client = world.browser()
    client.post("/login?user=ann")
    copy = token_of(client)
    assert "Max-Age=0" in cookies_of(client.post("/logout"))[0]
    assert holder_of(world, copy).get("/who").text == "nobody"
    assert [one.reason for one in world.sessions.list("ann", ended=True)] == ["signed_out"]


def test_another_user_brings_nothing_along() -> None:
    """Signing in as somebody else ends the first session and carries nothing of it (ruling 1, CS-16)."""
    world = World()
    client = world.browser()
    client.post("/login?user=ann")
    client.get("/put?draft=secret")
    client.post("/login?user=bob")
    assert client.get("/who").text == "bob"
    assert "draft" not in (client.get("/read").json or {})
    assert world.sessions.list("ann") == []
    assert client.get("/vault").text == "for bob"


def test_the_limit_holds() -> None:
    """max_sessions counts what Flask-Login signs in (promise 4)."""
    world = World(policy=Policy(max_sessions=2))
    browsers = [world.browser() for _ in range(3)]
    for client in browsers:
        client.post("/login?user=ann")
        world.clock.advance("1s")
    assert [client.get("/who").text for client in browsers] == ["nobody", "ann", "ann"]


def test_inactive_users_and_requests_without_sessions() -> None:
    """A user who may not sign in is not signed in, and a user by API key costs no session (Flask-Login's own rules)."""

    class Inactive(Person):
        is_active = False

    def refuse() -> str:
        return str(login_user(Inactive("ann")))

    world = World(refuse)
    world.manager.request_loader(lambda request: Person("bob") if request.headers.get("x-key") == "k" else None)
    client = world.browser()
    assert client.get("/refuse").text == "False"
    assert client.get("/secret", headers={"x-key": "k"}).text == "for bob"
    assert world.sessions.count() == 0


def test_roles_come_from_the_user() -> None:
    """roles_of says which roles a user has; without it the policy does."""
    world = World(roles_of=lambda user: [user.team])
    world.browser().post("/login?user=ann")
    assert world.sessions.list("ann")[0].roles == ("staff",)
    plain = World()
    plain.browser().post("/login?user=ann")
    assert plain.sessions.list("ann")[0].roles == ("user",)


# --- ruling 13


def slow_login(world: World, meanwhile: Any) -> str:
    """Make a sign-in during whose password check something happens; return the view's name."""

    def slow() -> str:
        world.clock.advance("1s")
        meanwhile()
        world.clock.advance("1s")
        login_user(Person("ann"))
        return "in"

    world.app.add_url_rule("/slow", view_func=slow, methods=["POST"])
    return "/slow"


def test_a_sign_in_under_way_is_refused_when_all_are_signed_out() -> None:
    """What another request revokes while the password is checked stays revoked: 401, and nobody is signed in."""
    world = World()
    path = slow_login(world, lambda: world.app.test_client().post("/revoke"))

    def revoke() -> str:
        world.sessions.revoke_user("ann")
        return "revoked"

    world.app.add_url_rule("/revoke", view_func=revoke, methods=["POST"])
    client = world.browser()
    answer = client.post(path)
    assert (answer.status_code, (answer.json or {})["code"]) == (401, "stale_login")
    assert (client.get("/who").text, world.sessions.list("ann")) == ("nobody", [])


def test_a_request_may_sign_in_whom_it_signed_out_itself() -> None:
    """A change of password ends the user's sessions and signs them in again, in one request."""
    world = World()
    path = slow_login(world, lambda: world.sessions.revoke_user("ann"))
    client = world.browser()
    other = world.browser()
    other.post("/login?user=ann")
    assert client.post(path).status_code == 200
    assert (client.get("/who").text, other.get("/who").text) == ("ann", "nobody")


def test_a_refused_sign_in_leaves_nobody_signed_in() -> None:
    """A view that catches the refusal goes on with nobody: neither current_user nor the session names the user."""

    def caught() -> str:
        world.clock.advance("1s")
        epoch_raised()
        world.clock.advance("1s")
        try:
            login_user(Person("ann"))
        except StaleLogin:
            return f"{current_user.is_authenticated} {'_user_id' in session}"
        return "in"

    def epoch_raised() -> None:
        world.app.test_client().post("/revoke")

    def revoke() -> str:
        world.sessions.revoke_user("ann")
        return "revoked"

    world = World(caught, revoke)
    client = world.browser()
    assert client.post("/caught").text == "False False"
    assert client.get("/who").text == "nobody"


# --- by hand, and coatcheck's own verbs


def test_flask_logins_own_test_client_works() -> None:
    """FlaskLoginClient signs its user in, and the session is the user's like any other."""
    world = World()
    world.app.test_client_class = FlaskLoginClient
    client: Any = world.app.test_client(user=Person("ann"))
    assert client.get("/secret").text == "for ann"
    assert len(world.sessions.list("ann")) == 1
    world.sessions.revoke_user("ann")
    assert client.get("/secret").status_code == 401
    stale: Any = world.app.test_client(user=Person("ann"), fresh_login=False)
    assert (stale.get("/secret").status_code, stale.get("/vault").status_code) == (200, 401)


def test_a_user_who_is_written_by_hand_is_signed_in() -> None:
    """session["_user_id"] = ... becomes a sign-in when the request ends, and a refused one is the answer."""

    def switch() -> str:
        session["_user_id"] = flask.request.args["user"]
        return "switched"

    world = World(switch, policy=Policy(max_sessions=1, at_limit="reject"))
    client = world.browser()
    client.get("/switch?user=ann")
    assert (client.get("/who").text, len(world.sessions.list("ann"))) == ("ann", 1)
    client.get("/switch?user=bob")
    assert (client.get("/who").text, world.sessions.list("ann")) == ("bob", [])
    other = world.browser()
    answer = other.get("/switch?user=bob")
    assert (answer.status_code, (answer.json or {})["code"]) == (409, "session_limit_reached")
    assert other.get("/who").text == "nobody"


def test_removing_the_user_by_hand_is_a_sign_out() -> None:
    """Promise 2: session.pop("_user_id") counts at once and ends the session; only what the request wrote is kept."""

    def forget() -> str:
        session.pop("_user_id")
        session["bye"] = True
        return str(current_user.is_authenticated)

    def keys() -> list[str]:
        return sorted(session)

    world = World(forget, keys)
    client = world.browser()
    client.get("/login?user=ann")
    copied = holder_of(world, token_of(client))

    assert client.post("/forget").text == "False"

    assert world.sessions.list("ann") == []
    assert (client.get("/keys").json, copied.get("/keys").json) == (["bye"], [])
    assert (client.get("/who").text, copied.get("/who").text) == ("nobody", "nobody")


def test_a_suite_may_remove_the_user() -> None:
    """Issue 5, section 1: session_transaction signs a client out as it does in Flask-Login's own users' suites."""
    world = World()
    client = world.browser()
    client.get("/login?user=ann")
    with client.session_transaction() as stored:
        stored.pop("_user_id")
    assert (client.get("/who").text, world.sessions.list("ann")) == ("nobody", [])


def test_a_user_may_be_removed_and_another_sign_in() -> None:
    """CS-16: removed and signed in again in one request, by either's verb, leaves the new user signed in."""

    def change() -> str:
        session.pop("_user_id")
        login_user(Person("bob"))
        return "changed"

    def own() -> str:
        session.pop("_user_id")
        session_of().login("bob")
        return "changed"

    world = World(change, own)
    for path in ("/change", "/own"):
        client = world.browser()
        client.get("/login?user=ann")
        client.post(path)
        assert (client.get("/who").text, world.sessions.list("ann")) == ("bob", [])


def test_a_sign_in_over_another_user_holds_whole() -> None:
    """Section 4 of the design: what fails after login_user takes nothing of the sign-in back, freshness neither."""

    def enter() -> str:
        login_user(Person("bob"))
        raise ValueError("after the sign-in")

    world = World(enter, protection="strong")
    world.app.testing = False
    client = world.browser()
    client.get("/login?user=ann")
    assert client.get("/enter").status_code == 500
    assert client.get("/vault").text == "for bob"


def test_coatchecks_own_verbs_are_seen() -> None:
    """session.login, impersonate and logout change current_user in the next request."""

    def enter() -> str:
        session_of().login("ann")
        return "in"

    def act() -> str:
        session_of().impersonate("bob")
        return "acting"

    def back() -> str:
        session_of().stop_impersonating()
        return "back"

    world = World(enter, act, back)
    client = world.browser()
    said = []
    for path in ("/enter", "/act", "/back"):
        client.post(path)
        said.append(client.get("/who").text)
    assert said == ["ann", "bob", "ann"]
    client.get("/logout")
    assert client.get("/who").text == "nobody"


def test_numbers_stay_numbers_for_the_user_loader() -> None:
    """A get_id that returns a number, which Flask-Login lets pass, is given back as it was."""
    given: list[object] = []

    class Numbered(Person):
        def get_id(self) -> Any:
            return 1

    def enter() -> str:
        login_user(Numbered("1"))
        return "in"

    world = World(enter)

    def load(name: object) -> Person:
        given.append(name)
        return Person("1")

    world.manager.user_loader(load)
    client = world.browser()
    client.post("/enter")
    client.get("/who")
    assert (given, len(world.sessions.list("1"))) == ([1], 1)


def test_an_outage_during_a_sign_out_is_not_confirmed() -> None:
    """logout_user with the store down is 503, the cookie is deleted all the same and it is tried again (ruling 8)."""

    def out() -> str:
        current_user.is_authenticated  # noqa: B018 - a look
        world.store.down = True
        logout_user()
        return "out"

    world = World(out)
    client = world.browser()
    client.post("/login?user=ann")
    answer = client.post("/out")
    assert (answer.status_code, "Max-Age=0" in cookies_of(answer)[0]) == (503, True)
