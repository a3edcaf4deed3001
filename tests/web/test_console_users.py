"""The page of one user: ids that look like something else, many sessions, and the field of roles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from time import perf_counter
from urllib.parse import quote

import pytest

from coatcheck.web.console.roles import RolesField, roles_field
from coatcheck.web.console.seeking import WHOLE_COOKIE, PastedCookie, refuse_cookie
from tests.web._console import Desk
from tests.web.test_console import many

LIKE_COOKIES = (
    "1f0c6f7e-8a31-4c55-9a0e-0b9b8f6f2a11.8c2b7a44-52f1-4f8e-b0a5-6b9f5b1c7d20",
    "ann@department-of-redundancy.university-of-somewhere.edu",
    "0-a-long-name-with-hyphens-in-it.another-long-name-with-hyphens",
)
TICKET = f"0{'a' * 24}Q.{'b' * 42}A"


@pytest.fixture(params=["memory", "sqlite"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """Serve a console on memory and on SQLite."""
    store = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/console.db"
    with Desk(store).serving() as made:
        yield made


# --- which ids


@pytest.mark.parametrize("user", LIKE_COOKIES)
def test_long_ids_with_a_dot_are_ids(desk: Desk, user: str) -> None:
    """Ids and addresses that are no cookie of ours are found, shown and ended like others."""
    assert refuse_cookie(user) == user
    desk.session(user)

    assert desk.post("/search", {"q": user}).headers["location"] == f"user?id={quote(user, safe='')}"
    assert user in desk.get(f"/user?id={user}").text
    assert desk.post("/roles", {"id": user, "roles": "editor"}).status_code == 200
    assert desk.post("/revoke-user", {"id": user, "typed": user}).status_code == 200
    assert desk.live() == 0


@pytest.mark.parametrize("text", [TICKET, TICKET[:-20], f"{TICKET}x", f"session%3D{TICKET}", f"a {TICKET} b"])
def test_a_cookie_is_refused_whole_cut_and_lengthened(text: str) -> None:
    """What holds our id's shape, a dot and a good part of a secret is not repeated (promise 7)."""
    with pytest.raises(PastedCookie):
        refuse_cookie(text)


def test_a_user_whose_id_has_a_cookies_shape_can_be_ended(desk: Desk) -> None:
    """Where such a user has sessions the id is no cookie; where none has, it is taken for one."""
    desk.session(TICKET)
    other = TICKET.replace("b", "c")

    assert desk.get(f"/user?id={TICKET}").status_code == 200
    assert desk.post("/roles", {"id": TICKET, "roles": "editor"}).status_code == 200
    for answer in (desk.get(f"/user?id={other}"), desk.post("/revoke-user", {"id": other, "typed": other})):
        assert answer.status_code == 400
        assert WHOLE_COOKIE in answer.text
        assert other not in answer.text
    assert desk.post("/revoke-user", {"id": TICKET, "typed": TICKET}).status_code == 200
    assert desk.live() == 0


# --- many sessions


def test_a_users_sessions_have_pages(desk: Desk) -> None:
    """A hundred and twenty sessions of one user are three pages, each leading to the older ones (ruling 12)."""
    made = []
    for _ in range(120):
        desk.clock.advance("1s")
        made.append(desk.session("ada&co"))
    seen: list[list[str]] = []
    path = "/user?id=ada%26co"
    while path:
        page = desk.get(path).text
        seen.append(re.findall(r"unseen\">, session ([\w-]{26})<", page)[::1])
        older = re.search(r'href="([^"]+)" rel="next"', page)
        path = f"/{unescape(older[1])}" if older else ""

    assert [len(ids) for ids in seen] == [50, 50, 20]
    assert [each for ids in seen for each in ids] == made[::-1]
    assert 'href="user?id=ada%26co">Newest' in page


def test_a_page_without_a_live_session_does_not_say_that_there_is_none(desk: Desk) -> None:
    """Where older sessions are on another page the forms stay, and nothing says that the user is signed out."""
    desk.session("ada")
    for _ in range(50):
        desk.clock.advance("1s")
        desk.do(desk.sessions.revoke(desk.session("ada")))
    page = desk.get("/user?id=ada").text

    assert "None of the sessions on this page is live." in page
    assert "not signed in anywhere" not in page
    assert "End all sessions of this user" in page
    assert "Change the roles" in page


@pytest.mark.parametrize("path", ["/user?id=ada&after=%3Cb%3E"])
def test_a_cursor_nobody_issued_is_a_bad_request(desk: Desk, path: str) -> None:
    """An invented cursor is answered with a page, not with a fault."""
    assert desk.get(path).status_code == 400


def test_a_hundred_thousand_sessions_of_one_user_are_a_page_in_no_time(tmp_path: Path) -> None:
    """The page of a user with 100,000 sessions takes under a second and shows fifty of them (S-88)."""
    with Desk(f"sqlite:///{tmp_path}/many.db").serving() as desk:
        many(desk, tmp_path / "many.db", 100_000)
        began = perf_counter()
        page = desk.get("/user?id=ada").text
        took = perf_counter() - began

    assert page.count('class="name"') == 50
    assert took < 1


# --- roles


def test_different_roles_are_not_filled_in(desk: Desk) -> None:
    """The stronger session's role does not get into the weaker one by adding a third: the field is empty, required."""
    desk.session("ada", roles=["admin"])
    desk.session("ada", roles=["user"])
    page = desk.get("/user?id=ada").text

    assert "The live sessions have different roles, so nothing is filled in" in page
    assert re.search(r'name="roles" value="" required', page)
    refused = desk.post("/roles", {"id": "ada", "differ": "yes", "roles": " , "})
    assert refused.status_code == 400
    assert "Nothing was done: no role was written." in refused.text
    assert {info.roles for info in desk.do(desk.sessions.list("ada"))} == {("admin",), ("user",)}


def test_equal_roles_are_filled_in_and_may_be_emptied(desk: Desk) -> None:
    """Where all sessions have the same roles they stand in the field, and taking them all away is possible."""
    for _ in range(2):
        desk.session("ada", roles=["editor", "user"])
    page = desk.get("/user?id=ada").text

    assert 'name="roles" value="editor, user" autocomplete' in page
    assert 'name="differ"' not in page
    assert desk.post("/roles", {"id": "ada", "roles": ""}).status_code == 200
    assert {info.roles for info in desk.do(desk.sessions.list("ada"))} == {()}


@pytest.mark.parametrize("role", ["a,b", " admin", "admin "])
def test_a_role_that_the_field_cannot_write_is_said(desk: Desk, role: str) -> None:
    """Such a role would become others when the form is sent back, so there is no form."""
    wanted = desk.session("ada", roles=[role])
    page = desk.get("/user?id=ada").text

    assert f"“{role}”, which cannot be written" in page
    assert "Change the roles" not in page
    assert desk.do(desk.sessions.get(wanted)).roles == (role,)


def test_the_field_is_empty_where_not_all_sessions_were_seen(desk: Desk) -> None:
    """Sessions on another page may have other roles."""
    info = desk.do(desk.sessions.get(desk.session("ada", roles=["editor"])))

    assert roles_field([info, info], all_seen=True) == RolesField("editor", differ=False, unwritable=None)
    assert roles_field([info], all_seen=False) == RolesField("", differ=True, unwritable=None)
