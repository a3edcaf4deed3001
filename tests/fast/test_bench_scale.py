"""The scale benchmark's own parts: what it sums up, what it writes, and that a small run goes through whole."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from msgspec.structs import replace

from bench.scale import page, plots, results, tables, targets
from bench.scale.__main__ import names
from bench.scale.latencies import Latency, latency, paired_ratio, percentile
from bench.scale.measuring import Plan, measure
from bench.scale.people import IDLE, People, some
from bench.scale.progress import steps
from bench.scale.sweeping import Turn, summed
from coatcheck import tokens

NOW = 1_800_000_000_000


LOOKUP = results.Lookup(
    sessions=20_000,
    in_flight=1,
    here=Latency(20.0, 60.0),
    small_sessions=10_000,
    small=Latency(19.0, 50.0),
    ratio=Latency(1.05, 1.2),
)
SWEEP = results.Sweep(
    expired=4_000,
    seconds=2.0,
    batch=200,
    clients=64,
    pause_ms=0,
    pairs=3,
    quiet=Latency(20.0, 60.0),
    busy=Latency(21.0, 90.0),
    ratio=Latency(1.05, 1.5),
)
MACHINE = results.Machine(
    date="2026-11-21", processor="a CPU", cores=2, memory_gib=23.5, system="Linux", python="CPython 3.11.7"
)
SPACE = results.Space(sessions=20_000, parts={"record": 342.4, "user index": 32.6}, total=497.5, method="dbstat")


def made() -> results.Results:
    """Return results as of a tiny run of one store and one rival."""
    store = results.StoreResult(
        machine=MACHINE,
        engine="SQLite 3.40.1",
        settings="as it comes",
        sessions=20_000,
        per_user=1,
        load_seconds=0.4,
        space=[SPACE],
        lookups=[LOOKUP],
        one_user=results.OneUser(sessions=1_000, list_ms=9.6, revoke_ms=21.2),
        sweeps=[SWEEP],
    )
    rival = results.Rival(name="a rival", bytes=776, contains="an index", source="quoted")
    return results.Results(stores={"sqlite": store}, rivals=[rival])


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        *(([7.0], 0.5, 7.0), ([1.0, 2.0], 0.5, 1.0), ([1.0, 2.0, 3.0], 0.5, 2.0), ([1.0, 2.0], 1, 2.0)),
        *((list(range(1, 101)), 0.99, 99), (list(range(1, 201)), 0.99, 198), (list(range(1, 100)), 0.99, 99)),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float, expected: float) -> None:
    """A percentile is the smallest value that the share does not exceed; nothing is made up between two."""
    assert percentile(values, share) == expected


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0), ([1.0], 1.1)])
def test_a_percentile_of_nothing_is_refused(values: list[float], share: float) -> None:
    """There is no percentile of no values, nor beyond all of them."""
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, share)


def test_latencies_are_microseconds_and_need_no_order() -> None:
    """Timings in seconds become microseconds, in whatever order they came."""
    assert latency([0.003, 0.001, 0.002]) == Latency(2000.0, 3000.0)


def test_the_ratio_is_the_median_over_pairs() -> None:
    """One slow moment that hits one turn of many moves the ratio little."""
    quiet = [Latency(10.0, 100.0)] * 5
    busy = [Latency(12.0, 150.0)] * 4 + [Latency(500.0, 90_000.0)]
    assert paired_ratio(busy, quiet) == Latency(1.2, 1.5)


def test_a_turn_in_which_the_sweeper_ran_out_of_work_is_not_counted() -> None:
    """The last, short turn counts as swept but not as reading beside a sweeper."""
    full = Turn(swept=100, seconds=3.0, rest=Latency(1.0, 10.0), beside=Latency(1.5, 20.0))
    last = Turn(swept=5, seconds=0.1, rest=Latency(1.0, 10.0), beside=Latency(1.0, 10.0))
    both = summed([full, last], pause_ms=0, length=3.0)
    assert (both.expired, both.pairs, both.ratio.p99_us) == (105, 1, 2.0)
    alone = summed([last], pause_ms=0, length=3.0)
    assert (alone.expired, alone.pairs, alone.ratio.p99_us) == (5, 1, 1.0)


def test_people_are_the_same_in_every_run_and_as_the_manager_makes_them() -> None:
    """A session is its number's alone, its id is well formed and carries its owner's tag, and no two are alike."""
    key = bytes(32)
    people, again = People(key, now=NOW), People(key, now=NOW)
    records = [people.record(number) for number in range(300)]
    assert records == [again.record(number) for number in range(300)]
    assert [record.id for record in records] == [people.id(number) for number in range(300)]
    assert len({record.id for record in records} | {people.expired(number).id for number in range(300)}) == 600
    for record in records:
        assert tokens.is_id(record.id)
        assert record.id[1:4] == tokens.user_tag(key, record.user_id or "")


@pytest.mark.parametrize("number", [0, 1, 77_777, 4_999_999])
def test_the_living_live_and_the_expired_are_due(number: int) -> None:
    """A live session is far from both clocks, an expired one is due to the sweeper by the idle clock, only just."""
    people = People(bytes(32), now=NOW)
    live, due = people.record(number), people.expired(number)
    assert live.created_at <= live.last_seen_at < NOW
    assert live.dead_at(NOW + 12 * 3_600_000) is None
    assert due.sweepable_at(NOW) == "idle"
    assert due.idle_expires_at is not None
    assert NOW - due.idle_expires_at < 3_600_000 < IDLE


def test_users_have_as_many_sessions_as_was_asked() -> None:
    """With three sessions a user the first three are one user's, and a named user gets what is made for them."""
    people = People(bytes(32), now=NOW, per_user=3)
    assert [people.user(number) for number in (0, 2, 3)] == ["user-0000000", "user-0000000", "user-0000001"]
    assert people.record(0, user_id="ada").user_id == "ada"


