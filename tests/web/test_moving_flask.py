"""Sessions of Flask and of Flask-Session are taken over, with Flask-Login's user; pickle is not read."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

import flask
import flask_session  # type: ignore[import-untyped]  # it has no types
import itsdangerous
import pytest
from flask import Flask
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user  # type: ignore[import-untyped]  # it has no types
from redis import Redis

from coatcheck import ConfigurationError, Policy, Sessions
from coatcheck.moving import FlaskCookies, FlaskSessionRedis, Moving, Source, StarsessionsStore
from coatcheck.testing import CapturedEvents, FrozenClock
from coatcheck.web.flask import Coatcheck
from coatcheck.web.wsgi import SessionMiddleware
from tests.servers.redis import RedisServer

KEY = "the key of the application before"
LOCAL = "http://localhost:8000"
SITE = "https://shop.example"
KINDS = pytest.mark.parametrize("kind", ["cookies", "redis", "redis, signed", "redis, json"])


class Person(UserMixin):  # type: ignore[misc]  # as above
    """A user of Flask-Login."""

    id = "ada"


def sign_in() -> str:
    """Sign in by Flask-Login, and keep what Flask's sessions can."""
    login_user(Person())
    flask.session["cart"] = ["apple", {"pear": 2}]
    flask.session.permanent = True
    return "in"


def read() -> dict[str, Any]:
    """Tell who is signed in, by Flask-Login and by the session."""
    return {"user": current_user.get_id(), "cart": flask.session.get("cart"), "fresh": flask.session.get("_fresh")}


def sign_out() -> str:
    """Sign out."""
    logout_user()
    return "out"


def application(**config: Any) -> Flask:
    """Build the application, without any sessions but Flask's own."""
    app = Flask("shop")
    app.config.update(SECRET_KEY=KEY, **config)
    manager = LoginManager(app)
    manager.user_loader(lambda _: Person())
    for view in (sign_in, read, sign_out):
        app.add_url_rule(f"/{view.__name__}", view_func=view, methods=["GET", "POST"])
    return app


