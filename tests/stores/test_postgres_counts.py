"""Counts on PostgreSQL: processes that add at once, what adding and reading cost, and tables of an earlier release."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from coatcheck.counting import KEPT, LENGTH
from coatcheck.errors import ConfigurationError
from coatcheck.runtime import finish
from coatcheck.stores.postgres import PostgresStore, sql, steps
from coatcheck.stores.postgres.migrating import Migrated, migrate, script, state
from coatcheck.testing._make import MINUTE, NOW, Maker
from coatcheck.verbs import Created, Tally
from tests.fast.cli.conftest import run
from tests.servers.postgres import PostgresServer
from tests.servers.process import wait_for
from tests.stores._postgres import Place

PROCESSES = 6
TIMES = 40
NAMES = [f"name.{number}" for number in range(20)]
BEFORE_COUNTING = 6

ADDING = """
import asyncio, random, sys
from coatcheck.stores.postgres import AsyncPostgresStore, PostgresStore
from coatcheck.stores.postgres.options import read_url
from coatcheck.testing._make import MINUTE, NOW
from coatcheck.verbs import Tally
kind, url, times, *names = sys.argv[1:]

async def main():
    store = (PostgresStore if kind == "blocking" else AsyncPostgresStore)(read_url(url))
    await store.open()
    sys.stdin.read()
    for time in range(int(times)):
        random.shuffle(names)
        await store.add_counts([Tally(NOW + time % 2 * MINUTE, dict.fromkeys(names, 3))], now=NOW)
    await store.close()

