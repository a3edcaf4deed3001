"""What a person has to set right is a start-up error that says how, at once, once, and without any secret."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from coatcheck import ConfigurationError
from coatcheck.stores.postgres.migrating import migrate
from coatcheck.stores.sqlite.schema import STEPS
from tests.baddays._program import finished
from tests.baddays._shop import LOCAL, Shop, run, said, sign_in, user_of
from tests.baddays.conftest import PASSWORD, Engine, Gap
from tests.servers import binaries
from tests.servers.fixtures import needed
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.servers.tls import Certificates, certificates

WRONG = "not-the-passw0rd"


def refused(url: str) -> str:
    """Start an application that must not start; return the error with everything that led to it."""
    shop = Shop(url)
    with pytest.raises(ConfigurationError) as error, TestClient(shop.app, base_url=LOCAL, headers={"origin": LOCAL}):
        pass
    story: list[str] = []
    cause: BaseException | None = error.value
    while cause is not None:
        story.append(f"{cause!r}")
        cause = cause.__cause__ or cause.__context__
    return "\n".join(story)


def refusals(engine: Engine) -> int:
    """Return how many sign-ins to the server itself were refused so far."""
    if engine.name == "redis":
        with engine.server.client() as client:
            return sum(int(entry["count"]) for entry in client.acl_log())
    log: str = (engine.server.folder / "server.log").read_text()
    return log.count("password authentication failed")


def test_a_wrong_password_is_tried_once(engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Start-up error, no retry even with ``--wait``, and neither password in output, causes or log."""
    before = refusals(engine)
    url = engine.url.replace(PASSWORD, WRONG)
    told = refused(url)
    assert "password" in told
    code, out, err = finished("sweep", "--wait", "--store", url, folder=tmp_path)
    assert (code, out) == (2, "")
    assert "waiting" not in err
    assert refusals(engine) - before == 2, "one for each start"
    for secret in (WRONG, PASSWORD):
        assert secret not in told + err + said(caplog.records)


class Impostor(RedisServer):
    """A Redis whose own test client does not mind for whom its certificate is."""

    def client(self, **options: Any) -> Any:
        """Return a client that trusts the authority alone."""
        return super().client(ssl_check_hostname=False, **options)


CERTIFICATES: dict[str, tuple[str, ...]] = {"another authority": (), "another host": ("shop.example",)}


@pytest.fixture(params=["redis", "postgres"])
def encrypted(request: pytest.FixtureRequest, gap: Gap) -> Callable[[Certificates], tuple[object, str]]:
    """Return what makes a server with certificates, and the URL that trusts the authority put into ``{ca}``."""
    if request.param == "redis":
        binary = needed(binaries.redis, gap)
        return lambda made: (Impostor(binary=binary, tls=made), "rediss://:{password}@127.0.0.1:{port}/0?ca={ca}")
    needed(lambda: binaries.postgres(15), gap)
    place = "postgresql://postgres:{password}@127.0.0.1:{port}/postgres?sslmode=verify-full&sslrootcert={ca}"
    return lambda made: (PostgresServer(15, tls=made), place)


@pytest.mark.parametrize("names", CERTIFICATES.values(), ids=list(CERTIFICATES))
def test_a_bad_certificate_is_refused_at_start(
    encrypted: Callable[..., tuple[RedisServer | PostgresServer, str]], names: tuple[str, ...], tmp_path: Path
) -> None:
    """A server that cannot prove who it is gets no password: start-up error, exit code 2, no retry."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
    made = certificates(theirs, *names)
    authority = made.authority if names else certificates(ours).authority
    server, place = encrypted(made)
    with server:
        url = place.format(password=PASSWORD, port=server.port, ca=authority)
        told = refused(url)
        code, _, err = finished("sweep", "--wait", "--store", url, folder=tmp_path)
    assert "certificate" in told
    assert (code, "waiting" in err, "certificate" in err) == (2, False, True)
    assert PASSWORD not in told + err


@pytest.mark.parametrize("less", ["", " -info -config|get"])
def test_the_documented_rights_are_enough(gap: Gap, less: str, caplog: pytest.LogCaptureFixture) -> None:
    """Redis: the access rule of docs/howto/redis.md serves a whole visit; without INFO the checks say so instead."""
    page = (binaries.ROOT / "docs" / "howto" / "redis.md").read_text()
    [rule] = [text.removeprefix("ACL SETUSER ") for text in page.splitlines() if text.startswith("ACL SETUSER ")]
    with RedisServer(binary=needed(binaries.redis, gap), users=[rule + less], appendonly="always") as server:
        shop = Shop(server.url_of("shop", "password"))

        async def story() -> None:
            async with shop.open(), shop.browser() as ada:
                await sign_in(ada, cart="lamp")
                assert (await ada.post("/rotate")).status_code == 200
                assert await shop.sessions.set_roles("ada", ["admin"]) == 1
                assert await user_of(ada) == "ada"
                assert len(await shop.sessions.list("ada")) == await shop.sessions.count() == 1
                assert (await shop.sessions.sweep()).total == 0
                assert (await ada.post("/logout")).status_code == 200
                await sign_in(ada)
                assert await shop.sessions.revoke_all() == 1

        run(story)
    assert ("could not be checked" in said(caplog.records)) is bool(less)


# --- older and newer tables


def test_older_postgres_tables_are_refused(postgres: Engine, tmp_path: Path) -> None:
    """PostgreSQL's tables belong to a person: the application refuses, naming ``coatcheck migrate``, which mends it."""
    schema = postgres.url.partition("schema=")[2].partition("&")[0]
    postgres.server.execute(f"UPDATE {schema}.coatcheck_meta SET value = value - 1 WHERE name = 'version'")  # noqa: S608
    assert "coatcheck migrate" in refused(postgres.url)
    code, _, err = finished("sweep", "--store", postgres.url, folder=tmp_path)
    assert (code, "coatcheck migrate" in err) == (2, True)


