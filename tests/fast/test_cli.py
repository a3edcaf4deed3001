"""The command line over a SQLite file: what it prints, what it changes, and the exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from coatcheck import Policy, SessionInfo, Sessions, StoreUnavailable, __version__, stores
from coatcheck.cli import output, revoking
from coatcheck.cli.command import app
from coatcheck.state import Visit
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import FrozenClock

ROOT = Path(__file__).resolve().parents[2]
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
NOBODY = "0" + "A" * 25
"""An id that nobody has."""


class Desk:
    """One application's sessions, and the command line beside it."""

    def __init__(self, path: Path) -> None:
        """Open the application's store."""
        self.url = f"sqlite:///{path}"
        self.sessions = Sessions(self.url)
        self.tokens: list[str] = []

    def add(self, user_id: str | None = None, *, sessions: Sessions | None = None) -> SessionInfo:
        """Make a session, anonymous without a user, and return what lists show of it."""
        manager = sessions or self.sessions
        session = manager.load(None, Visit(user_agent=AGENT, address="203.0.113.9"))
        session["drawer"] = "private matter"
        if user_id is not None:
            manager.login(session, user_id)
        outcome = manager.save(session)
        self.tokens.append(outcome.token or "")
        info = manager.get(session.id or "")
        assert info is not None
        return info

    def run(self, *words: str, columns: int = 200, **options: Any) -> Result:
        """Run a command on this store."""
        return run(*words, "--store", self.url, columns=columns, **options)

    def json(self, *words: str) -> Any:
        """Run a command that succeeds and return its document; stdout holds nothing else."""
        result = self.run(*words, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    def live(self) -> set[str]:
        """Return the ids of all live sessions."""
        return {info.id for info in self.sessions.browse(limit=1000)[0] if info.live}


def run(*words: str, columns: int = 200, **options: Any) -> Result:
    """Run a command on a terminal of that width."""
    environment = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": str(columns), **options.pop("env", {})}
    return CliRunner().invoke(app, list(words), env=environment, **options)


def words(text: str) -> str:
    """Return a text on one line, without styles and boxes."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", text).split())


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty directory, with no store named by the environment."""
    monkeypatch.chdir(tmp_path)
    for name in stores.VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Give an application's sessions in a file."""
    desk = Desk(tmp_path / "app.db")
    with desk.sessions:
        yield desk


# --- list


def test_list_shows_live_sessions_newest_first(desk: Desk) -> None:
    """``sessions list`` shows live sessions of everybody, and with --ended those that ended too (ruling 12)."""
    first, second, gone = desk.add("alice"), desk.add("bob"), desk.add("alice")
    desk.sessions.revoke(gone.id)

    listed = desk.run("sessions", "list")

    assert listed.exit_code == 0
    assert {first.id, second.id} == set(re.findall(r"0[\w-]{25}", listed.stdout))
    assert "Firefox 153 on Linux" in listed.stdout
    documents = desk.json("sessions", "list", "--ended")["sessions"]
    assert {info["id"]: info["reason"] for info in documents} == {first.id: None, second.id: None, gone.id: "revoked"}


def test_list_can_be_one_users(desk: Desk) -> None:
    """``--user`` shows that user's sessions alone; a user without any is exit code 1 and an empty document."""
    mine = desk.add("alice")
    desk.add("bob")
    desk.add()

    assert [info["id"] for info in desk.json("sessions", "list", "--user", "alice")["sessions"]] == [mine.id]
    nobody = desk.run("sessions", "list", "--user", "carol", "--json")
    assert nobody.exit_code == 1
    assert json.loads(nobody.stdout) == {"sessions": [], "next": None}


def test_list_goes_page_by_page(desk: Desk) -> None:
    """Following the cursor meets every live session once, in pages of at most --limit, across ended ones."""
    made = [desk.add("alice").id for _ in range(12)]
    for session_id in made[2:9]:
        desk.sessions.revoke(session_id)

    met, cursor, pages = [], [], 0
    while True:
        page = desk.json("sessions", "list", "--limit", "4", *cursor)
        assert len(page["sessions"]) <= 4
        met += [info["id"] for info in page["sessions"]]
        pages += 1
        if page["next"] is None:
            break
        cursor = ["--after", page["next"]]

    assert sorted(met) == sorted(made[:2] + made[9:])
    assert pages > 1


def test_list_tells_the_cursor_to_people(desk: Desk) -> None:
    """Where a page ends before the sessions do, the words to go on with are on stderr."""
    for _ in range(3):
        desk.add("alice")

    assert "--after " in desk.run("sessions", "list", "--limit", "2").stderr
    assert "--after" not in desk.run("sessions", "list").stderr


@pytest.mark.parametrize("words", [("--after", "made up"), ("--limit", "0"), ("--limit", "1001"), ("--user", "")])
def test_list_refuses_what_makes_no_sense(desk: Desk, words: tuple[str, ...]) -> None:
    """A cursor nobody issued, a limit out of range and an empty user are wrong usage: exit code 2."""
    desk.add("alice")

    assert desk.run("sessions", "list", *words).exit_code == 2


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_tables_fit_the_terminal(desk: Desk, columns: int) -> None:
    """No line passes the terminal's width, from 60 columns on, and ids are whole so that they can be copied."""
    made = {desk.add("somebody.with.a.long.name@department.example.com").id for _ in range(2)}

    shown = desk.run("sessions", "list", columns=columns).stdout

    assert max(len(line.rstrip()) for line in shown.splitlines()) <= columns
    assert made <= set(re.findall(r"0[\w-]{25}", shown))
    assert "Firefox 153 on Linux" in shown


def test_a_name_cannot_steer_the_terminal(desk: Desk) -> None:
    """Control characters and markup in a user's id are shown, not obeyed, in lists and alone."""
    info = desk.add("[red]bob\x1b[31m\u202e")

    for shown in (desk.run("sessions", "list").stdout, desk.run("sessions", "show", info.id).stdout):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert r"[red]bob\x1b[31m\u202e" in shown


# --- show


def test_show_tells_one_session(desk: Desk) -> None:
    """``sessions show`` prints times as ISO 8601 with how long ago, and JSON with milliseconds."""
    info = desk.add("alice")

    shown = desk.run("sessions", "show", info.id, columns=60)

    assert shown.exit_code == 0
    assert re.search(r"began +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d \(now|ago\)", shown.stdout)
    assert "203.0.113.9" in shown.stdout
    assert max(len(line.rstrip()) for line in shown.stdout.splitlines()) <= 60
    assert desk.json("sessions", "show", info.id) == json.loads(json.dumps(info.as_json()))


def test_show_of_nothing(desk: Desk) -> None:
    """An id that nobody has is exit code 1, something that is no id is exit code 2; neither prints to stdout."""
    missing, wrong = desk.run("sessions", "show", NOBODY), desk.run("sessions", "show", "session-1")

    assert (missing.exit_code, missing.stdout) == (1, "")
    assert (wrong.exit_code, wrong.stdout) == (2, "")


def test_no_secret_is_ever_printed(desk: Desk) -> None:
    """No command prints a secret, a digest or session data, not even a ticket that was typed in (promise 7)."""
    info = desk.add("alice")
    secret = desk.tokens[0].partition(".")[2]
    typed = desk.run("sessions", "show", desk.tokens[0])

    assert typed.exit_code == 2
    assert "history" in words(typed.stderr)
    for result in (
        typed,
        desk.run("sessions", "revoke", desk.tokens[0]),
        desk.run("sessions", "show", info.id, "--json"),
        desk.run("sessions", "show", info.id),
        desk.run("sessions", "list", "--ended", "--json"),
        desk.run("sweep"),
        desk.run("sessions", "revoke", info.id),
    ):
        assert secret not in result.output.replace("\n", "")
        assert "digest" not in result.output
        assert "private matter" not in result.output


# --- revoke


def test_revoke_one(desk: Desk) -> None:
    """``sessions revoke ID`` ends that session at once and alone; a second time nothing matches (promise 2)."""
    one, other = desk.add("alice"), desk.add("alice")

    assert desk.json("sessions", "revoke", one.id) == {"revoked": 1}
    assert desk.live() == {other.id}
    assert desk.sessions.load(desk.tokens[0]).reason == "revoked"
    again = desk.run("sessions", "revoke", one.id, "--json")
    assert again.exit_code == 1
    assert json.loads(again.stdout) == {"revoked": 0}


def test_revoke_a_user_but_one_session(desk: Desk) -> None:
    """``--user --keep`` ends a user's other sessions and raises their epoch (promise 2)."""
    kept, _, other = desk.add("alice"), desk.add("alice"), desk.add("bob")
    epoch = desk.sessions.epoch("alice")

    assert desk.json("sessions", "revoke", "--user", "alice", "--keep", kept.id, "--yes") == {"revoked": 1}
    assert desk.live() == {kept.id, other.id}
    assert desk.sessions.epoch("alice") > epoch


def test_revoke_refuses_to_keep_what_is_not_theirs(desk: Desk) -> None:
    """A --keep that is no live session of that user ends nothing: it would sign out whom it should spare."""
    mine, theirs = desk.add("alice"), desk.add("bob")

    for keep in (theirs.id, NOBODY):
        assert desk.run("sessions", "revoke", "--user", "alice", "--keep", keep, "--yes").exit_code == 1
    assert desk.live() == {mine.id, theirs.id}


def test_revoke_everybody(desk: Desk) -> None:
    """``--all --yes`` ends every session and says how many (ruling 11)."""
    for user in ("alice", "bob", None):
        desk.add(user)

    result = desk.run("sessions", "revoke", "--all", "--yes")

    assert (result.exit_code, result.stdout) == (0, "3 sessions ended\n")
    assert desk.live() == set()


@pytest.mark.parametrize("target", [("--all",), ("--user", "alice")])
def test_revoke_of_many_asks_first(desk: Desk, target: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Many sessions end only after a yes at a terminal, which states the number; elsewhere it is refused."""
    desk.add("alice")
    desk.add("alice")

    alone = desk.run("sessions", "revoke", *target, input="y\n")
    assert alone.exit_code == 1
    assert "--yes" in alone.stderr
    assert len(desk.live()) == 2

    monkeypatch.setattr(revoking, "at_terminal", lambda: True)
    no = desk.run("sessions", "revoke", *target, "--json", input="n\n")
    assert (no.exit_code, no.stdout) == (1, "")
    assert "2 sessions of" in no.stderr
    assert len(desk.live()) == 2

    yes = desk.run("sessions", "revoke", *target, "--json", input="y\n")
    assert (yes.exit_code, json.loads(yes.stdout)) == (0, {"revoked": 2})
    assert desk.live() == set()


@pytest.mark.parametrize(
    "target", [(), (NOBODY, "--all"), ("--user", "alice", "--all"), (NOBODY, "--keep", NOBODY), ("--keep", "x")]
)
def test_revoke_wants_one_target(desk: Desk, target: tuple[str, ...]) -> None:
    """None or several of ID, --user and --all are wrong usage, and nothing ends."""
    info = desk.add("alice")

    assert desk.run("sessions", "revoke", *target, "--yes").exit_code == 2
    assert desk.live() == {info.id}


# --- sweep


def expire(desk: Desk, count: int) -> None:
    """Make sessions that ended by the idle clock long ago and that nobody swept."""
    past = Sessions(desk.sessions.store, policy=Policy.sensitive(), clock=FrozenClock())
    for _ in range(count):
        desk.add("alice", sessions=past)


def test_sweep_removes_what_has_expired(desk: Desk) -> None:
    """``sweep`` ends what the clocks ended, leaves the rest, and says how many; nothing to do is exit code 0 (S-64)."""
    expire(desk, 3)
    fresh = desk.add("alice")

    assert desk.json("sweep") == {"expired": 0, "abandoned": 3, "total": 3}
    assert desk.live() == {fresh.id}
    again = desk.run("sweep")
    assert (again.exit_code, again.stdout) == (0, "0 swept: 0 past their absolute timeout, 0 idle\n")


def test_sweep_counts_along_at_a_terminal(desk: Desk) -> None:
    """Progress goes to a terminal's stderr only: stdout holds the result alone, and elsewhere nothing moves."""
    expire(desk, 3)
    quiet = desk.run("sweep")
    assert quiet.stderr == ""
    expire(desk, 4)

    shown = desk.run("sweep", env={"FORCE_COLOR": "1", "TERM": "xterm"})

    assert shown.stdout == "4 swept: 0 past their absolute timeout, 4 idle\n"
    assert "4 swept" in shown.stderr


# --- the store, the environment, the exit codes


@pytest.mark.parametrize("command", [("sessions", "list"), ("sweep",), ("sessions", "revoke", "--all", "--yes")])
def test_a_missing_file_is_not_made(command: tuple[str, ...], tmp_path: Path) -> None:
    """A SQLite file that is not there is told and not made: exit code 2 (default store and --store alike)."""
    for words in (command, (*command, "--store", "sqlite:///nowhere.db")):
        result = run(*words)
        assert result.exit_code == 2
        assert "there is no file" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_memory_is_refused() -> None:
    """``memory://`` belongs to another process: exit code 2, with what to use instead."""
    for command in (("sessions", "list"), ("sessions", "show", NOBODY), ("sweep",)):
        result = run(*command, "--store", "memory://")
        assert result.exit_code == 2
        assert "sqlite:///" in result.stderr


def test_the_store_may_come_from_the_environment(desk: Desk) -> None:
    """``COATCHECK_STORE``, then ``REDIS_URL``, then ``DATABASE_URL``: the first that is set decides, also if wrong."""
    info = desk.add("alice")
    found = run("sessions", "show", info.id, env={"COATCHECK_STORE": desk.url, "REDIS_URL": "gopher://x"})
    refused = run("sessions", "show", info.id, env={"REDIS_URL": "gopher://:hunter2@x", "DATABASE_URL": desk.url})

    assert found.exit_code == 0
    assert refused.exit_code == 2
    assert "REDIS_URL" in refused.stderr
    assert "hunter2" not in refused.output


def test_unknown_schemes_are_refused() -> None:
    """A scheme that cannot be opened is exit code 2; the rest of the URL, which may hold a password, is not shown."""
    result = run("sweep", "--store", "gopher://:hunter2@x/1")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "gopher://" in result.stderr
    assert "hunter2" not in result.stderr
    assert "Traceback" not in result.output


def test_tenants_are_apart(desk: Desk) -> None:
    """``--tenant`` works in that namespace alone; one that cannot be is exit code 2 (SM-13)."""
    with Sessions(desk.url, tenant="acme") as acme:
        theirs = desk.add("alice", sessions=acme)
    ours = desk.add("alice")

    assert [info["id"] for info in desk.json("sessions", "list")["sessions"]] == [ours.id]
    assert [info["id"] for info in desk.json("sessions", "list", "--tenant", "acme")["sessions"]] == [theirs.id]
    assert desk.run("sessions", "list", "--tenant", "a/b").exit_code == 2


def test_an_outage_is_its_own_exit_code(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not answer is exit code 3, loud and without a traceback (promise 9)."""

    class Down(MemoryStore):
        async def find(self, ids: Any) -> Any:
            raise StoreUnavailable("no answer")

    monkeypatch.setattr(stores, "from_url", lambda *_, **__: Down())
    result = desk.run("sessions", "show", NOBODY)

    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "the store did not answer: no answer\n"


def test_help_states_the_exit_codes() -> None:
    """``--help`` documents the exit codes and where the store comes from."""
    told = words(run("--help").stdout)

    for part in ("0 done", "1 nothing matched", "2 wrong usage", "3 the store did not answer", *stores.VARIABLES):
        assert part in told


def test_version() -> None:
    """``--version`` prints the version and does nothing else."""
    result = run("--version")

    assert (result.exit_code, result.stdout) == (0, f"coatcheck {__version__}\n")


def test_moments_are_told_in_one_unit() -> None:
    """A moment is told as people say it, past and to come."""
    hour = 3_600_000
    assert output.relative(0, 3 * 60_000 + 20_000) == "3 minutes ago"
    assert output.relative(7 * 24 * hour, 1) == "in 7 days"
    assert output.relative(0, hour) == "1 hour ago"
    assert output.relative(0, 999) == output.relative(999, 0) == "now"


# --- demo and start


def test_demo_hands_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """``coatcheck demo`` runs the demo's server with the port and the store that were asked for."""
    asked: list[dict[str, Any]] = []
    server = SimpleNamespace(run=lambda **options: asked.append(options))
    monkeypatch.setitem(sys.modules, "coatcheck.demo", SimpleNamespace(server=server))
    monkeypatch.setitem(sys.modules, "coatcheck.demo.server", server)

    assert run("demo").exit_code == 0
    assert run("demo", "--port", "0", "--store", "memory://").exit_code == 0
    assert asked == [{"port": 8000, "store": None}, {"port": 0, "store": "memory://"}]


def test_demo_names_the_extra_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the demo's packages the command to install them is told: exit code 2."""
    package = ModuleType("coatcheck.demo")
    package.__path__ = [str(tmp_path)]
    (tmp_path / "server.py").write_text("import a_server_that_is_not_there\n")
    monkeypatch.setitem(sys.modules, "coatcheck.demo", package)
    monkeypatch.delitem(sys.modules, "coatcheck.demo.server", raising=False)

    result = run("demo")

    assert result.exit_code == 2
    assert "a_server_that_is_not_there" in result.stderr
    assert 'pip install "coatcheck[demo]"' in result.stderr


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_the_command_names_the_extra_it_needs(package: str) -> None:
    """Without Typer or Rich ``coatcheck`` says how to install them and exits with 2."""
    start = f"import sys; sys.modules[{package!r}] = None; from coatcheck.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", start], capture_output=True, check=False, cwd=ROOT, text=True)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"the coatcheck command needs {package}, ")
    assert done.stderr.endswith('pip install "coatcheck[cli]"\n')


def test_it_runs_as_a_program(desk: Desk) -> None:
    """Another process sees and ends the application's sessions, and says so in its exit code."""
    info = desk.add("alice")
    command = [sys.executable, "-m", "coatcheck.cli", "sessions", "revoke", info.id, "--store", desk.url, "--json"]

    done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT, text=True)
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, {"revoked": 1}, "")
    assert subprocess.run(command, capture_output=True, check=False, cwd=ROOT).returncode == 1
    assert desk.live() == set()
