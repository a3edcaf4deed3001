"""``coatcheck sessions``: list, show and revoke."""

from __future__ import annotations

import json
import re

import pytest

from coatcheck import Sessions, Unconfirmed
from coatcheck.cli import orders
from coatcheck.model import replace
from coatcheck.stores.contract import Capability
from coatcheck.stores.sqlite import SqliteStore
from tests.fast.cli.conftest import NOBODY, Desk, words


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


def test_one_users_list_needs_no_browsing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--user`` works on a store that only lists by user, as a Cluster with ``browse=no``: one page, newest first."""
    added = [desk.add("alice") for _ in range(3)]
    made = [info.id for info in sorted(added, key=lambda info: (info.created_at, info.id))]  # some in one millisecond
    desk.add("bob")
    desk.sessions.revoke(made[1])
    traits = desk.sessions.store.traits
    narrow = replace(traits, capabilities=traits.capabilities - {Capability.BROWSE})
    monkeypatch.setattr(SqliteStore, "traits", narrow)

    def listed(*words: str) -> list[str]:
        document = desk.json("sessions", "list", "--user", "alice", *words)
        assert document["next"] is None
        return [info["id"] for info in document["sessions"]]

    assert listed() == [made[2], made[0]]
    assert listed("--ended") == made[::-1]
    assert listed("--limit", "1") == [made[2]]
    assert "--limit 2" in desk.run("sessions", "list", "--user", "alice", "--limit", "1").stderr
    assert desk.run("sessions", "list", "--user", "carol").exit_code == 1
    after = desk.run("sessions", "list", "--user", "alice", "--after", "x")
    assert (after.exit_code, "on one page" in words(after.stderr)) == (2, True)
    everybody = desk.run("sessions", "list")
    assert (everybody.exit_code, "cannot browse" in everybody.stderr) == (2, True)


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


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_tables_fit_the_terminal(desk: Desk, columns: int) -> None:
    """No line passes the terminal's width, from 40 columns on, and ids are whole so that they can be copied."""
    made = {desk.add("somebody.with.a.long.name@department.example.com").id for _ in range(2)}

    shown = desk.run("sessions", "list", columns=columns).stdout

    assert max(len(line.rstrip()) for line in shown.splitlines()) <= columns
    assert made <= set(re.findall(r"0[\w-]{25}", shown))
    assert "Firefox 153 on Linux" in shown
    assert re.search(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d\b", shown)


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
    narrow = desk.run("sessions", "show", info.id, columns=40).stdout
    assert max(len(line.rstrip()) for line in narrow.splitlines()) <= 40
    assert words(narrow).split("began")[0] == words(shown.stdout).split("began")[0]
    assert re.search(r"began\n  \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d\b", narrow)
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

    monkeypatch.setattr(orders, "at_terminal", lambda: True)
    no = desk.run("sessions", "revoke", *target, "--json", input="n\n")
    assert (no.exit_code, no.stdout) == (1, "")
    assert "2 sessions of" in no.stderr
    assert len(desk.live()) == 2

    yes = desk.run("sessions", "revoke", *target, "--json", input="y\n")
    assert (yes.exit_code, json.loads(yes.stdout)) == (0, {"revoked": 2})
    assert desk.live() == set()


def test_revoke_of_everybody_asks_also_where_nobody_can_count(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot browse, such as Redis Cluster, is asked without a number."""
    desk.add("alice")
    traits = desk.sessions.store.traits
    narrow = replace(traits, capabilities=traits.capabilities - {Capability.BROWSE})
    monkeypatch.setattr(orders, "at_terminal", lambda: True)
    with monkeypatch.context() as without:
        without.setattr(SqliteStore, "traits", narrow)
        yes = desk.run("sessions", "revoke", "--all", input="y\n")

    assert (yes.exit_code, yes.stdout) == (0, "1 session ended\n")
    assert "End all sessions of everybody?" in yes.stderr


def test_an_unconfirmed_revocation_is_not_called_an_outage(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done and too few replicas have says so, with exit code 3 and what to do."""
    info = desk.add("alice")

    def unconfirmed(*_args: object, **_terms: object) -> bool:
        raise Unconfirmed("0 of 1 replicas have it")

    monkeypatch.setattr(Sessions, "revoke", unconfirmed)
    result = desk.run("sessions", "revoke", info.id)

    assert (result.exit_code, result.stdout) == (3, "")
    assert words(result.stderr) == "done, but not confirmed: 0 of 1 replicas have it. Run it again: it waits again"


@pytest.mark.parametrize(
    "target", [(), (NOBODY, "--all"), ("--user", "alice", "--all"), (NOBODY, "--keep", NOBODY), ("--keep", "x")]
)
def test_revoke_wants_one_target(desk: Desk, target: tuple[str, ...]) -> None:
    """None or several of ID, --user and --all are wrong usage, and nothing ends."""
    info = desk.add("alice")

    assert desk.run("sessions", "revoke", *target, "--yes").exit_code == 2
    assert desk.live() == {info.id}


# --- sweep
