"""``coatcheck check``: the nine items, each judged from real objects, each able to fail (S-99)."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from coatcheck import Policy
from coatcheck.cli import checking
from coatcheck.cli.asking import Answer
from coatcheck.cli.checklist import Evidence, State, judge
from coatcheck.policy_mark import NOTHING_ADDED
from coatcheck.session import BlockingSession
from coatcheck.stores.contract import Capability, Traits
from coatcheck.stores.memory import MemoryStore
from coatcheck.stores.redis.verbs import RedisStore
from coatcheck.web.settings import Options
from tests.fast.cli.applications import GOOD, write
from tests.fast.cli.conftest import run, words

TRAITS = Traits(
    name="redis", capabilities=frozenset({Capability.COUNTERS}), blocking=False, persistent=True, shared=True
)
SOUND: dict[str, Any] = {
    "name": "shop:app",
    "policy": Policy(max_sessions=5),
    "store": TRAITS,
    "cookie": Options(),
    "new_tickets": True,
    "devices": True,
    "page": "current",
    "page_path": "SESSIONS.md",
}


def items(*words: str, code: int | None = None) -> dict[int, dict[str, Any]]:
    """Run ``check`` and return its items by number."""
    result = run("check", *words, "--json")
    document = json.loads(result.stdout)
    silent = "the store did not answer" in document["items"][0]["finding"]
    expected = 1 if document["failed"] else 3 if silent else 0
    assert result.exit_code == expected == (result.exit_code if code is None else code)
    assert [document[state] for state in State] == [
        sum(item["state"] == state for item in document["items"]) for state in State
    ]
    return {item["number"]: item for item in document["items"]}


def states(found: dict[int, dict[str, Any]]) -> str:
    """Return the nine judgements as letters: p, f, u."""
    return "".join(item["state"][0] for _, item in sorted(found.items()))


def fill(page: Path) -> None:
    """Write into the page what a person has to add."""
    page.write_text(page.read_text().replace(NOTHING_ADDED, "Nothing deviates, and nobody else makes sessions."))


def test_a_sound_application_fails_nothing_and_hides_nothing() -> None:
    """S-99: nine judgements; what cannot be seen from here is said to be so and never called passed."""
    module = write(GOOD)
    assert run("policy", f"{module}:app", "--report", "--output", "SESSIONS.md").exit_code == 0
    fill(Path("SESSIONS.md"))

    found = items(f"{module}:app", code=0)

    assert states(found) == "pppuuppup"
    assert "whether your sign-in calls it cannot be seen" in found[5]["finding"]
    assert "whether changes also check Origin or a token cannot be seen" in found[4]["finding"]
    assert not Path("app.db").exists()


def test_a_careless_application_fails_with_the_lines_to_change() -> None:
    """S-99: each failure says why, and the line to write; exit code 1."""
    module = write("""
        policy = Policy(absolute_timeout=None, count_every=None)
        sessions = AsyncSessions("memory://", policy=policy)
        app = Starlette()
        app.add_middleware(SessionMiddleware, sessions=sessions, cookie_name="sid", same_site="none")
    """)

    found = items(f"{module}:app", code=1)

    assert states(found) == "ffffuffuf"
    lines = {number: item["line"] for number, item in found.items() if item["state"] == "failed"}
    assert lines == {
        1: 'AsyncSessions("sqlite:///sessions.db")',
        2: 'SessionMiddleware(cookie_name="__Host-sid")',
        3: 'Policy(absolute_timeout="30d")',
        4: 'SessionMiddleware(same_site="lax")',
        6: "Policy(max_sessions=5)",
        7: 'Policy(count_every="10s")',
        9: f"coatcheck policy {module}:app --report --output SESSIONS.md",
    }


def test_what_is_not_there_is_not_judged() -> None:
    """A policy alone says nothing of store and cookie, a manager alone nothing of the cookie: unseen, not passed."""
    module = write(GOOD)

    policy, manager = items(f"{module}:sessions.policy"), items(f"{module}:sessions")

    assert states(policy) == "uuuuupuuf"
    assert states(manager) == "puuuuppuf"
    for found in (policy, manager):
        assert "whether anybody removes them is not seen" in found[3]["finding"]
        assert found[3]["line"] == "coatcheck sweep, from cron"


VARIANTS: list[tuple[int, dict[str, Any], State, str]] = [
    (1, {"answer": Answer(faults=("evicts keys when it is full",))}, State.FAILED, "evicts keys"),
    (1, {"answer": Answer(unknown=("its maxmemory-policy could not be checked",))}, State.UNSEEN, "maxmemory"),
    (1, {"answer": Answer(faults=("evicts",), unknown=("untold",))}, State.FAILED, "evicts"),
    (1, {"answer": Answer(silent="refused")}, State.UNSEEN, "did not answer: refused"),
    (1, {}, State.PASSED, "survives a restart"),
    (2, {"cookie": Options(cookie_name="sid", domain="example.com")}, State.FAILED, "no prefix"),
    (2, {"cookie": Options(cookie_name="__shop")}, State.FAILED, "no prefix"),
    (2, {"cookie": Options(cookie_name="__Http-sid")}, State.PASSED, "__Http-sid"),
    (2, {"cookie": Options(allow_http_hosts=["intra"])}, State.FAILED, "unencrypted on intra"),
    (2, {"cookie": Options(cookie_name="__Secure-sid", domain="example.com")}, State.PASSED, "below example.com"),
    (3, {}, State.PASSED, "after 7 days without activity and after 30 days at last, remembered ones after 30 days"),
    (3, {"policy": Policy(sweep_every=None)}, State.UNSEEN, "something else has to"),
    (3, {"cookie": None}, State.UNSEEN, "whether anybody removes them is not seen"),
    (3, {"policy": Policy(idle_timeout="400d", absolute_timeout="400d")}, State.UNSEEN, "400 days instead of 30 days"),
    (3, {"policy": Policy(rotate_every=None)}, State.UNSEEN, "rotate_every is off instead of 1 day"),
    (3, {"policy": Policy(data_limit=20_000)}, State.PASSED, "after 30 days at last"),
    (3, {"policy": Policy(remember_absolute_timeout=None)}, State.FAILED, "remember_absolute_timeout is off"),
    (
        3,
        {"policy": Policy.sensitive().adjusted(remember_absolute_timeout=None)},
        State.PASSED,
        "sessions end after 30 minutes without activity and after 12 hours at last; the middleware removes",
    ),
    (3, {"policy": Policy(idle_timeout=None)}, State.UNSEEN, "sessions end after 30 days at last, remembered"),
    (4, {"cookie": Options(same_site="strict")}, State.UNSEEN, "SameSite=Strict"),
    (5, {"new_tickets": False}, State.FAILED, "kept the old ticket alive"),
    (5, {}, State.UNSEEN, "coatcheck's login(), tried with this policy"),
    (6, {"policy": Policy()}, State.FAILED, "max_sessions is not set"),
    (6, {"policy": Policy(max_sessions=100)}, State.PASSED, "at most 100"),
    (6, {"policy": Policy(max_sessions=1_000_000)}, State.UNSEEN, "at most 1000000"),
    (6, {"policy": Policy(max_sessions=2, at_limit="reject")}, State.PASSED, "is refused"),
    (7, {"policy": Policy(count_every=None), "listeners": 1}, State.PASSED, "listens"),
    (7, {"policy": Policy(count_every=None)}, State.FAILED, "nobody listens"),
    (7, {"store": Traits(name="own", capabilities=frozenset(), blocking=True, persistent=True, shared=True)},
     State.FAILED, "keeps no counts"),
    (8, {"devices": False}, State.FAILED, "cannot tell devices apart"),
    (9, {"page": "outdated"}, State.FAILED, "other settings"),
    (9, {"page": "by hand"}, State.UNSEEN, "still right"),
    (9, {"page": "edited"}, State.UNSEEN, "changed by hand"),
    (9, {"page": "another"}, State.FAILED, "another application"),
    (9, {"page": "bare"}, State.UNSEEN, "still empty"),
    (9, {"page": "current"}, State.PASSED, "which nobody judged here"),
    (9, {"page": "missing"}, State.FAILED, "SESSIONS.md is not there"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "change", "state", "said"), VARIANTS, ids=lambda value: str(value)[:60])
def test_each_item_by_its_evidence(number: int, change: dict[str, Any], state: State, said: str) -> None:
    """S-99: each judgement follows from its evidence, and no other item's changes with it without cause."""
    before = judge(Evidence(**SOUND))
    after = judge(Evidence(**SOUND | change))

    assert (after[number - 1].state, said in after[number - 1].finding) == (state, True)
    assert [item.number for item in after] == list(range(1, 10))
    assert [item.state.value[0] for item in before] == list("pppuuppup")


