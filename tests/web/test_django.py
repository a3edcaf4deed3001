"""``request.session`` in Django: its API on a coatcheck session, and the promises kept underneath."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any

import pytest

from coatcheck.errors import StoreUnavailable
from coatcheck.testing import CapturedEvents
from tests.web._django import Browser, Group, Question, get_sessions, live, new_user
from tests.web.django_project import views


@pytest.fixture
def events() -> Generator[CapturedEvents]:
    """Return what the manager tells during the test."""
    captured = CapturedEvents()
    listeners = get_sessions()._core.listeners
    listeners.append(captured)
    yield captured
    listeners.remove(captured)


@pytest.fixture(autouse=True)
def _no_hooks() -> Generator[None]:
    yield
    views.hooks.clear()


def signed_in(**options: Any) -> tuple[Browser, Any]:
    """Return a browser and the user who is signed in there."""
    browser, user = Browser(**options), new_user()
    assert browser.sign_in(user).status_code == 302
    return browser, user


# --- signing in and out


def test_signing_in_links_the_user() -> None:
    """Ruling 13: Django's own sign-in makes a coatcheck session of the user, with their roles, and no other words."""
    browser, user = signed_in()

    seen = browser.get("/mine/").json()

    assert seen["django"] == user.get_username()
    assert (seen["user_id"], seen["roles"]) == (str(user.pk), ["user"])
    assert [info.id for info in live(user)] == [seen["id"]]


def test_a_planted_ticket_opens_nothing() -> None:
    """Promise 5: signing in gives a new id and a new secret, and keeps what the visitor had stored."""
    browser, user = Browser(), new_user()
    browser.act("set", key="cart", value='["tea"]')
    before = browser.ticket
    assert before is not None

    browser.sign_in(user)

    assert browser.ticket is not None
    assert browser.ticket.partition(".")[0] != before.partition(".")[0]
    assert browser.act("get", key="cart") == ["tea"]
    thief = Browser()
    thief.ticket = before
    assert thief.act("get", key="cart") is None


def test_an_invented_key_is_not_adopted() -> None:
    """Promise 1: neither a made-up key nor a public id opens or makes a session."""
    browser, user = signed_in()
    public = browser.act("key")
    for invented in ("attackerchosenkey0123456789abcd", public, f"{public}.{'A' * 43}"):
        other = Browser()
        other.ticket = invented
        assert other.act("get", key="_auth_user_id") is None
        other.act("set", key="a", value="1")
        assert other.ticket != invented
    assert len(live(user)) == 1


def test_the_key_of_a_request_is_no_secret() -> None:
    """Promise 7: what ``request.session.session_key`` says may be logged; the cookie's secret is nowhere in it."""
    browser, _ = signed_in()
    assert browser.ticket is not None

    key = browser.act("key")

    assert key == browser.ticket.partition(".")[0]
    assert browser.ticket.partition(".")[2] not in key


def test_signing_out_ends_the_session() -> None:
    """Promise 2: Django's ``logout`` ends the session on the server and deletes the cookie."""
    browser, user = signed_in()
    held = browser.ticket
    assert held is not None

    response = browser.post("/accounts/logout/")

    assert response.cookies["sessionid"]["max-age"] == "0"
    assert live(user) == []
    browser.ticket = held
    assert browser.get("/mine/").status_code == 302


def test_another_users_session_is_not_taken_over() -> None:
    """Ruling 1: signing in as somebody else ends the first user's session and carries nothing over."""
    browser, first = signed_in()
    browser.act("set", key="note", value='"first"')
    second = new_user()

    browser.sign_in(second)

    assert browser.act("get", key="note") is None
    assert (live(first), len(live(second))) == ([], 1)


def test_a_revoked_session_is_signed_out_in_the_next_request() -> None:
    """Promise 2: ``revoke_user`` signs the user out of Django, on every device."""
    browser, user = signed_in()

    get_sessions().revoke_user(str(user.pk))

    assert browser.get("/mine/").status_code == 302


def test_a_sign_in_that_a_revocation_overtakes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ruling 13: who was signed out everywhere while their password was checked is not signed in by that check."""
    browser, user = Browser(), new_user()

    def overtaken(self: Any, password: str) -> bool:
        # In a thread of its own: another request's, whose epochs are not this one's.
        other = threading.Thread(target=lambda: get_sessions().revoke_user(str(user.pk)))
        other.start()
        other.join()
        return password == "secret"

    monkeypatch.setattr(type(user), "check_password", overtaken)
    response = browser.sign_in(user)

    assert (response.status_code, response.headers["content-type"]) == (401, "application/problem+json")
    assert live(user) == []
    assert browser.get("/mine/").status_code == 302


def test_a_request_may_revoke_and_sign_in_again() -> None:
    """Ruling 13: a request that signs its user out everywhere itself may sign them in afterwards."""
    browser, user = signed_in()

    browser.act("again", user=user.get_username())

    assert len(live(user)) == 1
    assert browser.get("/mine/").status_code == 200


def test_a_refused_sign_in_leaves_nobody_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 4: a view that catches the refusal goes on as nobody, and Django's own keys are not kept either."""
    browser, user = Browser(), new_user()
    sessions = get_sessions()
    monkeypatch.setattr(sessions._core, "policy", sessions.policy.adjusted(max_sessions=1, at_limit="reject"))
    Browser().sign_in(user)

    said = browser.act("caught", user=user.get_username())

    assert said == "SessionLimitReached False"
    assert browser.get("/mine/").status_code == 302
    assert len(live(user)) == 1


