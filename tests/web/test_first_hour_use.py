"""The first hour's mistakes of using a session, and the page that quotes every message of the first hour."""

from __future__ import annotations

import asyncio
import enum
import logging
import re
from collections import OrderedDict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import Request
from starlette.testclient import TestClient

from coatcheck.web.fastapi import CurrentSession
from tests.web import _first_hour as says
from tests.web._first_hour import LOCAL, POSSIBLE, Member, memory, shown, site

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "troubleshooting.md"
PLANTED = "session=0" + "A" * 25 + "." + "A" * 43


class Colour(enum.Enum):
    """A choice of the application's own."""

    RED = "red"


# 6. data that cannot be kept

CANNOT = "which a session cannot restore"
MEMBER = "store value.value, and make the member of it again when you read it"
SUBCLASS = "it would come back as a plain dict; store dict(value)"
OBJECT = "store its id or its plain fields, or read the session as a typed object"


def test_an_object() -> None:
    """The key, the type and what is possible are named at the assignment (S-04)."""
    told = f"NotEncodable: {says.NOT_ENCODABLE}\nSee docs/reference/errors.md#not_encodable"
    assert shown(site(sessions=memory()), "/object") == told


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, Member()], f"session['x'][1] has the type Member, {CANNOT}; {OBJECT}. {POSSIBLE}"),
        (Colour.RED, f"session['x'] has the type Colour, {CANNOT}; {MEMBER}. {POSSIBLE}"),
        (OrderedDict(a=1), f"session['x'] has the type OrderedDict, {CANNOT}; {SUBCLASS}. {POSSIBLE}"),
        (2**64, "session['x'] is an integer of more than 64 bits; store it as text: str(value)"),
        (
            {(1, 2): "a"},
            "session['x'] has a key of type tuple; keys inside values must be str, or int of up to 64 bits",
        ),
    ],
    ids=["inside a list", "enum", "subclass", "large", "key"],
)
@pytest.mark.parametrize("later", [False, True], ids=["assigned", "put inside"])
def test_data_that_cannot_be_kept(value: Any, message: str, *, later: bool) -> None:
    """The place, the type and what to write are named, also where the value was put inside another (S-04)."""
    app = site(sessions=memory())

    @app.get("/put")
    async def put(session: CurrentSession) -> None:
        session["x"] = [] if later else value
        if later:
            session["x"].append(value)

    message = message.replace("session['x']", "session['x'][0]") if later else message
    assert shown(app, "/put") == f"NotEncodable: {message}\nSee docs/reference/errors.md#not_encodable"


def test_what_the_message_calls_possible_is_possible() -> None:
    """Each type that the message lists comes back equal, and the list leaves none of them out."""
    now = datetime.now(UTC)
    kept = [None, True, 1, 1.5, "a", b"b", now, date(2026, 1, 1), time(1, 2), timedelta(3), Decimal("1.5"), UUID(int=7)]
    values: list[Any] = [*kept, kept, tuple(kept), {1, 2}, frozenset({3}), {"a": kept}]
    named = re.findall(r"\w+", POSSIBLE.removeprefix("Possible are ").removesuffix(" of them").replace(" and ", " "))
    assert [type(value).__name__.removesuffix("Type") for value in values] == named

    async def story() -> list[Any]:
        sessions = memory()
        session = await sessions.load(None)
        session["values"] = values
        found: list[Any] = (await sessions.load((await sessions.save(session)).token))["values"]
        return found

    assert asyncio.run(story()) == values


def test_a_value_changed_in_place_is_kept() -> None:
    """``session["cart"].append(x)`` is no mistake here: the change is found and committed."""
    app = site(sessions=memory())

    @app.get("/add")
    async def add(session: CurrentSession) -> list[str]:
        cart: list[str] = session.setdefault("cart", [])
        cart.append("apples")
        return cart

    client = TestClient(app, base_url=LOCAL, headers={"origin": LOCAL})
    assert [len(client.get("/add").json()) for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("way", ["request", "scope"])
def test_a_dict_in_the_sessions_place(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """``request.session = {}`` is Python's error; the same in the scope is told in the log, for nothing is kept."""
    app = site(sessions=memory())

    @app.get("/new")
    async def new(request: Request) -> None:
        if way == "request":
            request.session = {}  # type: ignore[misc]
        request.scope["session"] = {}

    if way == "request":
        assert shown(app, "/new") == "AttributeError: property 'session' of 'Request' object has no setter"
        return
    with caplog.at_level(logging.WARNING, "coatcheck"):
        assert TestClient(app, base_url=LOCAL, headers={"origin": LOCAL}).get("/new").status_code == 200
    assert [record.getMessage() for record in caplog.records] == [
        says.INSIDE.replace("starlette.middleware.sessions.Session into", "dict into", 1)
    ]


# 8. plain http


def test_plain_http_off_localhost() -> None:
    """A session over plain http to another machine is refused with the remedies, in the terminal and in the browser."""
    app = site(sessions=memory())
    told = f"InsecureTransport: {says.INSECURE}\nSee docs/reference/errors.md#insecure_transport"
    assert shown(app, base="http://shop.example") == told
    client = TestClient(app, base_url="http://shop.example", raise_server_exceptions=False)
    assert client.get("/typed").json()["detail"] == says.INSECURE


# 10. access without loading


def test_access_without_loading() -> None:
    """With ``load="on_demand"`` a look at an unloaded session names the line that loads it (ruling 7)."""
    app = site(sessions=memory(), load="on_demand")
    told = f"NotLoaded: {says.NOT_LOADED}\nSee docs/reference/errors.md#not_loaded"
    assert shown(app, "/mapping", cookie=PLANTED) == told


# the page


@pytest.mark.parametrize(
    "name",
    sorted(name for name, value in vars(says).items() if name.isupper() and name != "LOCAL" and isinstance(value, str)),
)
def test_the_page_quotes_the_message(name: str) -> None:
    """Whoever searches the documentation for a message of the first hour finds it on one page, with the fix."""
    page = " ".join(PAGE.read_text().split())
    assert " ".join(str(getattr(says, name)).split()) in page


def test_the_page_quotes_a_forgotten_await() -> None:
    """The message of a forgotten await is there as it is made."""

    async def forget(session: CurrentSession) -> None:
        session.login("ada")  # type: ignore[unused-coroutine]

    app = site(sessions=memory())
    app.get("/forget")(forget)
    said = shown(app, "/forget").removeprefix("NotAwaited: ").partition("\n")[0]
    assert said in " ".join(PAGE.read_text().split())
