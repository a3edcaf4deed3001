"""``coatcheck policy``: finding an application's policy, saying what it means, and the page that a team files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coatcheck import Policy, Sessions, __version__
from coatcheck.policy_mark import NOTHING_ADDED
from coatcheck.policy_words import sentence
from coatcheck.profiles import PRESETS, PROFILES
from coatcheck.testing import FrozenClock
from tests.fast.cli.applications import GOOD, write
from tests.fast.cli.conftest import run, words

SHAPES = """
    policy = Policy.critical().adjusted(max_sessions=7)
    sessions = AsyncSessions("memory://", policy=policy)
    blocking = Sessions("sqlite:///app.db", policy=policy)
    app = Starlette()
    app.add_middleware(SessionMiddleware, sessions=sessions)
    wrapped = SessionMiddleware(Starlette(), sessions=sessions)
    mounted = Starlette(routes=[Mount("/shop", app=app)])

    class Outside:
        def __init__(self, inner):
            self.app = inner

        async def __call__(self, scope, receive, send):
            await self.app(scope, receive, send)

    deep = Outside(Outside(app))
    built = Starlette(routes=[Mount("/shop", app=Outside(wrapped))])
    built.middleware_stack = built.build_middleware_stack()

    class Space:
        inner = app
"""


@pytest.mark.parametrize(
    "name", ["policy", "sessions", "blocking", "app", "wrapped", "mounted", "deep", "built", "Space.inner"]
)
def test_a_policy_is_found_wherever_it_is(name: str) -> None:
    """APP leads to a policy, a manager, or an application with the middleware at any depth; nothing is opened."""
    told = json.loads(run("policy", f"{write(SHAPES)}:{name}", "--json").stdout)

    assert told["profile"] == "critical"
    assert told["sentence"] == sentence(Policy.critical().adjusted(max_sessions=7))
    changed = [row["name"] for row in told["settings"] if row["source"] == "changed"]
    assert changed == ["max_sessions"]
    assert not Path("app.db").exists()


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("nowhere", "must say a module and a name"),
        ("nowhere:app", "there is no module 'nowhere' to import from this directory"),
        ("{module}:", "must say a module and a name"),
        ("{module}:nothing", "has no 'nothing'; there is policy, sessions, blocking, app"),
        ("{module}:app.nothing", "has no 'app.nothing'"),
        ("{module}:SHAPE", "has no 'SHAPE'"),
        ("{module}:Outside", "name an AsyncSessions"),
        ("{module}:Starlette", "as it is after it was built"),
        ("json:dumps", "is a function"),
        ("sys:maxsize", "is a int; name an AsyncSessions"),
        ("{plain}:app", "is a Starlette without SessionMiddleware; add it: app.add_middleware(SessionMiddleware"),
    ],
)
def test_what_leads_nowhere_is_told_in_a_sentence(app: str, said: str) -> None:
    """A wrong import string or a wrong object is exit code 2 and one sentence that says what to name instead."""
    result = run("policy", app.format(module=write(SHAPES), plain=write("app = Starlette()")))

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in words(result.stderr)
    assert "Traceback" not in result.stderr


def test_what_an_import_raises_is_told_without_its_words() -> None:
    """An application that cannot be imported is told with the place; its own message may hold a password and is not."""
    module = write("password = 'hunter2'\nraise ValueError(password)")
    broken = run("policy", f"{module}:app")
    assert broken.exit_code == 2
    assert "raised ValueError in " in words(broken.stderr)
    assert "hunter2" not in broken.output

    assert "needs nothing_like_it, which is not installed" in words(
        run("policy", f"{write('import nothing_like_it')}:app").stderr
    )
    wrong = run("policy", f"{write('sessions = AsyncSessions(policy=Policy(max_sessions=0))')}:sessions")
    assert (wrong.exit_code, "max_sessions=0 must be" in words(wrong.stderr)) == (2, True)
    assert run("policy", f"{write('raise SystemExit(5)')}:app").exit_code == 2


def test_what_an_application_prints_stays_out_of_the_result() -> None:
    """What a module prints while it is imported goes to stderr: stdout is one document."""
    module = write('print("starting up")\npolicy = Policy()')

    result = run("policy", f"{module}:policy", "--json")

    assert json.loads(result.stdout)["profile"] == "web"
    assert "starting up" in result.stderr


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_people_read_the_sentence_the_settings_and_what_is_looser(columns: int) -> None:
    """The sentence, every setting with where it comes from, and each looser one with why and the line: in any width."""
    module = write("policy = Policy.sensitive().adjusted(idle_timeout='2h', absolute_timeout=None, max_sessions=5)")

    shown = run("policy", f"{module}:policy", columns=columns).stdout

    assert max(len(line.rstrip()) for line in shown.splitlines()) <= columns
    told = words(shown)
    assert "stays signed in for 2 hours after the last visit" in told
    narrow = columns < 56
    assert ("idle_timeout 2 hours (changed)" if narrow else "idle_timeout 2 hours changed") in told
    assert ("persistent no (profile)" if narrow else "persistent no profile") in told
    assert ("remember_absolute_timeout 30 days (default)" if narrow else "rotate_every 1 day default") in told
    assert "Looser than the profile sensitive:" in told
    assert "absolute_timeout: off instead of 12 hours" in told
    assert 'write: Policy(idle_timeout="30m")' in told
    assert ("changed, else 30 minutes" in told) is (columns >= 100)


def test_nothing_looser_is_said_too() -> None:
    """Without APP the default policy is explained, or another profile; that nothing is looser is said."""
    told = words(run("policy").stdout)
    assert sentence(Policy()) in told
    assert "Nothing is looser than the profile web." in told

    for name in (*PRESETS, *PROFILES):
        assert sentence(Policy.from_profile(name)) in words(run("policy", "--profile", name).stdout)
    unknown = run("policy", "--profile", "paranoid")
    assert (unknown.exit_code, "nist_aal2" in words(unknown.stderr)) == (2, True)


def test_an_application_can_be_held_against_another_profile() -> None:
    """7.1.1: ``--profile`` with APP compares with that profile."""
    told = json.loads(run("policy", f"{write(GOOD)}:app", "--profile", "nist_aal3", "--json").stdout)

    assert told["profile"] == "nist_aal3"
    assert [one["name"] for one in told["looser"]] == ["idle_timeout", "aal"]
    assert told["looser"][0]["line"] == 'idle_timeout="15m"'


def test_the_page_is_written_from_the_application(tmp_path: Path) -> None:
    """S-100: ``--report`` writes store, cookie, timeouts and versions as they are, to stdout or a file."""
    module = write(GOOD)

    printed = run("policy", f"{module}:app", "--report")
    assert printed.exit_code == 0
    for part in (
        f"# Sessions of {module}:app",
        "The store is SQLite: sessions survive a restart",
        "| name | __Host-session |",
        "| attributes | Path=/; Secure; HttpOnly; SameSite=Strict |",
        "`SameSite=Strict` is one defence",
        f"coatcheck {__version__}",
        "| signed in | after 30 minutes | after 12 hours | ends with the browser |",
        "with at most 5 browsers at once",
    ):
        assert part in printed.stdout

    written = run("policy", f"{module}:app", "--report", "--output", "page.md")
    assert (written.exit_code, written.stdout) == (0, "")
    assert (tmp_path / "page.md").read_text() == printed.stdout
    (tmp_path / "page.md").write_text(printed.stdout.replace(NOTHING_ADDED, "Our reasons."))
    assert run("policy", f"{module}:sessions", "--report", "--output", "page.md").exit_code == 0
    assert "\nOur reasons.\n" in (tmp_path / "page.md").read_text()
    assert NOTHING_ADDED not in (tmp_path / "page.md").read_text()
    assert run("policy", f"{module}:app", "--report", "--output", "no/such/folder.md").exit_code == 2


def test_what_the_team_wrote_is_never_lost(tmp_path: Path) -> None:
    """A page whose marks of the team's part are damaged is not written over: exit code 2, with what to mend."""
    page, module = tmp_path / "page.md", write(GOOD)
    page.write_text("<!-- the team's part begins -->\nOur reasons.\n")

    refused = run("policy", f"{module}:app", "--report", "--output", "page.md")

    assert (refused.exit_code, "must each be there once" in words(refused.stderr)) == (2, True)
    assert page.read_text() == "<!-- the team's part begins -->\nOur reasons.\n"


