"""``coatcheck check``: what the store is asked, how long it is waited for, and which middlewares are looked at."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from coatcheck.cli import asking, waiting
from tests.fast.cli.applications import GOOD, write
from tests.fast.cli.conftest import run, words
from tests.fast.cli.test_check import items, states


def test_a_missing_folder_fails_the_first_item(tmp_path: Path) -> None:
    """S-99: a SQLite file in a folder that does not exist cannot be made; the line makes the folder."""
    app = f"{write(GOOD.replace('///app.db', '///no such/folder/app.db'))}:app"

    judged = items(app)[1]

    assert (judged["state"], "there is no folder" in judged["finding"]) == ("failed", True)
    assert judged["line"] == f"mkdir -p '{tmp_path}/no such/folder'"
    Path("no such/folder").mkdir(parents=True)
    assert items(app)[1]["state"] == "passed"
    assert not Path("no such/folder/app.db").exists()


def test_a_file_that_is_no_database_fails(tmp_path: Path) -> None:
    """S-99: something else under the file's name is found by its first bytes, a folder by what it is."""
    path = tmp_path / "app.db"
    path.write_text("a letter")
    assert "is no SQLite file" in asking.look_at_file(path).faults[0]
    path.write_bytes(b"")
    assert asking.look_at_file(path) == asking.Answer()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    assert asking.look_at_file(path) == asking.Answer()
    (tmp_path / "folder.db").mkdir()
    assert "is no file" in asking.look_at_file(tmp_path / "folder.db").faults[0]


@pytest.mark.parametrize("refused", ["app.db", ""])
def test_rights_of_another_user_are_not_seen(tmp_path: Path, refused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S-99: where whoever runs the check may not write, the server's user still may: unseen, and neither way a lie."""
    path = tmp_path / "app.db"
    path.touch()
    denied = tmp_path / refused
    monkeypatch.setattr(asking.os, "access", lambda asked, _mode: Path(asked) != denied)

    (said,) = asking.look_at_file(path).unknown

    assert said.startswith("this user may not")
    assert "whether the server's may was not seen" in said


LATE = """
    from coatcheck import StoreUnavailable
    from coatcheck.stores.memory import MemoryStore
    from coatcheck.model import replace

    class Late(MemoryStore):
        tries = 0

        @property
        def traits(self):
            return replace(super().traits, name="own", persistent=True, shared=True)

        async def open(self):
            type(self).tries += 1
            if self.tries % 3:
                raise StoreUnavailable("not yet")

    sessions = {kind}(Late())
"""


@pytest.mark.parametrize("kind", ["Sessions", "AsyncSessions"])
def test_check_waits_for_a_store_that_starts(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--wait`` tries again, in one event loop; without it a store that is down is exit code 3 where nothing fails."""
    monkeypatch.setattr(waiting, "PAUSE", 0.0)
    app = f"{write(LATE.format(kind=kind))}:sessions"

    waited = items(app, "--wait=30", "--report-file", "none.md")[1]

    assert (waited["state"], "the own store survives" in waited["finding"]) == ("passed", True)


def test_a_store_that_is_down_is_exit_code_3() -> None:
    """A store that does not answer is unseen, with the line that waits for it, and exit code 3."""
    app = f"{write(GOOD.replace('sqlite:///app.db', 'redis://127.0.0.1:1/0'))}:app"
    assert run("policy", app, "--report", "--output", "SESSIONS.md").exit_code == 0

    found = items(app, code=3)

    assert states(found)[0] == "u"
    assert found[1]["line"] == f"coatcheck check {app} --wait"


MOUNTED = """
    sessions = AsyncSessions("sqlite:///app.db", policy=Policy.sensitive().adjusted(max_sessions=5))
    admin = Starlette()
    admin.add_middleware(SessionMiddleware, sessions=sessions, cookie_name="__Host-admin")
    same = Starlette()
    same.add_middleware(SessionMiddleware, sessions=sessions)
    app = Starlette(routes=[Mount("/back", routes=[Mount("/office", app=admin)]), Mount("/same", app=same)])
    app.add_middleware(SessionMiddleware, sessions=sessions)
"""


@pytest.mark.parametrize("built", [False, True])
def test_other_middlewares_are_named_and_not_judged(built: bool) -> None:
    """S-99: only the outermost middleware is judged, and another, with other options, is told with its place."""
    more = "    app.middleware_stack = app.build_middleware_stack()\n" if built else ""
    app = f"{write(MOUNTED + more)}:app"
    said = "the SessionMiddleware at /back/office with the cookie __Host-admin"

    judged, explained = run("check", app, "--json"), run("policy", app)

    assert f'"not_looked_at": [ "{said}" ]' in words(judged.stdout)
    for result in (judged, explained):
        assert words(result.stderr).count(said) == 1
    assert said in run("policy", app, "--report").stdout
    assert run("policy", f"{write(GOOD)}:app").stderr == ""


STARLETTES = """
    from starlette.middleware import Middleware
    from starlette.middleware.sessions import SessionMiddleware as Theirs
    listed = Starlette(middleware=[Middleware(Theirs, secret_key="hunter2")])
    wrapped = Theirs(Starlette(), secret_key="hunter2")
    mixed = Starlette(middleware=[Middleware(SessionMiddleware, secret_key="hunter2")])
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("listed", "is Starlette's own, which keeps sessions in the cookie; write: from coatcheck.web.starlette"),
        ("wrapped", "is Starlette's own"),
        ("mixed", "missing 1 required keyword-only argument: 'sessions'; write app.add_middleware(SessionMiddleware"),
    ],
)
def test_starlette_s_own_middleware_is_wrong_usage(name: str, said: str) -> None:
    """Starlette's SessionMiddleware, or its options in coatcheck's, are told in words: exit code 2, no traceback."""
    result = run("check", f"{write(STARLETTES)}:{name}")

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in words(result.stderr)
    assert "hunter2" not in result.output
