"""The options that choose sessions, for ``sessions list`` and for ``sessions revoke`` in bulk."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from coatcheck import Sessions, Unconfirmed
from coatcheck.cli import orders, progress
from coatcheck.model import replace
from coatcheck.state import Visit
from coatcheck.stores.contract import Capability
from coatcheck.stores.sqlite import SqliteStore
from coatcheck.testing import FrozenClock
from tests.fast.cli.conftest import NOBODY, Desk, words

ANDROID = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36"


def named(value: object) -> str:
    """Return a case's options as its name; sets have no order, and say nothing."""
    return " ".join(str(part) for part in value) if isinstance(value, tuple) else ""


class Crowd:
    """Five different sessions on a desk, by name."""

    def __init__(self, desk: Desk) -> None:
        """Make them: two of them a week and more ago."""
        self.desk = desk
        old = FrozenClock(datetime.now(UTC) - timedelta(days=9))
        self.past = Sessions(desk.sessions.store, clock=old)
        self.ids = {"old": self.add(self.past, "ann", roles=["editor"])}
        old.advance("2d")
        self.ids["older seen"] = self.add(self.past, "bob", roles=["editor"], remember=True)
        self.ids["phone"] = self.add(desk.sessions, "ann", agent=ANDROID, address="10.1.2.3")
        self.ids["admin"] = self.add(desk.sessions, "cat", roles=["admin"])
        self.ids["nobody"] = self.add(desk.sessions, None, address="2001:db8::7")

    def add(
        self,
        sessions: Sessions,
        user: str | None,
        *,
        roles: list[str] | None = None,
        remember: bool | None = None,
        agent: str | None = None,
        address: str = "203.0.113.9",
    ) -> str:
        """Make a session and return its id."""
        session = sessions.load(None, Visit(user_agent=agent, address=address))
        session["drawer"] = 1
        if user is not None:
            session.login(user, roles=roles, remember=remember)
        sessions.save(session)
        assert session.id is not None
        return session.id

    def names(self, ids: set[str]) -> set[str]:
        """Return the names of those ids."""
        return {name for name, one in self.ids.items() if one in ids}


@pytest.fixture
def crowd(desk: Desk) -> Crowd:
    """Give five sessions; the oldest has been idle for 9 days and ended by the clock's verdict, as nobody swept."""
    return Crowd(desk)


CHOICES: list[tuple[tuple[str, ...], set[str]]] = [
    (("--user", "ann"), {"phone"}),
    (("--role", "admin"), {"admin"}),
    (("--role", "editor"), {"older seen"}),
    (("--device", "chrome MOBILE"), {"phone"}),
    (("--device", "android"), {"phone"}),
    (("--address", "10.0.0.0/8"), {"phone"}),
    (("--address", "2001:db8::7"), {"nobody"}),
    (("--address", "203.0.113.9"), {"older seen", "admin"}),
    (("--created-before", "6d"), {"older seen"}),
    (("--created-after", "6d"), {"phone", "admin", "nobody"}),
    (("--seen-before", "1d"), {"older seen"}),
    (("--seen-after", "1d"), {"phone", "admin", "nobody"}),
    (("--created-after", "2026-01-01", "--created-before", "2026-01-02"), set()),
    (("--anonymous",), {"nobody"}),
    (("--signed-in",), {"older seen", "phone", "admin"}),
    (("--remembered",), {"older seen"}),
    (("--remembered", "--anonymous"), set()),
    (("--user", "ann", "--device", "chrome", "--address", "10.1.2.3"), {"phone"}),
    (("--user", "ann", "--role", "admin"), set()),
]


@pytest.mark.parametrize(("options", "names"), CHOICES, ids=named)
def test_list_shows_what_all_options_choose(crowd: Crowd, options: tuple[str, ...], names: set[str]) -> None:
    """Each filter of ``sessions list`` leaves out what it does not mean, and several mean what all of them mean."""
    result = crowd.desk.run("sessions", "list", *options, "--json")

    assert crowd.names({info["id"] for info in json.loads(result.stdout)["sessions"]}) == names
    assert result.exit_code == (0 if names else 1)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--ended", "--user", "ann"), {"old", "phone"}),
        (("--reason", "idle"), {"old"}),
        (("--reason", "revoked"), {"admin"}),
        (("--reason", "revoked", "--user", "ann"), set()),
    ],
    ids=named,
)
def test_list_shows_ended_ones_by_reason(crowd: Crowd, options: tuple[str, ...], names: set[str]) -> None:
    """``--ended`` adds ended sessions, ``--reason`` shows those of that reason alone."""
    crowd.desk.sessions.revoke(crowd.ids["admin"])

    result = crowd.desk.run("sessions", "list", *options, "--json")

    assert crowd.names({info["id"] for info in json.loads(result.stdout)["sessions"]}) == names


