"""A page application on a sibling origin, and JSON APIs: what CORS says, what CSRF says, and that they agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import Body, FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.middleware.cors import CORSMiddleware

from coatcheck import AsyncSessions
from coatcheck.web.fastapi import CurrentSession, SessionMiddleware, SignedIn

API, APP, SIBLING = "https://api.shop.example", "https://app.shop.example", "https://blog.shop.example"
TRUSTED = [APP]


class Order(BaseModel):
    """What is ordered."""

    thing: str


def application() -> FastAPI:
    """Return an API for a page application of another origin, as the how-to builds it."""
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=AsyncSessions("memory://"), trusted_origins=TRUSTED)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=TRUSTED,
        allow_credentials=True,
        allow_methods=["GET", "POST"],
        allow_headers=["content-type"],
    )

    @app.post("/login")
    async def login(session: CurrentSession) -> None:
        await session.login("ada")

    @app.get("/me")
    async def me(user: SignedIn) -> str:
        return user.id

    @app.post("/orders")
    async def order(order: Order, user: SignedIn) -> str:
        return f"{user.id} ordered {order.thing}"

    @app.post("/loose")
    async def loose(order: Annotated[Any, Body()]) -> str:
        return type(order).__name__

    return app


@pytest.fixture
def browser() -> Iterator[TestClient]:
    """Return a browser that is signed in."""
    with TestClient(application(), base_url=API) as client:
        assert client.post("/login", headers=page(APP)).status_code == 200
        yield client


def page(origin: str) -> dict[str, str]:
    """Return what a browser says of a page's request to the API's sibling."""
    return {"origin": origin, "sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}


def test_the_page_application_acts_for_its_visitor(browser: TestClient) -> None:
    """G-3, G-5: a trusted sibling's request is served, and its page may read the answer."""
    answer = browser.post("/orders", json={"thing": "lamp"}, headers=page(APP))

    assert answer.json() == "ada ordered lamp"
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-credentials"] == "true"


def test_its_preflight_is_answered_without_a_session(browser: TestClient) -> None:
    """3.5.2: a preflight carries no cookie; CORS answers it before any session is asked for."""
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    answer = TestClient(browser.app, base_url=API).options("/orders", headers={**page(APP), **asked})

    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, APP)
    assert "set-cookie" not in answer.headers
    refused = browser.options("/orders", headers={**page(SIBLING), **asked})
    assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (400, False)


def test_another_sibling_neither_acts_nor_reads(browser: TestClient) -> None:
    """G-3, 3.4.2: a sibling that nobody named is refused although the cookie came along, and may read nothing."""
    assert browser.post("/orders", json={"thing": "lamp"}, headers=page(SIBLING)).status_code == 403
    read = browser.get("/me", headers=page(SIBLING))
    assert "access-control-allow-origin" not in read.headers


def test_a_refusal_can_be_read_by_the_page_application() -> None:
    """3.4.2: 401s pass through CORS, so that the page application can show a sign-in."""
    answer = TestClient(application(), base_url=API).get("/me", headers=page(APP))

    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, APP)


KINDS = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None]


@pytest.mark.parametrize("kind", KINDS)
def test_a_form_in_disguise_is_no_json(browser: TestClient, kind: str | None) -> None:
    """CS-17, 3.5.2: what a page can send without a preflight is not taken for JSON, even from a trusted origin."""
    headers = {**page(APP), **({"content-type": kind} if kind else {})}
    answer = browser.post("/orders", content=b'{"thing": "lamp"}', headers=headers)

    assert answer.status_code == 422


def test_only_models_are_strict(browser: TestClient) -> None:
    """CS-17: an endpoint that takes any body takes a disguised form's text too; the how-to says to declare a model."""
    headers = {**page(APP), "content-type": "text/plain"}

    assert browser.post("/loose", content=b'{"thing": "lamp"}', headers=headers).json() != "dict"
    assert browser.post("/loose", content=b'{"thing": "lamp"}', headers=page(SIBLING)).status_code == 403
