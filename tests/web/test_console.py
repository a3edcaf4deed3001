"""The console's pages: who may see them, and what they show."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

import coatcheck.web.console as console_package
from coatcheck import AsyncSessions
from coatcheck.errors import ConfigurationError, MissingExtra
from coatcheck.web.console import Console, everybody
from tests.web._console import AGENT, BASE, CHROME, Desk

PAGES = ("/", "/live", "/sessions", "/rule", "/policy", "/user?id=ada")


@pytest.fixture(params=["memory", "sqlite"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Serve a console on memory and on SQLite."""
    store = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/console.db"
    with Desk(store).serving() as made:
        yield made


# --- who may come in


@pytest.mark.parametrize("package", ["starlette", "jinja2"])
def test_without_its_packages_it_names_the_extra(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Where a package of the extra is absent the error says what to install."""
    monkeypatch.setattr(console_package, "find_spec", lambda name: None if name == package else object())

    with pytest.raises(MissingExtra, match=r'pip install "coatcheck\[console\]"'):
        console_package._require_extra()


def test_a_console_without_a_guard_is_refused() -> None:
    """Nobody mounts an unguarded console by accident: the error says the line to write."""
    with pytest.raises(ConfigurationError, match=r"guard=lambda request: .*guard=everybody"):
        Console(AsyncSessions("memory://"))


@pytest.mark.parametrize("verdict", [False, None, "", 0, 1])
def test_the_guard_refuses_every_page(desk: Desk, verdict: Any) -> None:
    """Whom the guard does not let in gets 403 and not a word of anybody's session, on every page and form (S-54)."""
    wanted = desk.session()
    desk.operator = verdict
    for path in (*PAGES, f"/session?id={wanted}", "/nowhere"):
        refused = desk.get(path)
        assert refused.status_code == 403
        assert "This is for operators" in refused.text
        assert "Firefox" not in refused.text
        assert 'aria-label="Main"' not in refused.text
    for path in ("/revoke", "/revoke-user", "/roles", "/rule/preview", "/rule/run", "/revoke-everybody", "/search"):
        assert desk.post(path, {"id": wanted, "typed": "everybody", "q": wanted}).status_code == 403
    assert desk.live() == 1


def test_programs_are_refused_in_their_language(desk: Desk) -> None:
    """A refused program gets problem details and no page (RFC 9457)."""
    desk.operator = None
    refused = desk.get("/", accept="application/json")

    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["status"] == 403


def test_a_guard_may_be_a_coroutine(tmp_path: Path) -> None:
    """The guard may ask a database, and its name for the operator is on the page."""

    async def guard(_request: Any) -> str:
        return "Grace <b>"

    app = Starlette(routes=[Mount("/in/here", Console(AsyncSessions("memory://"), guard=guard, home="/"))])
    with TestClient(app, base_url=BASE, headers={"accept": "text/html"}) as client:
        page = client.get("/in/here/").text

    assert "You act as Grace &lt;b&gt;" in page
    assert 'href="/">Back to the application' in page


def test_files_ask_no_guard(desk: Desk) -> None:
    """The stylesheets and the script belong to nobody and may be kept for a year under their fingerprint (K-5)."""
    page = desk.get("/").text
    links = re.findall(r'(?:href|src)="(\./static/[^"]+)"', page)
    desk.asked.clear()

    assert len(links) == 4
    for link in links:
        file = desk.get(link[1:])
        assert file.status_code == 200
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert desk.asked == []


@pytest.mark.parametrize("at", ["", "/operator", "/a/b"])
def test_it_works_wherever_it_is_mounted(at: str) -> None:
    """Every link of every page leads to a page of the console, at any depth."""
    with Desk(at=at).serving() as desk:
        wanted = desk.session()
        for path in (*PAGES, f"/session?id={wanted}", "/no/such/page"):
            page = desk.get(path)
            base = f"{BASE}{at}{path}"
            for link in re.findall(r'<(?:a|link|script)[^>]*(?:href|src)="([^"#]+)', page.text):
                joined = page.request.url.join(link.replace("&amp;", "&"))
                assert str(joined).startswith(f"{BASE}{at}/"), (base, link)
                assert desk.client.get(str(joined)).status_code == 200, (base, link)


def test_without_its_slash_one_is_led_to_it() -> None:
    """An application that hands over the bare mount point gets a relative redirect, which a proxy's prefix survives."""
    console = Console(AsyncSessions("memory://"), guard=everybody)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await console({**scope, "root_path": "/x/operator"}, receive, send)

    client = TestClient(app, base_url=BASE)
    assert client.get("/x/operator?span=day", follow_redirects=False).headers["location"] == "operator/?span=day"


@pytest.mark.parametrize("path", [*PAGES, "/nowhere", "/static/no.css", "/revoke"])
def test_every_answer_is_hardened(desk: Desk, path: str) -> None:
    """Nothing inline runs, nothing is framed, sniffed or fetched from elsewhere, and no cache stores a page."""
    page = desk.get(path)
    policy = page.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "same-origin"
    assert re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|https?://", page.text) is None
    if not path.startswith("/static"):
        assert "no-store" in page.headers["cache-control"]


# --- what pages show


def test_empty_pages_say_so(desk: Desk) -> None:
    """Before the first session every page works and says that there is nothing."""
    assert "There are no sessions yet." in desk.get("/sessions").text
    assert "Nobody with the user id 'nobody' has a session here" in desk.get("/user?id=nobody").text
    assert '<p class="large">0</p>' in desk.get("/").text


def test_the_overview_counts(desk: Desk) -> None:
    """Live sessions, what was made and ended, and the policy's sentence are on one page (S-83, S-85)."""
    for _ in range(3):
        desk.session()
    desk.do(desk.sessions.revoke(desk.session()))
    page = desk.get("/").text

    assert '<p class="large">3</p>' in page
    assert "A visitor who signs in stays signed in for 7 days" in page
    assert re.search(r"<h3>Created.*?<b>4</b>", page, re.DOTALL)
    assert re.search(r"<h3>Ended.*?<b>1</b>", page, re.DOTALL)


@pytest.mark.parametrize("span", ["hour", "day", "month", "year", "<script>"])
def test_every_span_has_its_plots(span: str) -> None:
    """Hour, day, month and year are shown with a table of their numbers; another word shows the hour."""
    with Desk().serving() as desk:
        desk.session()
        page = desk.get("/").text if span == "hour" else desk.get(f"/?span={span}").text

    assert page.count('<svg class="plot"') == 5
    assert f'?span={span if "<" not in span else "hour"}" aria-current="true"' in page
    assert page.count('<th scope="row">') in (60, 144, 31, 52)


def test_a_store_without_counts_says_so() -> None:
    """Where nothing is counted the page shows what it can."""
    with Desk().serving() as desk:
        traits = desk.sessions.store.traits
        bare = type(desk.sessions.store)
        from coatcheck.model import replace
        from coatcheck.stores.contract import Capability

        fewer = replace(traits, capabilities=traits.capabilities - {Capability.COUNTERS})
        monkey = pytest.MonkeyPatch()
        monkey.setattr(bare, "traits", property(lambda _: fewer))
        page = desk.get("/")
        monkey.undo()

    assert page.status_code == 200
    assert "This store keeps no counts" in page.text


def test_trouble_stands_out() -> None:
    """A refused sign-in and a suspected theft are not said as calmly as their absence."""
    with Desk().serving() as desk:
        assert 'class="verdict">No trouble counted' in desk.get("/").text
        desk.sessions._core.emit("session.theft_suspected", session_id="x")
        page = desk.get("/").text

    assert 'class="verdict raised">Something needs a look' in page
    assert re.search(r'<li class="raised"><span>Theft suspected</span> <b>1</b>', page)


def test_sessions_are_listed_newest_first_with_what_is_known(desk: Desk) -> None:
    """Each row names user, device, address, times and state, and leads to its story (SM-24, S-53)."""
    old = desk.session("ada", agent=CHROME, address="192.0.2.9")
    desk.clock.advance("3h")
    new = desk.session("grace")
    desk.do(desk.sessions.revoke(old))
    page = desk.get("/sessions").text

    assert page.index(new) < page.index(old)
    assert "Chrome Mobile 156 on Android" in page
    assert "192.0.2.9" in page
    assert "3 hours ago" in page
    assert "ended</span> <small>revoked</small>" in page
    assert 'href="./user?id=grace"' in page


def test_pages_go_on_and_back(desk: Desk) -> None:
    """A hundred and twenty sessions are three pages; each leads to the next and to the one before (ruling 12)."""
    made = []
    for _ in range(120):
        desk.clock.advance("1s")
        made.append(desk.session(None))
    seen: list[list[str]] = []
    path = "/sessions"
    for _ in range(3):
        page = desk.get(path).text
        seen.append(re.findall(r"unseen\">, session ([\w-]{26})<", page))
        forward = re.search(r'href="([^"]+)" rel="next"', page)
        path = "/" + forward[1].replace("&amp;", "&") if forward else ""
    assert [len(ids) for ids in seen] == [50, 50, 20]
    assert [each for ids in seen for each in ids] == made[::-1]
    assert not path

    back = re.search(r'href="([^"]+)" rel="prev"', page)
    assert back is not None
    assert seen[1][0] in desk.get("/" + back[1].replace("&amp;", "&")).text


def test_a_cursor_nobody_issued_is_a_bad_request(desk: Desk) -> None:
    """An invented cursor is answered with a page, not with a fault."""
    assert desk.get("/sessions?after=<b>x").status_code == 400


def test_sessions_are_filtered(desk: Desk) -> None:
    """One looks for a browser by name, and for live or ended sessions."""
    chrome, firefox = desk.session(agent=CHROME), desk.session(agent=AGENT)
    desk.do(desk.sessions.revoke(chrome))

    assert chrome in (page := desk.get("/sessions?device=android").text)
    assert firefox not in page
    assert firefox in (page := desk.get("/sessions?show=live").text)
    assert chrome not in page
    assert "None of the sessions that were looked at matches." in desk.get("/sessions?device=lynx").text


def test_a_hundred_thousand_sessions_are_a_page_in_no_time(tmp_path: Path) -> None:
    """With 100,000 sessions on SQLite the newest and a later page take well under a second (S-88)."""
    with Desk(f"sqlite:///{tmp_path}/many.db").serving() as desk:
        many(desk, tmp_path / "many.db", 100_000)
        took: list[float] = []
        path = "/sessions"
        for _ in range(3):
            began = perf_counter()
            page = desk.get(path)
            took.append(perf_counter() - began)
            path = "/" + re.search(r'href="([^"]+)" rel="next"', page.text)[1].replace("&amp;", "&")  # type: ignore[index]
        overview = perf_counter()
        assert '<p class="large">100,000</p>' in desk.get("/").text
        took.append(perf_counter() - overview)

    assert max(took) < 1


def many(desk: Desk, file: Path, count: int) -> None:
    """Write many sessions into the desk's SQLite file, as copies of one."""
    desk.session()
    with closing(sqlite3.connect(file)) as database, database:
        names = [row[1] for row in database.execute("PRAGMA table_info(sessions)")]
        new = {"id": "'0' || substr('000000000000000000000000' || n, -24) || 'A'", "created_at": "created_at - n"}
        database.execute(
            f"INSERT INTO sessions ({', '.join(names)}) "  # noqa: S608 - the schema's own names
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?) "
            f"SELECT {', '.join(new.get(name, name) for name in names)} FROM c, sessions",
            (count - 1,),
        )