def test_a_sign_in_without_a_signal_is_linked_too() -> None:
    """Promise 2: whoever Django takes for signed in has a session of theirs, which signing out everywhere reaches."""
    browser, user = Browser(), new_user()
    browser.act("forge", user=user.get_username())
    assert browser.get("/mine/").json()["user_id"] == str(user.pk)

    get_sessions().revoke_user(str(user.pk))

    assert browser.get("/mine/").status_code == 302


def test_changing_the_password_keeps_this_session_only() -> None:
    """ASVS 7.4.3: the browser that changed the password stays, with a new secret; every other one is signed out."""
    browser, user = signed_in()
    other = Browser()
    other.sign_in(user)
    before = browser.ticket

    browser.act("password", to="another")

    assert browser.ticket != before
    assert browser.get("/mine/").status_code == 200
    assert other.get("/mine/").status_code == 302
    assert len(live(user)) == 1


def test_djangos_own_hash_still_decides() -> None:
    """Django's session hash: a password that was changed elsewhere, or a user who was switched off, is signed out."""
    browser, user = signed_in()
    user.set_password("another")
    user.save()
    assert browser.get("/mine/").status_code == 302
    assert live(user) == []

    browser.sign_in(user, "another")
    user.is_active = False
    user.save()
    assert browser.get("/mine/").status_code == 302


def test_roles_are_groups_and_flags() -> None:
    """ROLES: by default the groups' names and the two flags; no group can lend the name of a flag."""
    user = new_user(staff=True)
    user.groups.add(*(Group.objects.get_or_create(name=name)[0] for name in ("editors", "superuser")))
    browser = Browser()

    browser.sign_in(user)

    assert browser.get("/mine/").json()["roles"] == ["editors", "staff", "user"]


# --- data


def test_reading_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 6, K-2: a page that does not look asks nobody and is the same for all; a look varies by Cookie."""
    browser, _ = signed_in()
    store: Any = get_sessions().store
    asked: list[Any] = []
    find = store.find

    def seen(ids: Any) -> Any:
        asked.append(ids)
        return find(ids)

    monkeypatch.setattr(store, "find", seen)
    page = browser.get("/")
    assert (asked, "Vary" in page.headers, page.cookies) == ([], False, {})

    response = browser.post("/act/?do=get&key=a")

    assert len(asked) == 1
    assert response.headers["Vary"] == "Cookie"
    assert "sessionid" not in response.cookies


def test_a_visitor_who_stores_nothing_makes_no_row(events: CapturedEvents) -> None:
    """Promise 6: looking makes no session and no cookie; the first value does, and that answer is kept by no cache."""
    browser = Browser()
    browser.act("get", key="a")
    assert (browser.ticket, events.names) == (None, [])

    response = browser.post("/act/?do=set&key=a&value=1")

    assert response.headers["Cache-Control"] == "no-store, private"
    assert events.names == ["session.created"]


def test_two_requests_keep_both_their_keys() -> None:
    """Promise 3: two requests that overlap and change different keys both win."""
    browser, _ = signed_in()
    other = Browser()
    other.ticket = browser.ticket or ""
    views.hooks["during"] = lambda request: other.act("set", key="other", value='"kept"')

    browser.act("during")

    assert browser.act("get", key="other") == "kept"
    assert browser.act("get", key="seen") == 1


def test_a_concurrent_sign_out_is_no_400() -> None:
    """Ruling 4: a request whose session ends meanwhile is answered 401 and saves nothing; the session stays dead."""
    browser, user = signed_in()
    other = Browser()
    other.ticket = browser.ticket or ""
    views.hooks["during"] = lambda request: other.post("/accounts/logout/")

    response = browser.act("during")

    assert response.status_code == 401
    assert response.json()["code"] == "session_gone"
    assert "sessionid" not in response.cookies
    assert live(user) == []
    assert browser.get("/mine/").status_code == 302


def test_a_concurrent_sign_out_lets_readers_finish() -> None:
    """Ruling 4: a request that only read is answered as if nothing had happened, and brings nothing back."""
    browser, user = signed_in()
    held = browser.ticket or ""
    seen: list[int] = []
    barrier = threading.Barrier(2, timeout=20)

    def hold(request: Any) -> None:
        barrier.wait()
        barrier.wait()

    views.hooks["during"] = hold
    reader = threading.Thread(target=lambda: seen.append(browser.post("/act/?do=look").status_code))
    reader.start()
    barrier.wait()
    other = Browser()
    other.ticket = held
    other.post("/accounts/logout/")
    barrier.wait()
    reader.join()

    assert seen == [200]
    assert live(user) == []


def test_an_error_drops_changes() -> None:
    """DESIGN, rulings: a view that fails, and an answer of 500, drop the changes; a 404 keeps them."""
    browser, _ = signed_in()

    assert browser.act("fail").status_code == 500
    assert not Question.objects.filter(text="rolled back").exists()
    browser.act("http500", key="a", value="1")
    browser.act("http404", key="b", value="2")

    assert {"a", "b", "kept"} & browser.act("all").keys() == {"b"}


def test_what_a_guard_raises_is_an_answer() -> None:
    """DESIGN, rulings: coatcheck's errors in a view are its answers; what was changed before a guard is kept."""
    browser = Browser()

    response = browser.act("required", key="a", value="1")

    assert response.status_code == 401
    assert response.json()["reason"] == "none"
    assert browser.act("get", key="a") == 1


