"""``Authorization: Bearer`` where the application blocks: the same rules through the same doors."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from coatcheck.web.csrf import Csrf
from tests.web._entering import HERE, Site, set_cookies

OTHER_SITE = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}


def site_of(**options: Any) -> Site:
    """Build a WSGI site with tokens switched on."""
    return Site("wsgi", entering=None, bearer=True, **options)


def bearing(token: str) -> dict[str, str]:
    """Return the header with a token."""
    return {"authorization": f"Bearer {token}"}


def test_a_token_identifies_a_request() -> None:
    """S-12: loaded at the first use, private, without a cookie; the list shows carrier and label."""
    site = site_of()
    made, browser = site.sessions.issue("ada", label="backup"), site.browser()
    answer = browser.get("/me", headers=bearing(made.token))
    assert (answer.json(), answer.headers["vary"], set_cookies(answer)) == ({"id": "ada"}, "Authorization", {})
    assert answer.headers["cache-control"] == "no-store, private"
    (info,) = site.sessions.list("ada")
    assert (info.carrier, info.label) == ("bearer", "backup")


def test_the_bearer_alone_decides() -> None:
    """10.1: a dead token beside a live cookie is nobody, with a challenge; other sites gain nothing by adding one."""
    site = site_of(csrf=Csrf(token="always"))
    browser = site.browser()
    browser.headers["cookie"] = f"session={site.session('bob')[1]['session']}"
    answer = browser.get("/me", headers=bearing("dead"))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert browser.post("/set?a=1", headers=OTHER_SITE | bearing("dead")).status_code == 401
    assert browser.post("/login?user=eve", headers=OTHER_SITE | bearing("dead")).status_code == 400
    assert browser.post("/set?a=1", headers=OTHER_SITE).status_code == 403
    assert browser.get("/read").json() == {"data": {}, "user": "bob"}
    token = site.sessions.issue("ada").token
    assert browser.post("/set?a=1", headers=OTHER_SITE | bearing(token)).status_code == 200


@pytest.mark.parametrize("value", ["Bearer x, Bearer y", "Bearer", "bearer\tx"])
def test_what_a_server_joined_is_nobody(value: str) -> None:
    """W-4: WSGI has one text for a header that was sent twice; whatever says Bearer in it leaves the cookie out."""
    site = site_of()
    browser = site.browser()
    browser.headers["cookie"] = f"session={site.session('bob')[1]['session']}"
    assert browser.get("/read", headers={"authorization": value}).json()["user"] is None
    assert browser.get("/read", headers={"authorization": "Basic YTpi"}).json()["user"] == "bob"


def test_threads_share_a_token(tmp_path: Path) -> None:
    """Promise 2: twenty threads work with one token, and are all refused once it is revoked."""
    site = site_of(store=f"sqlite:///{tmp_path}/s.db")
    made = site.sessions.issue("ada")

    def ask(_: int) -> int:
        return site.browser().get("/me", headers=bearing(made.token) | HERE).status_code

    with ThreadPoolExecutor(20) as pool:
        assert Counter(pool.map(ask, range(20))) == {200: 20}
        site.sessions.revoke(made.session.id)
        assert Counter(pool.map(ask, range(20))) == {401: 20}
    site.sessions.close()