asyncio.run(main())
"""

YEAR = """
INSERT INTO {s}.coatcheck_counts (tenant, every, at, name, count)
SELECT '', length, %(now)s / length * length - back * length, 'name.' || number, 1
FROM (VALUES (60000, 1440::bigint), (3600000, 744), (86400000, 366)) AS kept (length, most),
    generate_series(0, most) AS back, generate_series(0, 19) AS number"""


@pytest.fixture
def place(postgres15: PostgresServer) -> Place:
    """Give an empty schema."""
    place = Place(postgres15, "counts")
    place.prepare()
    return place


@pytest.fixture
def store(place: Place) -> Iterator[PostgresStore]:
    """Give a store."""
    store = place.blocking(application_name="counting")
    yield store
    finish(store.close())


def fill(place: Place) -> None:
    """Add a year of twenty names."""
    with place.server.connect() as connection:
        connection.execute(YEAR.replace("{s}", place.schema).encode(), {"now": NOW})
    place.execute("VACUUM ANALYZE {s}.coatcheck_counts")


def deadlocks(place: Place) -> int:
    """Return how many circles of waiting the server has broken."""
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    return int(place.execute(query)[0][0])


def test_every_processs_counts_are_added(place: Place, store: PostgresStore) -> None:
    """Ruling 12: six real processes add twenty names in any order at once: all of it is there, and nobody deadlocks."""
    before = deadlocks(place)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ADDING, ("blocking", "asyncio")[number % 2], place.url, str(TIMES), *NAMES],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(PROCESSES)
    ]  # fmt: skip
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    whole = PROCESSES * TIMES * 3
    begin = NOW - NOW % LENGTH["day"]
    minutes = finish(store.read_counts("minute", since=begin, until=begin + LENGTH["day"]))
    assert [tally.counts for tally in minutes] == [dict.fromkeys(NAMES, whole // 2)] * 2
    [day] = finish(store.read_counts("day", since=begin, until=begin + 1))
    assert day.counts == dict.fromkeys(NAMES, whole)
    assert deadlocks(place) == before


def test_a_day_of_minutes_is_read_by_the_key(place: Place) -> None:
    """Reading asks for the rows of those minutes alone, among a year of counts."""
    fill(place)
    told = {"tenant": "", "every": LENGTH["hour"], "since": NOW - LENGTH["day"], "until": NOW}
    with place.server.connect() as connection:
        asked = sql.filled(f"EXPLAIN {sql.READ_COUNTS}", place.schema)
        plan = "\n".join(row[0] for row in connection.execute(asked, told))
    assert "coatcheck_counts_pkey" in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("plans", ["auto", "force_custom_plan", "force_generic_plan"])
def test_adding_reads_no_more_than_it_changes(place: Place, plans: str) -> None:
    """Among a year of counts adding and forgetting find their rows by the key, whatever kind of plan is made."""
    fill(place)
    query = "SELECT seq_scan FROM pg_stat_user_tables WHERE schemaname = 'counts' AND relname = 'coatcheck_counts'"
    before = place.execute(query)
    store = place.blocking(options=f"-c%20plan_cache_mode%3D{plans}", application_name="measured")
    for minute in range(1, 13):
        now = NOW + minute * MINUTE
        finish(store.add_counts([Tally(now, dict.fromkeys(NAMES, 1))], now=now))
    finish(store.close())
    gone = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'measured'"
    wait_for(lambda: place.execute(gone) == [(0,)], what="the server's counts")
    assert place.execute(query) == before
    oldest = "SELECT min(at) FROM {s}.coatcheck_counts WHERE every = 60000"
    assert place.execute(oldest) == [((NOW + 12 * MINUTE - KEPT["minute"]) // MINUTE * MINUTE,)]


def test_a_great_deal_is_forgotten_in_several_calls(place: Place, store: PostgresStore) -> None:
    """After a long time without an application no call takes longer than a statement may, and nothing is left."""
    fill(place)
    left = []
    for _ in range(7):
        finish(store.add_counts([], now=NOW + 2 * KEPT["day"]))
        left.append(place.execute("SELECT count(*) FROM {s}.coatcheck_counts")[0][0])
    assert left[0] > 0
    assert left[-1] == 0


def test_what_another_process_holds_is_not_waited_for(place: Place, store: PostgresStore) -> None:
    """Forgetting passes over a row that somebody adds to, and the next call forgets it."""
    finish(store.add_counts([Tally(NOW, {"a": 1, "b": 1})], now=NOW))
    late = NOW + KEPT["minute"] + MINUTE
    with place.server.connect(autocommit=False) as other:
        other.execute(b"SELECT 1 FROM counts.coatcheck_counts WHERE every = 60000 AND name = 'a' FOR UPDATE")
        finish(store.add_counts([Tally(late, {"c": 1})], now=late))
        assert [dict(tally.counts) for tally in finish(store.read_counts("minute", since=0, until=NOW + 1))] == [
            {"a": 1}
        ]
    finish(store.add_counts([Tally(late, {"c": 1})], now=late))
    assert finish(store.read_counts("minute", since=0, until=NOW + 1)) == []


def test_tables_of_the_release_before_are_refused(place: Place) -> None:
    """Tables without counts are an older step: refused at start with the command that makes them, sessions kept."""
    place.execute("DROP SCHEMA {s} CASCADE")
    whole, wanted = list(script("counts")), steps.steps()[:BEFORE_COUNTING]
    cut = next(number for number, text in enumerate(whole) if f"-- {steps.steps()[BEFORE_COUNTING].name}\n" in text)
    with place.server.connect() as connection:
        connection.execute("".join((*whole[:cut], "COMMIT;")).encode())
    assert state(place.owner_url) == Migrated(before=len(wanted), after=len(steps.steps()))
    checked = run("migrate", "--check", "--store", place.owner_url)
    assert (checked.exit_code, f"step {BEFORE_COUNTING} of {len(steps.steps())}" in checked.stderr) == (1, True)
    store = place.blocking()
    with pytest.raises(ConfigurationError, match=rf"step {BEFORE_COUNTING} .* run: coatcheck migrate"):
        finish(store.open())
    migrate(place.owner_url)
    finish(store.add_counts([Tally(NOW, {"created": 1})], now=NOW))
    assert len(finish(store.read_counts("day", since=0, until=NOW))) == 1
    finish(store.close())


def test_the_release_before_goes_on_beside_this_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two releases on one database: one that knows six steps uses these tables."""
    older = steps.steps()[:BEFORE_COUNTING]
    monkeypatch.setattr(steps, "steps", lambda: older)
    store = place.blocking()
    record = Maker(finish(store.key())).record("ann")
    assert isinstance(finish(store.create(record, now=NOW)), Created)
    finish(store.close())
