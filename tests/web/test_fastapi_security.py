"""FastAPI's security chapter, in its shape, on coatcheck: with the changes that the how-to names and nothing else."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

ROOT = Path(__file__).resolve().parents[2]
BEFORE = Path(__file__).with_name("apps") / "fastapi_security.py"
HOW_TO = ROOT / "docs" / "howto" / "fastapi-security.md"
ADA = {"username": "ada", "password": "one"}


def changed(source: str, page: str) -> str:
    """Return *source* with the page's changes, each of which has one place."""
    for block in re.findall(r"```diff\n(.*?)```", page, re.DOTALL):
        lines = block.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if not line.startswith("+"))
        new = "".join(line[1:] for line in lines if not line.startswith("-"))
        assert source.count(old) == 1, f"the application has no such place:\n{old}"
        source = source.replace(old, new)
    return source


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """Give the application after the changes."""
    monkeypatch.chdir(tmp_path)
    module = ModuleType("fastapi_security_on_coatcheck")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(changed(BEFORE.read_text(), HOW_TO.read_text()), BEFORE, "exec"), vars(module))  # noqa: S102 - ours
    app: FastAPI = module.app
    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Give a browser."""
    headers = {"origin": "http://localhost:8000"}
    with TestClient(app, base_url="http://localhost:8000", headers=headers) as client:
        yield client


def test_it_works_before() -> None:
    """The application of the chapter's shape works as it is, so that there is something to move."""
    from tests.web.apps.fastapi_security import app

    with TestClient(app) as client:
        token = client.post("/token", data=ADA).json()["access_token"]
        assert client.get("/users/me").status_code == 401
        assert (
            client.get("/users/me", headers={"authorization": f"Bearer {token}"}).json()["email"] == "ada@shop.example"
        )


def test_it_works_on_sessions(client: TestClient) -> None:
    """Signing in by the chapter's form, the current user, and signing out work on a session (issue 5: done when)."""
    assert client.get("/users/me").status_code == 401
    assert client.post("/token", data={**ADA, "password": "wrong"}).status_code == 400
    assert client.post("/token", data=ADA).status_code == 200
    assert client.get("/users/me").json() == {"username": "ada", "email": "ada@shop.example", "disabled": False}
    client.post("/logout")
    assert client.get("/users/me").status_code == 401


def test_the_chapters_own_rules_stay(client: TestClient) -> None:
    """A disabled account is refused by the chapter's own dependency, which the changes do not touch."""
    client.post("/token", data={"username": "bob", "password": "two"})
    assert client.get("/users/me").status_code == 400


def test_a_name_is_no_token_any_more(client: TestClient) -> None:
    """What the chapter's stand-in accepted, a name as bearer token, opens nothing (promise 1)."""
    assert client.get("/users/me", headers={"authorization": "Bearer ada"}).status_code == 401


def test_the_document_names_the_cookie(client: TestClient) -> None:
    """The OpenAPI document says that the endpoint is opened by the session's cookie (issue 5, section 1)."""
    document = client.get("/openapi.json").json()
    (scheme,) = document["components"]["securitySchemes"].values()

    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "cookie", "__Host-session")
    assert document["paths"]["/users/me"]["get"]["security"] == [{"session": []}]