def test_sessions_are_drawn_at_random_and_again() -> None:
    """The same seed draws the same sessions, all of them among those that are there."""
    assert some(50, 9, seed=1) == some(50, 9, seed=1) != some(50, 9, seed=2)
    assert set(some(500, 9, seed=1)) == set(range(9))


def test_sizes_end_with_what_was_asked() -> None:
    """A run measures at the usual sizes below its last one."""
    assert Plan(sessions=5_000_000, expired=0).sizes() == [10_000, 1_000_000, 5_000_000]
    assert Plan(sessions=300, expired=0).sizes() == [300]


def test_progress_is_plain_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no terminal, a step says in a line how it ended, and draws nothing."""
    with steps("loading", 3) as advance:
        advance(3)
    assert capsys.readouterr().err == "loading: 3 in 0 s\n"


def test_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    """Results survive their file, and a file that is not there holds none."""
    path = tmp_path / "results.json"
    assert results.read(path) == results.Results()
    results.write(made(), path)
    assert results.read(path) == made()


def test_every_number_is_in_the_tables() -> None:
    """The page's tables hold the bytes, the look-ups, the user, the sweep and the rival."""
    text = tables.page(made())
    for row in (
        "| sqlite, 20,000, dbstat | 342 |  | 33 |  |  |  | 498 |",
        "| a rival | 776 | an index | quoted |",
        "| sqlite | 20,000 | 1 | 20 | 60 | 19 | 50 | 1.05 | 1.20 |",
        "| sqlite | 1,000 | 9.6 ms | 21.2 ms |",
        "| sqlite | without a pause | 4,000 | 2,000 | 20 | 60 | 21 | 90 | 1.05 | 1.50 |",
    ):
        assert row in text


