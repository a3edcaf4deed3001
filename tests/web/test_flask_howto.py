"""Applications of the tutorials' shape run with the changes that docs/howto/flask.md names, and nothing else."""

from __future__ import annotations

import importlib
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

APPS = Path(__file__).parent / "apps"
PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "flask.md").read_text()
_CHANGES = re.compile(r"<!-- changes: (?P<file>\S+) -->\n```diff\n(?P<text>.*?)```", re.DOTALL)


def changes(file: str) -> list[str]:
    """Return the page's changes to a file."""
    return [found["text"] for found in _CHANGES.finditer(PAGE) if found["file"] == file]


def changed(source: str, diff: str) -> str:
    """Return *source* with one change made; every line that it names must be there, once."""
    lines = [line or " " for line in diff.splitlines()]
    before = "".join(line[1:] + "\n" for line in lines if line[0] in " -")
    after = "".join(line[1:] + "\n" for line in lines if line[0] in " +")
    assert source.count(before) == 1, f"the page changes what is not there:\n{before}"
    return source.replace(before, after)


class Copy:
    """The applications in a folder of their own, where they can be imported."""

    def __init__(self, folder: Path, *, follow: bool) -> None:
        """Copy them, with the page's changes if *follow*."""
        shutil.copytree(APPS, folder, dirs_exist_ok=True)
        for path in [*folder.rglob("*.py")] if follow else []:
            text = path.read_text()
            for diff in changes(str(path.relative_to(folder))):
                text = changed(text, diff)
            path.write_text(text)


@pytest.fixture(params=["before", "after"])
def apps(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make the applications importable, as they were or as the page changes them; gives which of both."""
    Copy(tmp_path / "apps", follow=request.param == "after")
    monkeypatch.setenv("COATCHECK_STORE", "memory://")
    monkeypatch.syspath_prepend(str(tmp_path / "apps"))
    known = set(sys.modules)
    yield request.param
    for name in set(sys.modules) - known:
        if name.partition(".")[0] in ("account", "blog"):
            del sys.modules[name]


def signed_up(app: Flask, name: str) -> FlaskClient:
    """Open a browser, make an account and sign in."""
    client = app.test_client()
    form = {"username": name, "password": "correct horse"}
    assert client.post("/auth/register", data=form).location == "/auth/login"
    assert "taken" in client.post("/auth/register", data=form).text
    assert "Wrong" in client.post("/auth/login", data={**form, "password": "no"}).text
    assert client.post("/auth/login", data=form).location == "/"
    return client


def test_the_blog_runs(apps: str, tmp_path: Path) -> None:
    """Accounts, posts and their owners work before and after the page's changes (issue 5: it is done when)."""
    app: Flask = importlib.import_module("blog").create_app({"DATABASE": str(tmp_path / "blog.db")})
    ann, bob = signed_up(app, "ann"), signed_up(app, "bob")
    assert "Hello ann" in ann.get("/").text
    assert ann.post("/create", data={"title": "First"}).location == "/"
    assert bob.post("/1/update", data={"title": "Mine"}).status_code == 403
    assert ann.post("/1/update", data={"title": "Second"}).status_code == 302
    assert bob.post("/9/update", data={"title": "x"}).status_code == 404
    assert "Second by ann" in app.test_client().get("/").text
    ann.get("/auth/logout")
    assert "Hello stranger" in ann.get("/").text
    assert ann.post("/create", data={"title": "x"}).location == "/auth/login"
    assert (app.extensions.get("coatcheck") is not None) is (apps == "after")


def test_the_blogs_sessions_belong_to_their_users(apps: str, tmp_path: Path) -> None:
    """After the changes a user's sessions are listed and revoked; a copied ticket is dead after signing out."""
    if apps == "before":
        return
    blog: Any = importlib.import_module("blog")
    app: Flask = blog.create_app({"DATABASE": str(tmp_path / "blog.db")})
    ann = signed_up(app, "ann")
    assert len(blog.sessions.list("1")) == 1
    blog.sessions.revoke_user("1")
    assert "Hello stranger" in ann.get("/").text


def test_the_account_runs(apps: str) -> None:
    """The quick start's shape works before and after; the form, the key of a program, remembering, signing out."""
    app: Flask = importlib.import_module("account").app
    client = app.test_client()
    assert client.get("/protected").status_code == 401
    form = {"email": "ann@shop.example", "password": "correct horse"}
    assert client.post("/login", data={**form, "password": "no"}).status_code == 401
    assert client.post("/login", data=form).location == "/protected"
    assert client.get("/protected").text == "Signed in as ann@shop.example"
    assert app.test_client().get("/protected", headers={"x-api-key": "bob@shop.example"}).status_code == 200
    assert client.get("/logout").text == "Signed out"
    assert client.get("/protected").status_code == 401

    client.post("/login", data={**form, "remember": "on"})
    names = {"session", "remember_token"} if apps == "before" else {"session"}
    assert {name for name in ("session", "remember_token") if client.get_cookie(name)} == names
    if apps == "after":
        (listed,) = app.extensions["coatcheck"].sessions.list("ann@shop.example")
        assert listed.lifetime == "remember_me"


def test_a_change_that_is_not_there_is_found() -> None:
    """The page cannot name a line that the application does not have, nor one that it has twice."""
    assert changed("a\nb\n", " a\n-b\n+c\n") == "a\nc\n"
    for source in ("a\n", "a\nb\na\nb\n"):
        with pytest.raises(AssertionError, match="not there"):
            changed(source, " a\n-b\n+c\n")
    assert len(_CHANGES.findall(PAGE)) == 6
