"""What must not get in or out by the PostgreSQL store: other people's functions, schema names, parts of a password."""

from __future__ import annotations

import psycopg
import pytest

from coatcheck.errors import ConfigurationError
from coatcheck.model import Damaged
from coatcheck.runtime import finish
from coatcheck.stores.postgres import faults
from coatcheck.stores.postgres.options import read_url
from coatcheck.stores.postgres.steps import quoted
from coatcheck.testing._make import NO_CHANGE, NOW, Maker, put
from coatcheck.verbs import Created, Limit, Refusal, Replacing, Tally
from tests.servers.postgres import PostgresServer
from tests.stores._postgres import Place

# Functions and an operator that suit coatcheck's calls better than PostgreSQL's own polymorphic ones do.
TRAPS = (
    "CREATE FUNCTION trap.cardinality(text[]) RETURNS integer LANGUAGE plpgsql AS {body}",
    "CREATE FUNCTION trap.cardinality(bytea[]) RETURNS integer LANGUAGE plpgsql AS {body}",
    "CREATE FUNCTION trap.array_position(text[], text) RETURNS integer LANGUAGE plpgsql AS {body}",
    "CREATE FUNCTION trap.append(text[], text) RETURNS text[] LANGUAGE plpgsql AS {body}",
    "CREATE FUNCTION trap.gather(json, text, bigint) RETURNS json LANGUAGE plpgsql AS {body}",
    "CREATE AGGREGATE trap.json_object_agg(text, bigint) (SFUNC = trap.gather, STYPE = json)",
    "CREATE OPERATOR trap.|| (LEFTARG = text[], RIGHTARG = text, FUNCTION = trap.append)",
)
BODY = "$$ BEGIN RAISE EXCEPTION 'somebody else''s function ran'; END $$"


@pytest.fixture
def place(postgres15: PostgresServer) -> Place:
    """Give an empty schema."""
    place = Place(postgres15, "safety")
    place.prepare()
    return place


def test_functions_in_the_search_path_are_not_run(place: Place) -> None:
    """A role that may make functions in a schema of the application's search path gains none of its rights."""
    place.execute("DROP SCHEMA IF EXISTS trap CASCADE")
    place.execute("CREATE SCHEMA trap")
    for trap in TRAPS:
        place.execute(trap.format(body=BODY))
    store = place.blocking(options="-c%20search_path%3Dtrap")
    make = Maker(finish(store.key()))
    anonymous, record, last = make.record(None, data={"a": b"1"}), make.record("ann"), make.record("ann")
    assert isinstance(finish(store.create(anonymous, now=NOW)), Created)
    replacing = Replacing(id=anonymous.id, carry=True)
    limit = Limit(1, "evict_oldest")
    assert isinstance(finish(store.create(record, now=NOW, limit=limit, replacing=replacing)), Created)
    assert isinstance(finish(store.create(last, now=NOW, limit=limit)), Created)
    assert finish(store.commit(last.id, generation=1, change=put(b=b"2"), now=NOW)) == 2
    finish(store.rotate(last.id, generation=1, rotation=make.rotation(last), change=NO_CHANGE, now=NOW))
    assert finish(store.put_side(last.id, "a", b"1", now=NOW))
    assert finish(store.set_roles("ann", ("admin",), now=NOW)) == (last.id,)
    assert len(finish(store.sweep(now=2 * NOW, limit=9, forget_before=0, max_ended=0)).ended) == 1
    below = finish(store.raise_epoch(now=NOW))
    assert finish(store.end_all(below=below, reason="revoked", now=NOW, limit=9)) == ()
    assert finish(store.end_user("ann", reason="revoked", now=NOW)) == ()
    finish(store.add_counts([Tally(NOW, {"created": 1})], now=NOW))
    assert len(finish(store.read_counts("day", since=0, until=NOW))) == 1
    finish(store.close())
    place.execute("DROP SCHEMA trap CASCADE")


@pytest.mark.parametrize("name", ["a$$b", "a%25b", "a'b", 'a"b', "a%5Cb", "s" * 64, "%C3%9F" * 32])
def test_a_schema_name_that_means_more_is_refused(name: str) -> None:
    """A name stands in the text of functions, in strings and in statements with placeholders: it may end none."""
    with pytest.raises(ConfigurationError, match="schema="):
        read_url(f"postgresql://h/d?schema={name}")


@pytest.mark.parametrize("name", ["a$$b", "a%b"])
def test_the_search_paths_schema_is_held_to_the_same(name: str) -> None:
    """Also a name that comes from the server."""
    with pytest.raises(ConfigurationError, match="plainer"):
        quoted(name)


def test_plain_names_of_any_language_are_taken() -> None:
    """Case, spaces and other alphabets are kept as they are."""
    assert read_url("postgresql://h/d?schema=Gäste%20Buch-1").schema == "Gäste Buch-1"


@pytest.mark.parametrize("password", ["pri/vate", "123/vate", "pri@vate", "pri/va@te", "123?vate", "123?a=vate"])
def test_a_password_that_was_not_escaped_is_not_shown_as_a_place(password: str) -> None:
    """Promise 7: libpq cuts such a URL inside of the password; the rest of it would be a host, port or database."""
    with pytest.raises(ConfigurationError, match="%XX") as caught:
        read_url(f"postgresql://ann:{password}@h/d")
    assert "vate" not in str(caught.value)


def test_an_at_sign_elsewhere_is_no_fault() -> None:
    """Escaped in a name or password, and in the query, it is what people write."""
    options = read_url("postgresql://ann%40shop:pri%40vate@one:1,two:2/d%40?application_name=a@b")
    assert options.place == "one:1,two:2/d@"


def test_an_array_of_arrays_is_damaged(place: Place) -> None:
    """Promise 12: columns that hold what no release writes are a signed-out user, not an error."""
    store = place.blocking()
    record = Maker(finish(store.key())).record("ann", data={"a": b"1"})
    assert isinstance(finish(store.create(record, now=NOW)), Created)
    place.execute("UPDATE {s}.coatcheck_sessions SET data_keys = '{{a}}', data_values = '{{b}}'")
    [found] = finish(store.find([record.id]))
    assert isinstance(found, Damaged)
    assert finish(store.list_user("ann", now=NOW)) == []
    assert finish(store.commit(record.id, generation=1, change=put(b=b"1"), now=NOW)) is Refusal.GONE
    assert finish(store.end(record.id, reason="revoked", now=NOW)) is not None
    finish(store.close())


def test_an_event_loop_that_psycopg_cannot_use_is_named() -> None:
    """On Windows the default event loop is not enough; that is a fault of set-up and not an outage."""
    error = psycopg.InterfaceError("Psycopg cannot use the 'ProactorEventLoop' to run in async mode.")
    fault = faults.not_opened(error, read_url("postgresql://h/d"))
    assert isinstance(fault, ConfigurationError)
    assert "SelectorEventLoop" in str(fault)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (psycopg.errors.InvalidPassword("Passwort-Authentifizierung fehlgeschlagen"), "password is wrong"),
        (psycopg.errors.InvalidAuthorizationSpecification("kein Eintrag"), "does not admit this user"),
        (psycopg.errors.InvalidCatalogName("Datenbank existiert nicht"), "no such database"),
    ],
)
def test_a_state_says_more_than_words(error: psycopg.Error, cause: str) -> None:
    """Where PostgreSQL gives a code, a server that speaks another language is understood all the same."""
    fault = faults.not_opened(error, read_url("postgresql://h/d"))
    assert isinstance(fault, ConfigurationError)
    assert cause in str(fault)