def test_a_story_has_its_moments(desk: Desk) -> None:
    """A session's page tells when and where it began, when it was seen, and when each clock ends it (S-38)."""
    wanted = desk.session("ada", address="192.0.2.77")
    page = desk.get(f"/session?id={wanted}").text

    titles = re.findall(r'<li class="(\w+)">.*?<h3>([^<]+)</h3>', page, re.DOTALL)
    assert titles == [
        ("past", "Created"), ("past", "Last seen"), ("now", "Now"),
        ("future", "Idle deadline"), ("future", "Absolute deadline"),
    ]  # fmt: skip
    assert "Signed in as ada. Firefox 153 on Linux, from 192.0.2.77." in page
    assert "in 7 days" in page
    assert "in 30 days" in page


def test_a_story_ends_with_its_reason(desk: Desk) -> None:
    """An ended session says when and why, in words; one that ran out is over before it is swept (S-39)."""
    revoked, idle = desk.session(), desk.session("grace")
    desk.do(desk.sessions.revoke(revoked))
    desk.clock.advance("8d")

    over = desk.get(f"/session?id={idle}").text
    assert "Over, and not swept yet" in over
    assert "Revoke this session" not in over
    desk.do(desk.sessions.sweep())
    assert "Not used for too long (idle timeout)." in desk.get(f"/session?id={idle}").text


@pytest.mark.parametrize("path", ["/session?id=x", "/session", "/session?id=0" + "A" * 25, "/user", "/nowhere"])
def test_what_is_not_there_is_a_page(desk: Desk, path: str) -> None:
    """An id that names nothing is answered with 404 and a page."""
    answer = desk.get(path)

    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


def test_the_policy_is_shown(desk: Desk) -> None:
    """Every setting is on the policy's page with where it comes from."""
    page = desk.get("/policy").text

    assert "<code>idle_timeout</code>" in page
    assert "7 days" in page