def test_every_target_is_met_or_missed() -> None:
    """The page says of each target what was measured and whether that is enough, to the very edge of it."""

    def judged(size: float, lookup: float, sessions: int, sweep: float) -> list[tuple[str, str]]:
        store = replace(
            made().stores["sqlite"],
            space=[replace(SPACE, total=size, parts={"browse index": 100.0}, method="used_memory")],
            lookups=[LOOKUP, replace(LOOKUP, sessions=sessions, ratio=Latency(1.0, lookup))],
            sweeps=[replace(SWEEP, ratio=Latency(1.0, sweep))],
        )
        return [row[1:] for row in targets.targets({"redis": store})]

    assert judged(700.0, 1.5, 5_000_000, 1.99) == [
        ("700 (used_memory, among 20,000)", "met"),
        ("600 (used_memory, among 20,000)", "met"),
        ("1.50 times among 5,000,000", "met"),
        ("1.99 times (4,000 swept)", "met"),
    ]
    assert [verdict for _, verdict in judged(800.1, 1.51, 5_000_000, 2.0)] == ["**missed**"] * 4
    assert [verdict for _, verdict in judged(700.1, 1.0, 1_000_000, 1.0)] == ["**missed**", "met", "met so far", "met"]
    assert [verdict for _, verdict in judged(1.0, 1.6, 1_000_000, 1.0)] == ["met", "met", "**missed**", "met"]
    assert targets.targets({"sqlite": replace(made().stores["sqlite"], lookups=[], sweeps=[])}) == []
    aimed = "| sqlite: readers' p99 beside a sweep under 2 times that without, without a pause"
    assert f"{aimed} | 1.50 times (4,000 swept) | met |" in tables.page(made())


def test_the_page_keeps_what_people_wrote() -> None:
    """Only what lies between the marks is replaced, as often as one likes; a page without marks is refused."""
    before = f"# Scale\n\n{page.BEGIN}\nold\n{page.END}\n\nwords\n"
    after = page.replaced(before, made(), ["scale-bytes.svg"])
    assert after.startswith("# Scale\n")
    assert after.endswith("\n\nwords\n")
    assert "old" not in after
    assert "(images/scale-bytes.svg)" in after
    assert page.replaced(after, made(), ["scale-bytes.svg"]) == after
    with pytest.raises(ValueError, match="marks"):
        page.replaced("# Scale\n", made(), [])


def test_plots_are_drawn_from_results_and_the_same_again(tmp_path: Path) -> None:
    """Three plots, the same bytes from the same numbers, so that drawing again shows no difference to git."""
    first = {path.name: path.read_bytes() for path in plots.draw(made(), tmp_path / "one")}
    again = {path.name: path.read_bytes() for path in plots.draw(made(), tmp_path / "two")}
    assert sorted(first) == ["scale-bytes.svg", "scale-lookups.svg", "scale-sweep.svg"]
    assert first == again
    assert all(drawn.lstrip().startswith(b"<?xml") for drawn in first.values())
    assert plots.draw(results.Results(), tmp_path / "none") == []


def test_a_small_run_goes_through_whole(tmp_path: Path) -> None:
    """SQLite with a few hundred sessions: loaded, looked up, listed, revoked, swept, and every number is there."""
    plan = Plan(sessions=300, expired=120, rounds=1, turn=0.05, small=200, collected=20, folder=tmp_path)
    found = measure("sqlite", plan)
    assert {"record", "id index", "user index", "due index", "browse index"} <= set(found.space[0].parts)
    assert sum(found.space[0].parts.values()) == pytest.approx(found.space[0].total, rel=0.01)
    assert [lookup.sessions for lookup in found.lookups] == [300, 300]
    assert found.one_user is not None
    assert [sweep.expired for sweep in found.sweeps] == [60, 60]
    assert not list(tmp_path.iterdir())


def test_only_known_stores_can_be_chosen() -> None:
    """Stores are named with commas between; what is none of them is refused by name, and none is a choice too."""
    assert names("redis,sqlite") == ["redis", "sqlite"]
    assert names("") == []
    with pytest.raises(argparse.ArgumentTypeError, match="no mysql"):
        names("redis,mysql")