def test_the_trial_sign_in_would_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fifth item is a trial and not a promise: a sign-in that keeps its ticket is found; each policy passes."""
    for policy in (Policy(), Policy.critical(), Policy(anonymous=False, max_sessions=1, at_limit="reject")):
        assert checking.makes_new_tickets(policy)

    create = MemoryStore.create

    async def spare(store: MemoryStore, record: Any, **terms: Any) -> Any:
        """Make the new session and leave the old one alive."""
        return await create(store, record, **terms | {"replacing": None})

    with monkeypatch.context() as patched:
        patched.setattr(MemoryStore, "create", spare)
        assert not checking.makes_new_tickets(Policy())

    def stay(*_args: object, **_options: object) -> None:
        """Sign nobody in."""

    monkeypatch.setattr(BlockingSession, "login", stay)
    assert not checking.makes_new_tickets(Policy())


def test_the_page_is_looked_for_and_compared(tmp_path: Path) -> None:
    """The ninth item finds SESSIONS.md, docs/sessions.md or ``--report-file``, and notices that settings changed."""
    app = f"{write(GOOD)}:app"
    (tmp_path / "docs").mkdir()
    assert items(app)[9]["finding"] == "SESSIONS.md is not there"

    run("policy", app, "--report", "--output", "docs/sessions.md")
    assert (items(app)[9]["state"], "still empty" in items(app)[9]["finding"]) == ("unseen", True)
    fill(tmp_path / "docs" / "sessions.md")
    assert items(app)[9]["finding"].startswith("docs/sessions.md states the settings")
    assert "written for another application" in items(f"{write(GOOD)}:app")[9]["finding"]

    module = app.partition(":")[0]
    Path(f"{module}.py").write_text(Path(f"{module}.py").read_text().replace("max_sessions=5", "max_sessions=6"))
    sys.modules.pop(module)
    importlib.invalidate_caches()
    assert items(app)[9]["finding"] == "docs/sessions.md was written for other settings"

    Path("page.md").write_text("# Sessions, by hand\n")
    assert items(app, "--report-file", "page.md")[9]["state"] == "unseen"
    assert items(app, "--report-file", "none.md")[9]["finding"] == "none.md is not there"


def test_a_page_that_lies_does_not_pass() -> None:
    """S-100: a number changed by hand is seen, told with the line that writes the page again, and mended by it."""
    app = f"{write(GOOD)}:app"
    page = Path("SESSIONS.md")
    assert run("policy", app, "--report", "--output", "SESSIONS.md").exit_code == 0
    fill(page)
    assert items(app, code=0)[9]["state"] == "passed"

    page.write_text(page.read_text().replace("30 minutes", "5 minutes"))
    judged = items(app)[9]
    assert (judged["state"], "changed by hand" in judged["finding"]) == ("unseen", True)

    assert run(*judged["line"].split()[1:]).exit_code == 0
    assert "30 minutes" in page.read_text()
    assert "nobody else makes sessions" in page.read_text()
    assert items(app)[9]["state"] == "passed"


def test_devices_need_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra ``devices`` the eighth item fails with the command that adds it."""
    monkeypatch.setitem(sys.modules, "ua_parser", None)
    monkeypatch.setattr(checking.importlib.util, "find_spec", lambda _name: None)

    assert items(f"{write(GOOD)}:app")[8]["line"] == 'pip install "coatcheck[devices]"'


