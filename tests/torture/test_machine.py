"""The machine itself: real runs of several processes, its plans, its faults, its verdicts, its command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from coatcheck.stores.memory import MemoryStore
from tests.servers import binaries
from tests.servers.fixtures import Gap, needed
from tests.stores import broken
from tests.torture._histories import history, op
from tests.torture.test_broken_stores import play
from torture import faults, kept, reporting
from torture.faults import Pair
from torture.guarantees import GUARANTEES, WINDOW, allowed, repeated
from torture.history import History, Op, Terms, keep, read, ticket_name
from torture.judgements import Judgement, judged
from torture.judging.rules import CHECKER, RULES
from torture.recording import WROTE, Recorder
from torture.running import Options, Run, summed
from torture.setups import NAMES, Setup, ready
from torture.shared import Shared
from torture.stalling import Stall

ROOT = Path(__file__).resolve().parents[2]


def run(store: str, folder: Path, *, operations: int, processes: int, wanted: str = "none") -> Any:
    """Make a whole run and return its sums."""
    options = Options(
        store=store, operations=operations, processes=processes, tasks=8, seed=3, steps=2000, faults=wanted
    )
    with ready(store, folder, faults=wanted != "none") as setup:
        events = faults.plan(faults.chosen(wanted, setup.faults), rounds=options.rounds, steps=2000 * processes, seed=3)
        return summed(Run(options, setup, events, folder, folder / "found").go(lambda _rounds, _steps: None))


@pytest.mark.parametrize(("store", "processes"), [("memory", 1), ("sqlite", 2)])
def test_a_short_run_breaks_no_promise(store: str, processes: int, tmp_path: Path) -> None:
    """Many browsers at once, from several processes where the store is shared (promises 1 to 8)."""
    total = run(store, tmp_path, operations=8000, processes=processes)
    assert total.stories == []
    assert total.violations == {}
    assert total.steps > 6000
    assert sum(total.checked.values()) > 20_000
    untested = {rule for rule in RULES if not total.checked.get(rule)}
    assert untested <= {  # rare in so short a run
        "a rotation by age signs nobody out", "no digest is shown", "a sign-in under way is refused",
        "no sign-in under way brings old roles back", "a sign-in is refused only after a revocation",
    }  # fmt: skip


def test_a_run_over_redis_that_is_killed_breaks_no_promise(tmp_path: Path, gap: Gap) -> None:
    """SIGKILL and a start on its files, in each round, while browsers of two processes go on (promises 1 to 9)."""
    needed(binaries.redis, gap)
    total = run("redis", tmp_path, operations=8000, processes=2, wanted="kill")
    assert total.stories == []
    assert total.violations == {}
    assert total.faults.get("kill")
    assert total.steps > 6000
    assert sum(total.checked.values()) > 20_000


def test_a_run_over_postgresql_breaks_no_promise(tmp_path: Path, gap: Gap) -> None:
    """What is true of the embedded stores is true of the server, from two processes (promises 1 to 9)."""
    needed(lambda: binaries.postgres(15), gap)
    total = run("postgres15", tmp_path, operations=4000, processes=2)
    assert total.stories == []
    assert total.violations == {}
    assert total.steps > 3000
    assert total.checked["without a fault every step is answered"] > 3000


@pytest.mark.parametrize(
    "store",
    [
        "redis://ann:hush@host:6379/0",
        "redis://host:6379/0?password=hush",
        "redis+sentinel://host:26379/main?sentinel_password=hush",
        "postgresql:///db?host=/tmp&password=hush",
        "redis://:hu#sh@host",
        "host=/tmp password=hush",
    ],
)
def test_a_command_holds_no_password(store: str) -> None:
    """It is written into results, histories and docs; whatever may hold a password is left out (promise 7)."""
    command = Options(store=store, operations=1, processes=1, tasks=1, seed=1).command
    assert "hu" not in command
    assert "sh@" not in command
    assert "--store" in command


@pytest.mark.parametrize("store", ["redis", "sqlite:////tmp/sessions.db", "redis://127.0.0.1:6379/0"])
def test_a_command_names_a_store_that_has_no_password(store: str) -> None:
    """So that it can be repeated as it stands."""
    assert f"--store {store} " in Options(store=store, operations=1, processes=1, tasks=1, seed=1).command


def test_a_round_that_stands_still_names_its_open_steps(tmp_path: Path) -> None:
    """Looks are counted for as long as no step ends, and what is open is named."""
    WROTE.set([0])
    shared = Shared.create(tmp_path / "shared", 1000)
    recorder = Recorder(shared, 1)
    stall = Stall(recorder, patience=2)
    assert stall.look() is None
    recorder.end(recorder.begin(1001, 1, "load"))
    assert [stall.look(), stall.look()] == [None, None]
    recorder.begin(1002, 1, "revoke_user", user="ann")
    assert stall.look() == "process 1 ended no step for 2 s; open steps: revoke_user by actor 1002 of ann"
    shared.close()


def test_a_process_that_stands_still_ends_loudly(tmp_path: Path) -> None:
    """Also one whose event loop is blocked; the run then says that a process failed."""
    script = (
        "import sys, threading; from pathlib import Path; from torture.recording import WROTE, Recorder\n"
        "from torture.shared import Shared; from torture.stalling import loud_when_still\n"
        "WROTE.set([0]); recorder = Recorder(Shared.create(Path(sys.argv[1]), 1))\n"
        "with loud_when_still(recorder, 1): recorder.begin(7, 1, 'sweep'); threading.Event().wait()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "shared")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "open steps: sweep by actor 7" in done.stderr


def test_a_run_whose_processes_fail_is_no_success(tmp_path: Path) -> None:
    """Nothing was judged, so nothing is said to hold."""
    with pytest.raises(RuntimeError, match="a process of the torture machine failed"):
        run("sqlite:////nowhere/at/all/sessions.db", tmp_path, operations=2000, processes=1)


def test_the_same_plan_asks_for_the_same(tmp_path: Path) -> None:
    """A seed repeats what every actor does, and the plan of faults."""

    def asked() -> list[tuple[str, str, str | None]]:
        first = play(MemoryStore, 3, tmp_path).ops[:150]  # later one transaction has to wait, for a time of its own
        return [(op.verb, op.answer, op.session and op.session[4:]) for op in first]  # the tag is the store's own

    assert asked() == asked()
    one, two = (faults.plan(["kill", "cut"], rounds=4, steps=1000, seed=5) for _ in range(2))
    assert one == two
    assert [event.name for event in one] == ["kill", "cut", "kill", "cut"]
    assert all(0 < event.begins < event.ends < 1000 for event in one)


def test_a_fault_that_a_store_does_not_have_is_refused() -> None:
    """The message names the faults there are."""
    offered = {"kill": Pair(lambda: None, lambda: None)}
    assert faults.chosen("all", offered) == ["kill"]
    assert faults.chosen("none", offered) == []
    with pytest.raises(ValueError, match="no fault flood; there are: kill"):
        faults.chosen("flood", offered)


def test_a_fault_is_begun_ended_and_recorded(tmp_path: Path) -> None:
    """A fault ends when enough steps were made, and its interval is in the history."""
    shared = Shared.create(tmp_path / "shared", 1000)
    done: list[str] = []
    fault = Pair(lambda: done.append("begun"), lambda: done.append("ended"))
    op = faults.execute(faults.Event(0, "kill", 1, 2), fault, shared, over=lambda: True)
    shared.close()
    assert done == ["begun", "ended"]
    assert (op.verb, op.note) == ("fault", "kill")
    assert op.start <= op.end


def test_every_configuration_has_a_row_of_guarantees() -> None:
    """What may be lost is written down for each, and a store nobody described may lose nothing."""
    assert set(NAMES) == set(GUARANTEES)
    assert allowed("unheard-of") == {}
    assert "revocation" not in allowed("sentinels-confirmed")["failover"]
    assert all("limit" not in losses for row in GUARANTEES.values() for losses in row.values())
    assert all(millis == WINDOW for row in GUARANTEES.values() for losses in row.values() for millis in losses.values())
    assert {setup for setup in GUARANTEES if repeated(setup)} == {"sentinels", "cluster"}


def test_processes_share_a_clock_and_jars(tmp_path: Path) -> None:
    """One number for all, exact to the millisecond as a manager reads it."""
    mine = Shared.create(tmp_path / "shared", 1_900_000_000_001)
    theirs = Shared(tmp_path / "shared")
    for _ in range(1000):
        mine.advance(7)
        assert int(theirs.clock() * 1000) == theirs.now == mine.now
    mine.put(3, "token")
    assert (theirs.jar(3), theirs.jar(4)) == ("token", None)
    mine.put(3, None)
    assert theirs.jar(3) is None
    mine.close()
    theirs.close()


def test_a_history_holds_no_secret() -> None:
    """A ticket is called by its public id and a short hash (promise 7)."""
    token = "0" + "a" * 24 + "A." + "b" * 42 + "A"
    assert ticket_name(token) is not None
    assert "bbb" not in str(ticket_name(token))


def test_a_file_that_is_no_history_is_refused(tmp_path: Path) -> None:
    """Nothing is judged that was written by something else."""
    (tmp_path / "file").write_bytes(b"no history")
    with pytest.raises(ValueError, match="file is no history"):
        read(tmp_path / "file")
    keep(History(store="x", seed=1, terms=Terms(), format=99), tmp_path / "old")
    with pytest.raises(ValueError, match="format 99"):
        read(tmp_path / "old")


def test_the_command_judges_a_kept_history_again(tmp_path: Path) -> None:
    """``python -m torture judge FILE`` says the same as the run did, and ends with 1 (or 0 without a violation)."""
    for store, code in ((broken.LeaksInRepr, 1), (MemoryStore, 0)):
        played = play(store, 0, tmp_path)
        keep(played, tmp_path / "kept.msgpack.gz")
        command = [sys.executable, "-m", "torture", "judge", str(tmp_path / "kept.msgpack.gz")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == code, done.stderr
        assert all(f"BROKEN: promise {name}" in done.stdout for name in judged(played).violations)


def test_the_report_is_written_between_its_markers(tmp_path: Path) -> None:
    """The text around the generated part is a person's, and stays."""
    page = tmp_path / "page.md"
    page.write_text("text")
    with pytest.raises(ValueError, match="no markers"):
        reporting.write(tmp_path, page)
    row = {
        "store": "memory", "date": "2026-01-01", "steps": 1000, "processes": 1, "faults": "none", "faults_done": {},
        "answers": {"load unknown": 2}, "checked": {"the limit holds": 5}, "violations": {}, "losses": {},
        "seconds": 1.5, "checker": CHECKER, "command": "python -m torture run", "machine": "2 cores",
    }  # fmt: skip
    (tmp_path / "memory.json").write_text(json.dumps(row))
    page.write_text(f"before\n{reporting.BEGIN}\nstale\n{reporting.END}\nafter\n")
    reporting.write(tmp_path, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "stale" not in text
    assert "| memory | 1 | 1,000 | none | 2 | 5 | 0 | 0 |" in text
    assert "| 4 | the limit holds | 5 |" in text
    assert "| 1 | only minted tickets open | **never** |" in text


def test_runs_of_a_store_are_added_up_and_none_is_written_over(tmp_path: Path) -> None:
    """A smaller run beside a larger one adds to it; only the same command replaces its own earlier sums."""
    for operations, steps in ((2_000_000, 2_000_100), (1000, 900), (1000, 1100)):
        options = Options(store="sqlite", operations=operations, processes=2, tasks=8, seed=3)
        total = Judgement(round=1, steps=steps, checked={"the limit holds": 7})
        kept.keep(tmp_path, kept.row(options, "sqlite", total, 1.0))
    options = Options(store="sqlite", operations=1000, processes=2, tasks=8, seed=3, faults="kill")
    struck = Judgement(round=1, steps=500, faults={"kill": 2}, answers={"load unknown": 3})
    kept.keep(tmp_path, kept.row(options, "sqlite", struck, 1.0, missed=("kill",)))

    (sums,) = kept.added(kept.rows(tmp_path)).values()
    assert (sums["runs"], sums["steps"], sums["checked"]["the limit holds"]) == (3, 2_001_700, 14)
    text = reporting.generated(tmp_path)
    assert "| sqlite | 3 | 2,001,700 | 2 kill | 3 | 14 | 0 | 0 |" in text
    assert "2,000,100 steps" in text
    assert "planned, and not done because the run was over: kill" in text


def test_what_an_older_checker_counted_is_not_added(tmp_path: Path) -> None:
    """Its steps were made, but its tests were counted by other rules."""
    options = Options(store="sqlite", operations=1000, processes=2, tasks=8, seed=3)
    row = kept.row(options, "sqlite", Judgement(round=1, steps=900, checked={"the limit holds": 7}), 1.0)
    kept.keep(tmp_path, {**row, "checker": 1})
    text = reporting.generated(tmp_path)
    assert "| sqlite | 1 | 900 | none | 0 | 0 | 0 | 0 |" in text
    assert "judged by an older checker" in text


def test_a_fault_that_met_no_step_is_not_counted_as_one() -> None:
    """What happened while nobody did anything tried nothing."""
    step, fault = op("get", 10, 12, session="s", answer="none"), op("fault", 13, 20, note="kill")
    assert summed([judged(history(step, op("fault", 11, 14, note="kill")))]).faults == {"kill": 1}
    assert summed([judged(history(step, fault))]).faults == {"kill (nothing under way)": 1}
    late = op("get", 18, 22, session="s", answer="none")
    assert summed([judged(history(step, fault)), judged(history(fault, late))]).faults == {"kill": 1}


def test_a_fault_whose_round_went_by_is_done_in_the_next(tmp_path: Path) -> None:
    """A long fault may outlast a round; the ones after it are done late, or named as missed."""
    done: list[str] = []
    setup = Setup("memory", "memory://", {"kill": Pair(lambda: done.append("kill"), lambda: None)})
    options = Options(store="memory", operations=20_000, processes=1, tasks=4, seed=3, steps=10_000)
    events = [faults.Event(0, "kill", 1, 2), faults.Event(1, "kill", 1, 2)]
    run = Run(options, setup, events, tmp_path, tmp_path / "found")
    run.shared.round = 1
    run.shared.progressed(0, 5)
    run._round = 2
    run._fault()
    assert done == []  # the round is with the judge: a fault now would be in nobody's history
    run._round = 1
    for _ in range(3):
        run._fault()
    run.shared.close()
    assert done == ["kill", "kill"]


def test_all_processes_end_with_the_same_round(tmp_path: Path) -> None:
    """A stop that is asked for between two processes' looks at it must not leave one of them at a barrier."""
    shared = Shared.create(tmp_path / "shared", 1000)
    shared.stop()
    assert not shared.last
    shared.decide()
    assert shared.last
    shared.close()


def test_a_run_with_a_violation_ends_with_its_round(tmp_path: Path) -> None:
    """All processes stop, and what was judged is returned."""
    options = Options(store="sqlite", operations=24_000, processes=2, tasks=4, seed=3, steps=1000)
    with ready("sqlite", tmp_path) as setup:
        run = Run(options, setup, [], tmp_path, tmp_path / "found")
        judgements = run.go(lambda rounds, _: run.shared.stop() if rounds else None)
    assert 0 < len(judgements) < options.rounds


def test_what_a_request_wrote_is_counted_apart_for_each_task(tmp_path: Path) -> None:
    """A load never writes, however many others do meanwhile (promise 6)."""
    loads: list[Op] = [op for op in play(MemoryStore, 1, tmp_path).ops if op.verb == "load"]
    assert len(loads) > 500
    assert {op.wrote for op in loads} == {0}


@pytest.mark.parametrize("store", ["postgres-replica", "postgres-synchronous"])
def test_a_promoted_replica_can_be_prepared(store: str, tmp_path: Path, gap: Gap) -> None:
    """The fault that the command line offers can be done: the replica leads, and has one of its own."""
    needed(lambda: binaries.postgres(15), gap)
    with ready(store, tmp_path) as setup:
        assert set(setup.faults) == {"promote"} == set(faults.chosen("all", setup.faults))
        setup.faults["promote"].begin()
        setup.faults["promote"].end()
