"""Migrations of the PostgreSQL store: at once from many processes, as a script, in an application's own schema."""

from __future__ import annotations

import shutil
import subprocess
import sys

import psycopg
import pytest

from coatcheck.errors import ConfigurationError, StoreUnavailable
from coatcheck.runtime import finish
from coatcheck.stores.postgres import PostgresStore, migrating
from coatcheck.stores.postgres.migrating import Migrated, migrate, script, state
from coatcheck.stores.postgres.options import read_url
from coatcheck.stores.postgres.steps import Step, steps
from coatcheck.testing._make import NOW, Maker, put
from coatcheck.verbs import Buried, Created, Tally
from tests.conftest import Gap
from tests.fast.cli.conftest import run
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresServer
from tests.stores._postgres import Place, restricted

STEPS = len(steps())


@pytest.fixture
def place(postgres15: PostgresServer) -> Place:
    """Give a schema that is not there yet."""
    place = Place(postgres15, "fresh")
    place.execute("DROP SCHEMA IF EXISTS {s} CASCADE")
    return place


def test_steps_are_numbered_without_gaps() -> None:
    """A step's number is its place: the tables' version says exactly which steps they have had."""
    assert [step.number for step in steps()] == list(range(1, STEPS + 1))


def test_ten_processes_migrate_at_once(place: Place) -> None:
    """Ten real processes at once: one makes the tables, the others find them made, none fails."""
    program = (
        "import sys; sys.stdin.read(); from coatcheck.stores.postgres.migrating import migrate; "
        "done = migrate(sys.argv[1]); print(done.before, done.after)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, place.owner_url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(10)
    ]  # fmt: skip
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    answers = []
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        answers.append(out.strip())
    assert sorted(answers) == [f"0 {STEPS}", *[f"{STEPS} {STEPS}"] * 9]


def test_migrating_again_changes_nothing(place: Place) -> None:
    """It is harmless where nothing is to be done, and `state` says so beforehand."""
    assert state(place.owner_url) == Migrated(before=0, after=STEPS)
    assert migrate(place.owner_url) == Migrated(before=0, after=STEPS)
    assert migrate(place.owner_url) == state(place.owner_url) == Migrated(before=STEPS, after=STEPS)


def test_the_script_does_the_same(place: Place) -> None:
    """Run as SQL it is what `migrate` does; run twice or out of turn it is refused and changes nothing."""
    text = "".join(script("fresh"))
    with place.server.connect() as connection:
        connection.execute(text.encode())
        with pytest.raises(psycopg.errors.DuplicateTable):
            connection.execute(text.encode())
        connection.execute(b"ROLLBACK")
        with pytest.raises(psycopg.errors.RaiseException, match="follow step 2"):
            connection.execute("".join(script("fresh", after=2)).encode())
        connection.execute(b"ROLLBACK")
        connection.execute("".join(script("fresh", after=STEPS)).encode())
    assert state(place.owner_url) == Migrated(before=STEPS, after=STEPS)
    finish(place.blocking().open())


def test_the_script_runs_in_psql_as_the_owner_of_the_schema(place: Place, gap: Gap) -> None:
    """``--sql`` piped into psql, by a role that owns the schema and may make none; the store then works as it."""
    psql = place.server.programs() / "psql"
    found = str(psql) if psql.exists() else shutil.which("psql")
    if found is None:
        gap("psql", "apt-get install postgresql-client")
    place.execute("CREATE ROLE keeper LOGIN PASSWORD 'private'")
    place.execute("CREATE SCHEMA {s} AUTHORIZATION keeper")
    try:
        url = place.server.url_of(user="keeper")
        done = subprocess.run(
            [found, "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", url],
            input="".join(script("fresh")), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        store = PostgresStore(read_url(url + "?schema=fresh"))
        record = Maker(finish(store.key())).record("ann")
        assert isinstance(finish(store.create(record, now=NOW)), Created)
        assert finish(store.end(record.id, reason="revoked", now=NOW)) is not None
        finish(store.close())
    finally:
        place.execute("DROP OWNED BY keeper")
        place.execute("DROP ROLE keeper")


def test_a_migration_that_fails_half_way_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that fails undoes those before it in the same run, the schema included; the next run begins anew."""
    broken = (*steps()[:-1], Step(STEPS, "broken", "SELECT 1 / 0;"))
    monkeypatch.setattr(migrating, "steps", lambda: broken)
    with pytest.raises(ConfigurationError, match=f"step {STEPS} failed with PostgreSQL's 22012") as caught:
        migrate(place.owner_url)
    assert "private" not in str(caught.value)
    assert caught.value.__context__ is None
    monkeypatch.undo()
    assert place.execute("SELECT to_regnamespace('fresh')") == [(None,)]
    assert migrate(place.owner_url) == Migrated(before=0, after=STEPS)


def test_tables_that_are_missing_or_older_name_the_command(place: Place) -> None:
    """Opening never migrates: it refuses and names ``coatcheck migrate`` (bad day: an older schema)."""
    store = place.blocking()
    with pytest.raises(ConfigurationError, match="coatcheck migrate"):
        finish(store.open())
    migrate(place.owner_url)
    place.execute("UPDATE {s}.coatcheck_meta SET value = 1 WHERE name = 'version'")
    with pytest.raises(ConfigurationError, match="coatcheck migrate"):
        finish(store.find(["0" + "A" * 25]))
    place.execute("UPDATE {s}.coatcheck_meta SET value = %s WHERE name = 'version'", STEPS)
    finish(store.open())
    finish(store.close())


def test_newer_tables_are_used_only_if_they_allow_it(place: Place) -> None:
    """Two releases on one database: a newer one's tables serve this release until they say that it is too old."""
    migrate(place.owner_url)
    place.execute("UPDATE {s}.coatcheck_meta SET value = %s WHERE name = 'version'", STEPS + 1)
    store = place.blocking()
    finish(store.open())
    finish(store.close())
    assert migrate(place.owner_url) == Migrated(before=STEPS + 1, after=STEPS + 1)
    place.execute("UPDATE {s}.coatcheck_meta SET value = %s WHERE name = 'oldest_reader'", STEPS + 1)
    for refused in (lambda: finish(store.open()), lambda: migrate(place.owner_url), lambda: state(place.owner_url)):
        with pytest.raises(ConfigurationError, match="upgrade coatcheck"):
            refused()
    checked = run("migrate", "--check", "--store", place.owner_url)
    assert (checked.exit_code, "upgrade coatcheck" in checked.stderr) == (2, True)


def test_a_table_in_the_way_is_nothing_to_wait_for(place: Place) -> None:
    """An application's table of coatcheck's name is a fault of set-up, told at once, however long one would wait."""
    place.execute("CREATE SCHEMA {s}")
    place.execute("CREATE TABLE {s}.coatcheck_keys (mine text)")
    told = run("migrate", "--wait", "5", "--store", place.owner_url)
    assert told.exit_code == 2
    assert "step 1 failed with PostgreSQL's 42P07" in told.stderr
    assert place.execute("SELECT count(*) FROM {s}.coatcheck_keys") == [(0,)]


def test_columns_of_a_newer_release_are_kept(place: Place) -> None:
    """Two releases on one database: what this one does not know survives its writes."""
    migrate(place.owner_url)
    store = place.blocking()
    make = Maker(finish(store.key()))
    place.execute("ALTER TABLE {s}.coatcheck_sessions ADD COLUMN colour text DEFAULT 'blue'")
    record = make.record("ann")
    assert isinstance(finish(store.create(record, now=NOW)), Created)
    place.execute("UPDATE {s}.coatcheck_sessions SET colour = 'red'")
    assert finish(store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW)) == 2
    finish(store.rotate(record.id, generation=1, rotation=make.rotation(record), change=put(), now=NOW))
    finish(store.end(record.id, reason="revoked", now=NOW))
    assert place.execute("SELECT colour FROM {s}.coatcheck_sessions") == [("red",)]
    finish(store.close())