def test_few_matches_among_many_are_found_in_few_pages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that few rows match reads larger and larger pages, and skips no match when a page holds too many."""
    plain = Crowd(desk)
    rare = [plain.add(desk.sessions, "zoe", roles=["rare"]) for _ in range(7)]
    for number in range(60):
        plain.add(desk.sessions, f"u{number}")
    rare += [plain.add(desk.sessions, "zoe", roles=["rare"]) for _ in range(2)]
    asked: list[int] = []
    browse = Sessions.browse

    def counted(self: Sessions, **terms: Any) -> Any:
        asked.append(terms["limit"])
        return browse(self, **terms)

    monkeypatch.setattr(Sessions, "browse", counted)
    met: list[str] = []
    cursor: list[str] = []
    for _ in range(20):
        page = json.loads(desk.run("sessions", "list", "--role", "rare", "--limit", "3", "--json", *cursor).stdout)
        assert len(page["sessions"]) <= 3
        met += [info["id"] for info in page["sessions"]]
        if page["next"] is None:
            break
        cursor = ["--after", page["next"]]

    assert sorted(met) == sorted(rare)
    assert max(asked) > 3


def test_a_page_with_more_to_come_is_half_full_at_least(desk: Desk) -> None:
    """Reading goes on after the first match: every page but the last holds half of what was asked for."""
    plain = Crowd(desk)
    rare: list[str] = []
    for number in range(40):
        rare += [plain.add(desk.sessions, "zoe", roles=["rare"])] if number % 8 == 0 else []
        plain.add(desk.sessions, f"u{number}")
    pages: list[list[str]] = []
    cursor: list[str] = []
    while True:
        page = desk.json("sessions", "list", "--role", "rare", "--limit", "4", *cursor)
        pages.append([info["id"] for info in page["sessions"]])
        if page["next"] is None:
            break
        cursor = ["--after", page["next"]]

    assert sorted(one for page in pages for one in page) == sorted(rare)
    assert all(len(page) >= 2 for page in pages[:-1])


@pytest.mark.parametrize(
    "options",
    [
        ("--address", "10.0.0.0/33"),
        ("--seen-before", "yesterday"),
        ("--seen-before", "2026-13-01"),
        ("--created-before", "9d", "--created-after", "1d"),
        ("--reason", "boredom"),
        ("--user", "ann", "--anonymous"),
        ("--signed-in", "--anonymous"),
    ],
    ids=named,
)
def test_what_cannot_be_read_is_wrong_usage(crowd: Crowd, options: tuple[str, ...]) -> None:
    """A filter that cannot be read, or that nothing can match, is exit code 2 and says what to write."""
    result = crowd.desk.run("sessions", "list", *options)

    assert (result.exit_code, result.stdout) == (2, "")
    assert re.search(r"such as|choose one|nothing lies between|leave out", words(result.stderr))


# --- revoke


def alive(crowd: Crowd) -> set[str]:
    """Return the names of the live sessions."""
    return crowd.names(crowd.desk.live())


@pytest.mark.parametrize(
    ("options", "names"), [(o, n) for o, n in CHOICES if o[0] != "--user" or len(o) > 2], ids=named
)
def test_revoke_ends_what_all_options_choose(crowd: Crowd, options: tuple[str, ...], names: set[str]) -> None:
    """``sessions revoke`` with the same filters ends the same sessions and no other; a dry run only counts them."""
    before = alive(crowd)
    dry = crowd.desk.run("sessions", "revoke", *options, "--dry-run", "--json")
    assert json.loads(dry.stdout) == {"would_revoke": len(names)}
    assert alive(crowd) == before

    done = crowd.desk.run("sessions", "revoke", *options, "--yes", "--json")

    assert json.loads(done.stdout) == {"revoked": len(names)}
    assert alive(crowd) == before - names
    assert done.exit_code == dry.exit_code == (0 if names else 1)


def test_revoke_of_a_choice_asks_for_the_number(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """A choice is said in words with its number, which has to be typed; a yes is not enough, nor is nobody to ask."""
    choice = ("sessions", "revoke", "--address", "203.0.113.0/24", "--signed-in")
    alone = crowd.desk.run(*choice, input="2\n")
    assert (alone.exit_code, "--yes" in alone.stderr) == (1, True)

    monkeypatch.setattr(orders, "at_terminal", lambda: True)
    for answer in ("y\n", "3\n", "\n"):
        refused = crowd.desk.run(*choice, input=answer)
        assert (refused.exit_code, refused.stdout) == (1, "")
    assert "This ends 2 sessions: signed-in sessions from 203.0.113.0/24. Type 2 to go on" in refused.stderr
    assert alive(crowd) == {"older seen", "phone", "admin", "nobody"}

    agreed = crowd.desk.run(*choice, input="2\n")
    assert (agreed.exit_code, agreed.stdout) == (0, "2 sessions ended\n")
    assert alive(crowd) == {"phone", "nobody"}
    nothing = crowd.desk.run(*choice, input="0\n")
    assert (nothing.exit_code, "no such live session" in nothing.stderr) == (1, True)


def test_revoke_takes_several_ids(crowd: Crowd) -> None:
    """Several ids end those sessions; one that is no id ends none of them."""
    two = [crowd.ids["phone"], crowd.ids["admin"]]

    assert crowd.desk.run("sessions", "revoke", *two, "nonsense").exit_code == 2
    assert crowd.desk.json("sessions", "revoke", *two, "--dry-run") == {"would_revoke": 2}
    assert crowd.desk.json("sessions", "revoke", *two, NOBODY) == {"revoked": 2}
    assert alive(crowd) == {"older seen", "nobody"}


def test_dry_runs_of_a_user_and_of_everybody(crowd: Crowd) -> None:
    """``--dry-run`` counts for ``--user``, with ``--keep`` too, and for ``--all``, and raises no epoch."""
    epoch = crowd.desk.sessions.epoch("ann")

    assert crowd.desk.json("sessions", "revoke", "--user", "ann", "--dry-run") == {"would_revoke": 1}
    kept = crowd.desk.run("sessions", "revoke", "--user", "ann", "--keep", crowd.ids["phone"], "--dry-run")
    assert (kept.exit_code, "no such live session" in kept.stderr) == (1, True)
    assert crowd.desk.json("sessions", "revoke", "--all", "--dry-run") == {"would_revoke": 4}
    said = crowd.desk.run("sessions", "revoke", "--all", "--dry-run")
    assert said.stdout == "4 sessions would end; nothing was ended\n"
    assert crowd.desk.sessions.epoch("ann") == epoch
    assert len(alive(crowd)) == 4


@pytest.mark.parametrize(
    "target",
    [
        (NOBODY, "--role", "admin"),
        ("--all", "--role", "admin"),
        ("--user", "ann", "--role", "admin", "--keep", NOBODY),
        ("--dry-run",),
    ],
)
def test_a_choice_goes_with_nothing_else(crowd: Crowd, target: tuple[str, ...]) -> None:
    """Filters beside ids or ``--all``, and ``--keep`` beside filters, are wrong usage and end nothing."""
    before = alive(crowd)

    assert crowd.desk.run("sessions", "revoke", *target, "--yes").exit_code == 2
    assert alive(crowd) == before


def test_progress_is_a_bar_at_a_terminal_and_lines_elsewhere(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long work shows how far it has come on stderr, at a terminal and elsewhere; stdout holds the result alone."""
    choice = ("sessions", "revoke", "--signed-in", "--dry-run")
    quiet = crowd.desk.run(*choice)
    assert quiet.stderr == ""

    monkeypatch.setattr(progress, "EVERY", 0.0)
    lines = crowd.desk.run(*choice)
    assert lines.stdout == "3 sessions would end; nothing was ended\n"
    assert "3 found, 5 looked at\n" in lines.stderr
    bar = crowd.desk.run("sessions", "revoke", "--signed-in", "--yes", env={"FORCE_COLOR": "1", "TERM": "xterm"})
    assert bar.stdout == "3 sessions ended\n"
    assert "3 ended, 5 looked at" in bar.stderr


def test_a_choice_needs_a_store_that_browses(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everybody's sessions cannot be walked through, a choice is refused in words: exit code 2."""
    traits = crowd.desk.sessions.store.traits
    narrow = replace(traits, capabilities=traits.capabilities - {Capability.BROWSE})
    monkeypatch.setattr(SqliteStore, "traits", narrow)

    refused = crowd.desk.run("sessions", "revoke", "--role", "admin", "--yes")
    assert (refused.exit_code, "cannot browse" in refused.stderr) == (2, True)
    phones = crowd.desk.json("sessions", "list", "--user", "ann", "--device", "android")["sessions"]
    assert [info["id"] for info in phones] == [crowd.ids["phone"]]


def test_an_unconfirmed_choice_says_what_to_do(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was ended and too few replicas confirmed is exit code 3, and not told as an outage."""

    def unconfirmed(*_args: object, **_terms: object) -> int:
        raise Unconfirmed("2 sessions were ended, and too few replicas confirmed 2 of them")

    monkeypatch.setattr(Sessions, "revoke_where", unconfirmed)
    result = crowd.desk.run("sessions", "revoke", "--role", "admin", "--yes")

    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("done, but not confirmed: 2 sessions were ended")