REDIS = """
    policy = Policy(max_sessions=5)
    sessions = AsyncSessions("redis://:hunter2@127.0.0.1:1/0", policy=policy)
    blocking = Sessions("redis://:hunter2@127.0.0.1:1/0", policy=policy)
"""
EVICTS = "Redis at x evicts keys when it is full: sessions will be lost"
UNTOLD = "Redis at x does not tell its replicas, so that could not be checked"


@pytest.mark.parametrize("name", ["sessions", "blocking"])
def test_a_silent_server_is_unseen_and_is_not_asked_offline(name: str) -> None:
    """The first item opens the store's server: whether one that is silent is sound is not seen; --offline asks none."""
    app = f"{write(REDIS)}:{name}"

    silent, offline = items(app)[1], items(app, "--offline")[1]

    assert (silent["state"], "127.0.0.1:1" in silent["finding"]) == ("unseen", True)
    assert "hunter2" not in silent["finding"]
    assert silent["line"] == f"coatcheck check {app} --wait"
    assert (offline["state"], "--offline" in offline["finding"]) == ("unseen", True)


@pytest.mark.parametrize("name", ["sessions", "blocking"])
@pytest.mark.parametrize(
    ("warnings", "state"), [([EVICTS, UNTOLD], "failed"), ([UNTOLD], "unseen"), ([], "passed")], ids=["f", "u", "p"]
)
def test_what_a_server_says_of_itself_is_judged(
    name: str, warnings: list[str], state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-63: a Redis that may evict sessions fails the first item; what it does not tell is unseen."""

    async def opened(store: RedisStore) -> None:
        store.link.warnings = warnings

    async def nothing(_store: RedisStore) -> None:
        return None

    monkeypatch.setattr(RedisStore, "open", opened)
    monkeypatch.setattr(RedisStore, "clock", nothing)
    judged = items(f"{write(REDIS)}:{name}")[1]

    assert judged["state"] == state
    if warnings:
        assert judged["finding"] == warnings[0]


def test_a_store_of_ones_own_is_asked_too() -> None:
    """A store that coatcheck does not know is judged by what it declares, and opened to see that it answers."""
    module = write("""
        from coatcheck import StoreUnavailable
        from coatcheck.stores.memory import MemoryStore
        from coatcheck.model import replace

        class Own(MemoryStore):
            @property
            def traits(self):
                return replace(super().traits, name="own", persistent=True, shared=True)

        class Silent(Own):
            async def open(self):
                raise StoreUnavailable("no answer")

        sessions = Sessions(Own())
        silent = Sessions(Silent())
    """)

    found = items(f"{module}:sessions")[1]
    assert found["finding"] == "the own store survives a restart and is shared by all processes"
    assert items(f"{module}:silent")[1]["finding"] == "the store did not answer: no answer"


@pytest.mark.parametrize("columns", [40, 60, 200])
def test_people_read_nine_items(columns: int) -> None:
    """S-99: nine items, each with its judgement and its finding, and the count of each judgement, in any width."""
    result = run("check", f"{write(GOOD)}:app", columns=columns)

    assert result.exit_code == 1
    assert max(len(line.rstrip()) for line in result.stdout.splitlines()) <= columns
    told = words(result.stdout)
    for number in range(1, 10):
        assert f" {number}. " in f" {told}"
    assert "failed 9. Session management is documented for the team SESSIONS.md is not there to mend: coatcheck" in told
    assert told.endswith("5 passed, 1 failed, 3 unseen")


def test_an_application_that_leads_nowhere_is_wrong_usage() -> None:
    """What cannot be found is exit code 2 and no judgement."""
    result = run("check", "nowhere:app")

    assert (result.exit_code, result.stdout) == (2, "")
