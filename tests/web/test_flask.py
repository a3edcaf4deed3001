"""flask.session is coatcheck's session, in Flask's words (promises 2, 5, 6 and 9; issue 5, frameworks)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flask
import pytest
from flask import flash, get_flashed_messages, render_template_string, session
from flask.sessions import SessionMixin
from markupsafe import Markup

from coatcheck import (
    BlockingSession,
    ConfigurationError,
    Policy,
    Sessions,
)
from coatcheck.web.flask import session_of, signed_in, user_of
from coatcheck.web.wsgi import session_in
from tests.web._flask_site import World, cookies_of, read, token_of


def login() -> Any:
    """Sign in, with what the query says."""
    remember = {"yes": True, "no": False}.get(flask.request.args.get("remember", ""))
    session_of().login(flask.request.args["user"], remember=remember)
    return "in"


def clear() -> Any:
    """Sign out as Flask's users do, and greet."""
    session.clear()
    if "then" in flask.request.args:
        session["then"] = True
    return "cleared"


@signed_in
def me() -> Any:
    """Show who is signed in."""
    return list(user_of().roles)


# --- one session, several spellings


def test_every_spelling_is_one_session() -> None:
    """flask.session, session_of() and the environ hold the same object, which is Flask's own kind too."""
    seen: list[Any] = []

    def look() -> str:
        seen.extend([session_of(), session_in(flask.request.environ), flask.session._get_current_object()])  # type: ignore[attr-defined]
        return "seen"

    World(look).browser().get("/look")
    first, *others = seen
    assert isinstance(first, BlockingSession)
    assert isinstance(first, SessionMixin)
    assert all(other is first for other in others)


@dataclass
class Cart:
    """A typed view of the data."""

    apples: int = 0


def test_data_may_be_typed() -> None:
    """session_of(Cart) gives the data as a typed object whose changes are kept."""

    def add() -> str:
        session_of(Cart).apples += 1
        return "added"

    client = World(add).browser()
    for _ in range(2):
        client.get("/add")
    assert client.get("/read").json == {"apples": 2}


def test_nested_changes_are_found() -> None:
    """A change inside a value is committed without session.modified = True, which is harmless (promise 3)."""

    def nest() -> str:
        session.setdefault("cart", []).append("apple")
        session.modified = True
        return "nested"

    client = World(nest).browser()
    client.get("/nest")
    client.get("/nest")
    assert client.get("/read").json == {"cart": ["apple", "apple"]}


def test_no_secret_key_is_needed() -> None:
    """Without SECRET_KEY the session is written all the same, where Flask's own raises."""
    world = World()
    assert world.app.secret_key is None
    assert world.browser().get("/put?a=1").status_code == 200


# --- Flask's words


def test_the_words_of_sessions_say_the_truth() -> None:
    """new, modified, accessed and permanent answer as Flask means them."""
    said: list[tuple[bool, ...]] = []

    def words() -> str:
        said.append((session.accessed, session.new, session.modified, session.permanent))
        session["a"] = 1
        said.append((session.accessed, session.new, session.modified, session.permanent))
        return "said"

    client = World(words).browser()
    client.get("/words")
    client.get("/words")
    assert said == [
        (False, True, False, True),
        (True, True, True, True),
        (False, False, False, True),
        (True, False, True, True),
    ]


def test_a_change_is_not_taken_back_in_silence() -> None:
    """session.modified = False would leave somebody believing that nothing is saved; it says what does that."""

    def unmodified() -> str:
        session.modified = False
        return "no"

    world = World(unmodified, config={"TESTING": True})
    with pytest.raises(AttributeError, match="reload"):
        world.browser().get("/unmodified")


@pytest.mark.parametrize(("permanent", "expected"), [(True, True), (False, False)])
def test_permanent_chooses_for_a_sign_in(permanent: bool, expected: bool) -> None:
    """session.permanent before login() chooses whether the cookie survives the browser (ruling 2)."""

    def enter() -> str:
        session.permanent = permanent
        session_of().login("ann")
        return "in"

    client = World(enter).browser()
    assert ("Max-Age" in cookies_of(client.get("/enter"))[0]) is expected


def test_permanent_before_every_request_costs_nothing() -> None:
    """The common before_request line asks no store, adds no Vary and writes no cookie (promise 6, K-5)."""
    world = World(policy=Policy(sweep_every=None))

    @world.app.before_request
    def always() -> None:
        session.permanent = True

    client = world.browser()
    client.get("/put?a=1")
    world.store.calls.clear()
    answer = client.get("/plain")
    assert ("vary" in answer.headers, world.store.calls) == (False, [])


def test_permanent_does_not_overrule_the_policy() -> None:
    """A policy whose cookies end with the browser says so to session.permanent = True."""

    def enter() -> str:
        session.permanent = True
        return "no"

    world = World(enter, policy=Policy.sensitive(), config={"TESTING": True})
    with pytest.raises(ConfigurationError, match="contradicts the policy"):
        world.browser().get("/enter")