_LEFT = "what is left of the absolute timeout"
LIVES = [
    ({}, f"{_LEFT}; none after login(remember=False)"),
    ({"persistent": False, "allow_remember": False}, "none: it ends with the browser"),
    (
        {"persistent": False},
        "none: it ends with the browser; after login(remember=True) what is left of the absolute timeout",
    ),
    (
        {"absolute_timeout": None},
        f"the idle timeout; after login(remember=True) {_LEFT}; none after login(remember=False)",
    ),
    ({"absolute_timeout": None, "allow_remember": False}, "the idle timeout; none after login(remember=False)"),
]


@pytest.mark.parametrize(("changes", "told"), LIVES, ids=str)
def test_the_page_states_the_cookie_s_max_age(changes: dict[str, Any], told: str) -> None:
    """S-100: Max-Age follows the absolute clock, or the idle one where it is off, for each kind of sign-in."""
    module = write(GOOD.replace("Policy.sensitive().adjusted(max_sessions=5)", f"Policy(**{changes!r})"))

    assert f"| Max-Age | {told} |" in run("policy", f"{module}:app", "--report").stdout


@pytest.mark.parametrize("changes", [changes for changes, _ in LIVES], ids=str)
def test_the_max_age_that_is_stated_is_sent(changes: dict[str, Any]) -> None:
    """What the page says of Max-Age is what sign-ins get, each kind of them."""
    policy = Policy(**changes)
    clock = FrozenClock()
    with Sessions("memory://", policy=policy, clock=clock) as sessions:
        for remember in (None, False, *([True] if policy.allow_remember else [])):
            session = sessions.load(None)
            session.login("ann", remember=remember)
            deadline = sessions.save(session).deadline
            span = policy.span("remember_me" if remember else "default")
            kept = policy.persistent if remember is None else remember
            wanted = (span.idle if span.absolute is None else span.absolute) if kept else None
            assert (None if deadline is None else deadline - round(clock() * 1000)) == wanted


def test_the_page_never_holds_a_store_s_address() -> None:
    """A store's URL may hold a password, so that neither page nor explanation shows any of it (promise 7)."""
    module = write('sessions = AsyncSessions("redis://user:hunter2@cache.example/3", policy=Policy())')

    for options in ((), ("--report",), ("--json",)):
        result = run("policy", f"{module}:sessions", *options)
        assert result.exit_code == 0
        assert "hunter2" not in result.output
        assert "cache.example" not in result.output
    assert "The store is Redis" in run("policy", f"{module}:sessions", "--report").stdout


@pytest.mark.parametrize("options", [("--output", "x.md"), ("--report", "--json")])
def test_options_that_do_not_go_together(options: tuple[str, ...]) -> None:
    """``--output`` without a report, and a report as JSON, are wrong usage."""
    assert run("policy", *options).exit_code == 2