def test_a_mistake_is_djangos_to_show() -> None:
    """G-18: a value that cannot be kept is the application's mistake: a 500 of Django's, and the session goes on."""
    browser, _ = signed_in()
    browser.act("set", key="box", value="[]")

    response = browser.act("nested")

    assert response.status_code == 500
    assert browser.act("get", key="box") == []


@pytest.mark.parametrize("path", ["/act/?do=get&key=a", "/mine/?look-first=1", "/mine/"])
def test_an_outage_is_loud(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise 9: a store that does not answer is 503 wherever the look was, and the cookie is kept."""
    browser, _ = signed_in()

    def down(ids: Any) -> Any:
        raise StoreUnavailable("the store is down")

    with monkeypatch.context() as patch:
        patch.setattr(get_sessions().store, "find", down)
        response = browser.get(path)

    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert "sessionid" not in response.cookies
    assert browser.get("/mine/").status_code == 200


def test_values_keep_their_types_or_become_what_json_makes_of_them() -> None:
    """Django's API: a subclass that JSON takes for its base is taken so too; what neither can keep is refused."""
    from django.db.models import TextChoices
    from django.utils.safestring import mark_safe

    from coatcheck.errors import NotEncodable
    from coatcheck.web.django.sessions import SessionStore

    class Size(TextChoices):
        """A choice, as models have them."""

        SMALL = "s"

    session = SessionStore()
    session["a"], session["b"], session["c"] = Size.SMALL, mark_safe("x"), (1, {2: 3})
    session.save()

    again = SessionStore(session.session_key)
    assert [again["a"], again["b"], again["c"]] == ["s", "x", (1, {2: 3})]
    with pytest.raises(NotEncodable):
        session["d"] = object()


def test_keys_become_what_json_makes_of_them() -> None:
    """Django's API: its documentation calls text for keys a convention, no rule, and JSON makes text of the others."""
    from django.db.models import TextChoices

    from coatcheck.web.django.sessions import SessionStore

    class Key(TextChoices):
        """Keys with names, as applications keep them."""

        CART = "cart"

    session: Any = SessionStore()
    session[Key.CART], session[5], session[True] = 1, 2, 3
    session.save()

    again: Any = SessionStore(session.session_key)
    assert sorted(again.keys()) == ["5", "cart", "true"]
    assert (again[Key.CART], 5 in again, again.pop(5), 5 in again, ("a", "b") in again) == (1, True, 2, False, False)
    with pytest.raises(TypeError):
        session["a", "b"] = 1


def test_a_stream_keeps_what_was_stored_before_it() -> None:
    """Promise 13: a streamed answer passes untouched, and what was stored before its first byte is there."""
    browser = Browser()

    response = browser.post("/act/?do=stream")

    assert b"".join(response.streaming_content) == b"ab"
    assert browser.act("get", key="streamed") is True


def test_create_gives_a_visitor_a_session() -> None:
    """Django's API: ``create`` gives a key at once, as code that keeps carts by session key expects."""
    browser = Browser()

    key = browser.act("create")

    assert key == browser.act("key")
    assert get_sessions().get(key) is not None


def test_cycle_key_gives_a_new_secret_and_flush_ends() -> None:
    """Promise 5: ``cycle_key`` kills the old secret at once and keeps the data; ``flush`` ends the session."""
    browser, user = signed_in()
    browser.act("set", key="a", value="1")
    before = browser.ticket or ""

    browser.act("cycle")

    assert browser.ticket != before
    assert browser.act("get", key="a") == 1
    old = Browser()
    old.ticket = before
    assert old.act("get", key="a") is None
    browser.act("flush")
    assert live(user) == []


def test_the_name_on_https_binds_to_the_host() -> None:
    """Promise 10: on https the cookie is ``__Host-`` and Secure; Django's error mails never see it."""
    browser, _ = signed_in(secure=True)

    cookie = browser.client.cookies["__Host-sessionid"]

    assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["samesite"]) == (True, True, "/", "Lax")
    assert browser.act("cookies") == ["csrftoken"]


def test_plain_http_from_elsewhere_is_refused() -> None:
    """Ruling 6: a session never travels over plain http from a host that is not local."""
    browser, user = Browser(), new_user()

    response = browser.post(
        "/accounts/login/", {"username": user.get_username(), "password": "secret"}, HTTP_HOST="example.com"
    )

    assert response.status_code == 500
    assert live(user) == []