def test_clear_ends_the_session() -> None:
    """session.clear() ends the session on the server and deletes its cookie; a copy opens nothing (promise 2)."""
    world = World(login, clear, me)
    client = world.browser()
    client.get("/login?user=ann")
    copy = token_of(client)
    assert "Max-Age=0" in cookies_of(client.get("/clear"))[0]
    assert world.sessions.list("ann") == []
    stranger = world.browser()
    stranger.set_cookie("session", copy)
    assert stranger.get("/me").status_code == 401


def test_what_is_written_after_clear_is_another_session() -> None:
    """session.clear() and then a write, as sign-ins by hand do, leaves a planted ticket nothing to open (promise 5)."""
    world = World(clear)
    client = world.browser()
    client.get("/put?a=1")
    planted = token_of(client)
    client.get("/clear?then=1")
    assert client.get("/read").json == {"then": True}
    stranger = world.browser()
    stranger.set_cookie("session", planted)
    assert stranger.get("/read").json == {}


def test_templates_see_the_keys_first() -> None:
    """{{ session.user }} is the key "user" where there is one, as ever; Flask's own attributes and verbs stay."""
    page = "{{ session.user }}|{{ session.user_id }}|{{ session.get('id') }}|{{ session['new'] }}|{{ session.new }}"

    def show() -> str:
        if "key" in flask.request.args:
            session.update(user="a key", id="another", new="a word of Flask's")
        else:
            session_of().login("ann")
        return render_template_string(page + "|{{ session|length }}|{{ 'user' in session }}|{{ session.absent }}")

    def macro() -> str:
        return render_template_string("{% for key, value in session.items() %}{{ key }}={{ value }}{% endfor %}")

    world = World(show, macro)
    client = world.browser()
    assert client.get("/show?key=1").text == "a key|None|another|a word of Flask&#39;s|True|3|True|"
    assert client.get("/show").text.startswith("a key|ann|another")
    other = world.browser()
    other.get("/put?a=1")
    assert other.get("/macro").text == "a=1"
    with world.app.app_context():
        assert render_template_string("{{ 1 + 1 }}") == "2"


def test_flashed_messages_come_back_as_they_were() -> None:
    """flash() works with categories, and with markup, which comes back as markup and text as text."""

    def say() -> str:
        flash("<plain>", "note")
        flash(Markup("<b>bold</b>"))
        return "said"

    def hear() -> str:
        return render_template_string(
            "{% for kind, text in get_flashed_messages(with_categories=true) %}{{ kind }}:{{ text }};{% endfor %}"
        )

    def twice() -> Any:
        flash(Markup("<i>"))
        session["_flashes"] = session["_flashes"]
        return repr(get_flashed_messages())

    client = World(say, hear, twice).browser()
    client.get("/say")
    assert client.get("/hear").text == "note:&lt;plain&gt;;message:<b>bold</b>;"
    assert client.get("/hear").text == ""
    assert client.get("/twice").text == "[Markup('<i>')]"


# --- guards and verbs


def test_a_guard_answers_whoever_is_not_signed_in() -> None:
    """signed_in and user_of are 401 for programs and a redirect for pages, below a route or a blueprint (ruling 18)."""
    world = World(login, me, sign_in_url="/sign-in")
    part = flask.Blueprint("part", __name__, url_prefix="/part")
    part.before_request(signed_in(lambda: None))
    part.add_url_rule("/", view_func=read, endpoint="read")
    world.app.register_blueprint(part)

    client = world.browser()
    for path in ("/me", "/part/"):
        assert client.get(path).status_code == 401
        page = client.get(path, headers={"accept": "text/html"})
        assert (page.status_code, page.location) == (303, f"/sign-in?next={path}")
    client.get("/login?user=ann")
    assert client.get("/me").json == ["user"]
    assert client.get("/part/").status_code == 200


def test_sign_in_changes_the_ticket_and_keeps_the_cart() -> None:
    """login() gives a new id and carries what the visitor had; the old ticket opens nothing (promise 5, S-46)."""
    world = World(login)
    client = world.browser()
    client.get("/put?cart=apples")
    planted = token_of(client)
    client.get("/login?user=ann")
    assert client.get("/read").json == {"cart": "apples"}
    assert token_of(client) != planted
    stranger = world.browser()
    stranger.set_cookie("session", planted)
    assert stranger.get("/read").json == {}


def test_an_epoch_from_before_is_refused() -> None:
    """A sign-in that was checked before everything was signed out is answered 401 (promise 2, ruling 1)."""
    world: World

    def slow() -> str:
        epoch = world.sessions.epoch("ann")
        world.sessions.revoke_user("ann")
        session_of().login("ann", epoch=epoch)
        return "in"

    world = World(slow)
    answer = world.browser().get("/slow")
    assert (answer.status_code, (answer.json or {})["code"]) == (401, "stale_login")


def test_the_extension_is_usable_without_an_application_at_first() -> None:
    """Coatcheck(sessions=...) and init_app later serve several applications from one manager."""
    from coatcheck.web.flask import Coatcheck

    extension = Coatcheck(sessions=Sessions("memory://"))
    tokens = []
    for _ in range(2):
        app = flask.Flask(__name__)
        extension.init_app(app)
        app.add_url_rule("/", view_func=lambda: session.setdefault("a", 1) and "x")
        client = app.test_client()
        assert client.get("/").text == "x"
        tokens.append(token_of(client))
    assert len({*tokens}) == 2
    assert extension.sessions.count() == 2