def test_a_database_without_tables_is_refused(postgres: Engine, tmp_path: Path) -> None:
    """An empty schema is refused with the command that makes the tables; after it the application starts."""
    url = postgres.url.replace("schema=day", "schema=empty")
    assert "coatcheck migrate" in refused(url)
    assert finished("migrate", "--store", url, folder=tmp_path)[0] == 0
    with TestClient(Shop(url).app, base_url=LOCAL, headers={"origin": LOCAL}) as client:
        assert client.post("/login?user=ada").status_code == 200


def test_newer_postgres_tables_are_refused(postgres: Engine, tmp_path: Path) -> None:
    """Tables that only a newer release understands are not touched; those that it only added to serve both."""
    schema = postgres.url.partition("schema=")[2].partition("&")[0]
    postgres.server.execute(f"UPDATE {schema}.coatcheck_meta SET value = value + 1 WHERE name = 'version'")  # noqa: S608
    with TestClient(Shop(postgres.url).app, base_url=LOCAL, headers={"origin": LOCAL}) as client:
        assert client.post("/login?user=ada").status_code == 200
    newer = "SELECT 'oldest_reader', value FROM {s}.coatcheck_meta WHERE name = 'version' ON CONFLICT (name) DO UPDATE"
    insert = f"INSERT INTO {{s}}.coatcheck_meta (name, value) {newer} SET value = excluded.value"
    postgres.server.execute(insert.replace("{s}", schema))
    assert "upgrade coatcheck" in refused(postgres.url)
    with pytest.raises(ConfigurationError, match="upgrade coatcheck"):
        migrate(postgres.url)
    code, _, err = finished("sweep", "--wait", "--store", postgres.url, folder=tmp_path)
    assert (code, "upgrade coatcheck" in err, "waiting" in err) == (2, True, False)


def first_release(path: Path, filled: Path) -> None:
    """Make a SQLite file as the first release had it, with the rows of another."""
    with sqlite3.connect(path, isolation_level=None) as old:
        for statement in STEPS[0]:
            old.execute(statement)
        old.execute("ATTACH ? AS filled", (str(filled),))
        for (table,) in old.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall():
            columns = ", ".join(row[1] for row in old.execute(f"PRAGMA main.table_info({table})"))
            old.execute(f"INSERT OR REPLACE INTO main.{table} ({columns}) SELECT {columns} FROM filled.{table}")  # noqa: S608
        old.execute("PRAGMA application_id = 0x636F6174")
        old.execute("PRAGMA user_version = 1")
    old.close()


def test_older_sqlite_files_are_brought_up_to_date(tmp_path: Path) -> None:
    """A SQLite file of the release before is migrated by opening it, and its sessions are kept."""
    path, filled = tmp_path / "shop.db", tmp_path / "filled.db"

    async def story() -> None:
        before = Shop(f"sqlite:///{filled}")
        async with before.open(), before.browser() as ada:
            token = await sign_in(ada, cart="apples")
        first_release(path, filled)
        after = Shop(f"sqlite:///{path}")
        async with after.open(), after.browser(token) as ada, after.browser() as bob:
            assert (await ada.get("/read")).json()["data"] == {"cart": "apples"}
            assert await user_of(ada) == "ada"
            await sign_in(bob, user="bob")
            assert await user_of(bob) == "bob"

    run(story)
    with sqlite3.connect(path) as now:
        assert now.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
    now.close()


def test_newer_sqlite_files_are_refused(tmp_path: Path) -> None:
    """A file that only a newer release understands is refused at start and left as it is."""
    path = tmp_path / "shop.db"
    with TestClient(Shop(f"sqlite:///{path}").app, base_url=LOCAL, headers={"origin": LOCAL}):
        pass
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
        newer.execute("UPDATE meta SET value = ? WHERE name = 'oldest_reader'", (len(STEPS) + 1,))
    newer.close()
    assert "upgrade coatcheck" in refused(f"sqlite:///{path}")
