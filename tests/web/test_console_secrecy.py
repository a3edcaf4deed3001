"""What the console's pages never show: markup of others, secrets, application data."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from coatcheck.errors import StoreUnavailable
from coatcheck.web.console.seeking import WHOLE_COOKIE
from tests.web._console import Desk

PAGES = ("/", "/live", "/sessions", "/rule", "/policy", "/user?id=ada")


@pytest.fixture(params=["memory", "sqlite"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Serve a console on memory and on SQLite."""
    store = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/console.db"
    with Desk(store).serving() as made:
        yield made


HOSTILE = '"><img src=x onerror=alert(1)>'
HOSTILE_AGENT = "Mozilla/5.0 <script>alert(1)</script> Gecko/20100101 Firefox/153.0"


def test_hostile_names_are_shown_as_text(desk: Desk) -> None:
    """A user id, a role, an address or a browser that is markup comes out escaped on every page (XSS)."""
    wanted = desk.session(HOSTILE, agent=HOSTILE_AGENT, roles=["<svg onload=x>"], address="<b>1.2.3.4")
    paths = ["/", "/sessions", f"/session?id={wanted}", f"/sessions?device={HOSTILE}", f"/sessions?show={HOSTILE}"]
    for path in (*paths, f"/user?id={HOSTILE.replace('<', '%3C')}", f"/?span={HOSTILE}&done={HOSTILE}&n={HOSTILE}"):
        page = desk.get(path).text
        for harm in ("<img src=x", "<script>alert", "<svg onload", "<b>1.2.3.4"):
            assert harm not in page, path
    for fields in ({"user": HOSTILE}, {"role": "<svg onload=x>"}, {"device": HOSTILE}, {"address": HOSTILE}):
        page = desk.post("/rule/preview", fields).text
        assert "<img src=x" not in page
        assert "<svg onload" not in page


def test_no_page_and_no_line_holds_a_secret(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a secret nor a datum is on any page, in any address or any line of the log (promise 7, S-84)."""
    caplog.set_level(logging.DEBUG)
    wanted, secrets = desk.session(), [desk.last_ticket.partition(".")[2]]
    anonymous = desk.session(None)
    secrets.append(desk.last_ticket.partition(".")[2])
    answers = [desk.get(path) for path in (*PAGES, f"/session?id={wanted}", f"/session?id={anonymous}")]
    answers += [desk.post("/revoke", {"id": wanted}), desk.post("/rule/preview", {"who": "anonymous"})]
    told = caplog.text + "".join(answer.text + str(answer.headers) for answer in answers)

    assert all(len(secret) == 43 for secret in secrets)
    assert [secret for secret in secrets if secret in told] == []
    assert "SECRET-DATUM" not in told


@pytest.mark.parametrize("spelled", ["{}", " {} ", "__Host-session={}", "Cookie: session={}; other=1", "{}x"])
def test_a_pasted_cookie_is_refused_and_never_repeated(
    desk: Desk, caplog: pytest.LogCaptureFixture, spelled: str
) -> None:
    """Whoever pastes a whole cookie is told what that was, and it is on no page and in no line (promise 7)."""
    caplog.set_level(logging.DEBUG)
    desk.session()
    pasted, secret = spelled.format(desk.last_ticket), desk.last_ticket.partition(".")[2]
    answers = [
        desk.post("/search", {"q": pasted}), desk.post("/revoke", {"id": pasted}),
        desk.post("/revoke-user", {"id": pasted, "typed": pasted}), desk.post("/rule/preview", {"user": pasted}),
        desk.post("/roles", {"id": "ada", "roles": pasted}), desk.get("/session?id=" + pasted.replace(";", "%3B")),
        desk.get("/sessions?device=" + pasted.replace(";", "%3B")),
    ]  # fmt: skip

    for answer in answers:
        assert answer.status_code == 400
        assert WHOLE_COOKIE in answer.text
        assert secret not in answer.text + str(answer.headers)
    assert secret not in "".join(line for line in caplog.text.splitlines() if "HTTP Request" not in line)
    assert desk.live() == 1


def test_an_outage_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not answer is 503 with Retry-After, without a word of where it is."""

    async def away(*_arguments: object, **_options: object) -> None:
        raise StoreUnavailable("connection to db.internal refused")

    monkeypatch.setattr(desk.sessions.store, "browse", away)
    answer = desk.get("/sessions")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "db.internal" not in answer.text