class Move:
    """The application before and after."""

    def __init__(self, kind: str, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
        """Build both on one clock; Redis has its own."""
        self.clock, self.events = FrozenClock(datetime.now(UTC)), CapturedEvents()
        signer: Any = itsdangerous.TimestampSigner
        monkeypatch.setattr(signer, "get_timestamp", lambda _: self.clock.now_ms // 1000)
        signed = kind == "redis, signed"
        stored = {
            "SESSION_TYPE": "redis",
            "SESSION_REDIS": redis,
            "SESSION_USE_SIGNER": signed,
            "SESSION_SERIALIZATION_FORMAT": "json" if kind.endswith("json") else "msgpack",
        }
        self.old = application(**({} if kind == "cookies" else stored))
        if kind != "cookies":
            flask_session.Session(self.old)
        self.app = application()
        source: Source = FlaskCookies(self.app)
        if kind != "cookies":
            source = FlaskSessionRedis(redis, secret_key=KEY if signed else None)
        self.sessions = Sessions("memory://", clock=self.clock, listeners=[self.events], policy=Policy(keep_ended="1s"))
        Coatcheck(self.app, sessions=self.sessions, moving=Moving(source, "2099-12-31"))

    def credential(self) -> str:
        """Sign in before, and return the cookie."""
        client = self.old.test_client()
        client.post("/sign_in", base_url=LOCAL)
        held = client.get_cookie("session", domain="localhost")
        assert held is not None
        return held.value

    def browser(self, credential: str, base: str = SITE) -> Any:
        """Open a browser at the application after."""
        client: Any = self.app.test_client()
        client.set_cookie("session", credential, domain=base.partition("//")[2].partition(":")[0])
        return client


@pytest.fixture
def redis(redis_server: RedisServer) -> Any:
    """Give an empty database."""
    client = Redis.from_url(redis_server.url_of(database=7))
    client.flushdb()
    yield client
    client.close()


@KINDS
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("base", [SITE, LOCAL])
def test_who_was_signed_in_still_is(kind: str, base: str, redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 5.1: Flask-Login's user stays signed in, the data moves, the old row is gone, and a replay is nobody."""
    move = Move(kind, redis, monkeypatch)
    credential = move.credential()
    assert redis.dbsize() == (0 if kind == "cookies" else 1)
    client = move.browser(credential, base)

    seen = client.get("/read", base_url=base)
    assert seen.json == {"user": "ada", "cart": ["apple", {"pear": 2}], "fresh": True}
    assert len(seen.headers.getlist("Set-Cookie")) == (2 if base == SITE else 1)
    assert redis.dbsize() == 0
    assert client.get("/read", base_url=base).json == seen.json
    (info,) = move.sessions.list("ada")
    assert (info.persistent, "_permanent" in seen.json) == (True, False)

    assert client.post("/sign_out", base_url=base).status_code == 200
    for _ in range(3):
        assert move.browser(credential, base).get("/read", base_url=base).json["user"] is None
        move.clock.advance("1d")
        move.sessions.sweep()


@KINDS
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tabs_get_one_session(kind: str, redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 5.1: whoever brings the credential before the ticket was seen gets the same session."""
    move = Move(kind, redis, monkeypatch)
    credential = move.credential()
    tabs = [move.browser(credential) for _ in range(5)]
    assert {tab.get("/read", base_url=SITE).json["user"] for tab in tabs} == {"ada"}
    assert len({tab.get_cookie("__Host-session", domain="shop.example").value for tab in tabs}) == 1
    assert len(move.sessions.list("ada")) == 1


def test_the_deadline_of_a_cookie(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 5.1: Flask's cookies are good for PERMANENT_SESSION_LIFETIME from when they were signed, and no longer."""
    move = Move("cookies", redis, monkeypatch)
    began, credential = move.clock.now_ms, move.credential()
    move.clock.advance("20d")
    assert move.browser(credential).get("/read", base_url=SITE).json["user"] == "ada"
    (info,) = move.sessions.list("ada")
    assert info.expires_at == (began // 1000 + 31 * 86_400) * 1000


def test_the_deadline_of_a_row(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 5.1: a row of Flask-Session keeps the time that Redis gives it, and one without any is not its."""
    move = Move("redis", redis, monkeypatch)
    credential, lasting = move.credential(), move.credential()
    redis.expire(f"session:{credential}", 600)
    redis.persist(f"session:{lasting}")
    assert move.browser(credential).get("/read", base_url=SITE).json["user"] == "ada"
    (info,) = move.sessions.list("ada")
    assert info.expires_at is not None
    assert info.expires_at <= move.clock.now_ms + 600_000
    assert move.browser(lasting).get("/read", base_url=SITE).json["user"] is None


class Trap:
    """Says when it is unpickled."""

    sprung = False

    def __reduce__(self) -> Any:
        """Spring the trap."""
        return (_spring, ())


def _spring() -> dict[str, str]:
    Trap.sprung = True
    return {"_user_id": "ada"}


@pytest.mark.parametrize("value", [Trap(), {"_user_id": "ada"}])
def test_pickle_is_refused(value: Any, redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2021-33026: what older releases pickled is never loaded; its owner signs in again."""
    move = Move("redis", redis, monkeypatch)
    redis.set("session:" + "a" * 43, pickle.dumps(value), ex=600)
    answer = move.browser("a" * 43).get("/read", base_url=SITE)
    assert (answer.status_code, answer.json["user"], Trap.sprung) == (200, None, False)
    assert [event.details["why"] for event in move.events.only("moving.refused")] == ["unknown"]


def test_what_cannot_work_is_refused() -> None:
    """G-1: every fault of Moving is named at once, when the middleware is built."""

    async def app(*_: Any) -> None: ...

    keyless = Flask("keyless")
    for moving, told in (
        (Moving(FlaskCookies(keyless), "2099-12-31"), ["app.secret_key"]),
        (Moving(FlaskSessionRedis(object()), "someday"), ["until='someday'", "keep pickle"]),  # type: ignore[arg-type]  # on purpose
        (Moving(StarsessionsStore(object(), lifetime=-1), "2099-12-31"), ["store that", "lifetime=-1", "user_of"]),  # type: ignore[arg-type]  # on purpose
        (Moving(object(), "2099-12-31"), ["needs a source"]),  # type: ignore[arg-type]  # on purpose
        ("starlette", ["moving='starlette'"]),
    ):
        with pytest.raises(ConfigurationError) as caught:
            SessionMiddleware(app, sessions=Sessions("memory://"), moving=moving)  # type: ignore[arg-type]  # on purpose
        assert len(caught.value.faults) == len(told)
        assert all(word in fault for word, fault in zip(told, caught.value.faults, strict=True))


def test_a_blocking_application_has_no_event_loop() -> None:
    """Issue 5.1: sources that need an event loop are refused where there is none, and say so."""
    source = StarsessionsStore(_Nothing())
    app: Any = Flask("shop")
    moving = Moving(source, "2099-12-31", user_of=lambda _: None)
    with pytest.raises(ConfigurationError, match="are read in an event loop"):
        SessionMiddleware(app, sessions=Sessions("memory://"), moving=moving)


class _Nothing:
    async def read(self, session_id: str, lifetime: int) -> bytes:
        """Return nothing."""
        return b""

    async def remove(self, session_id: str) -> None:
        """Remove nothing."""