def test_inside_an_applications_own_schema(place: Place) -> None:
    """The application's tables of the same words stay untouched, and the search path's first schema is the default."""
    place.execute("CREATE SCHEMA {s}")
    place.execute("CREATE TABLE {s}.sessions (mine text)")
    place.execute("CREATE TABLE {s}.users (mine text)")
    url = place.server.url + "?options=-c%20search_path%3Dfresh"
    assert migrate(url).after == STEPS
    assert state(place.owner_url).before == STEPS
    assert place.execute("SELECT count(*) FROM {s}.sessions") == [(0,)]


def test_an_application_needs_few_rights(place: Place) -> None:
    """A role that owns nothing runs every verb; without its rights the store is refused, and it cannot migrate."""
    migrate(place.owner_url)
    with restricted(place, "shop") as url:
        app = Place(place.server, "fresh")
        app.url = url
        store = app.blocking()
        make = Maker(finish(store.key()))
        record = make.record("ann")
        assert isinstance(finish(store.create(record, now=NOW)), Created)
        assert finish(store.put_side(record.id, "a", b"1", now=NOW))
        assert finish(store.lease("sweep", holder="a", now=NOW, until=NOW + 1))
        assert finish(store.set_roles("ann", ("admin",), now=NOW)) == (record.id,)
        assert len(finish(store.end_user("ann", reason="revoked", now=NOW))) == 1
        assert finish(store.raise_epoch(now=NOW)) > 0
        assert finish(store.sweep(now=2 * NOW, limit=5, forget_before=2 * NOW, max_ended=0)) == Buried((), more=False)
        assert finish(store.find([record.id])) == [None]
        finish(store.add_counts([Tally(NOW, {"created": 1})], now=NOW))
        assert len(finish(store.read_counts("day", since=0, until=NOW))) == 1
        place.execute("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {s} FROM PUBLIC")
        finish(store.close())
        with pytest.raises(ConfigurationError, match="EXECUTE on the functions"):
            finish(store.open())
        place.execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {s} TO shop")
        finish(store.open())
        place.execute("DROP TABLE {s}.coatcheck_leases")
        place.execute("REVOKE DELETE ON {s}.coatcheck_sessions FROM shop")
        finish(store.close())
        with pytest.raises(ConfigurationError, match="GRANT"):
            finish(store.open())
        place.execute("REVOKE ALL ON SCHEMA {s} FROM shop")
        for refused in (lambda: finish(store.open()), lambda: state(url)):
            with pytest.raises(ConfigurationError, match="GRANT"):
                refused()
        place.execute("DROP SCHEMA {s} CASCADE")
        with pytest.raises(ConfigurationError, match="owns"):
            migrate(url)


@pytest.mark.parametrize("given", [("--after", "3"), ("--sql", "--check")])
def test_options_that_would_be_ignored_are_refused(given: tuple[str, ...]) -> None:
    """``--after`` alone would migrate everything, and ``--check`` beside ``--sql`` would check nothing."""
    shown = run("migrate", *given, "--store", "postgresql://ann:private@127.0.0.1:1/shop")
    assert (shown.exit_code, shown.stderr) == (2, "--after goes with --sql, and --check without it\n")


def test_no_server_is_an_outage_and_not_a_fault_of_set_up(place: Place) -> None:
    """A server that is not there may come back: exit code 3, not 2."""
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    with pytest.raises(StoreUnavailable, match="refused"):
        migrate(url)
