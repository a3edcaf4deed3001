"""The store answers and takes no writes: those are told, reading goes on, and a new primary is found (ruling 8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_client

from coatcheck import StoreUnavailable
from coatcheck.stores.postgres.migrating import migrate
from tests.baddays._shop import Shop, cookies_of, deleted, run, said, served, sign_in, unavailable, until, user_of
from tests.baddays.conftest import TIMEOUT, Gap
from tests.servers import binaries
from tests.servers.cluster import RedisCluster
from tests.servers.fixtures import needed
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer
from tests.servers.sentinels import Sentinels

# --- out of memory


@pytest.fixture
def small(gap: Gap) -> Iterator[RedisServer]:
    """Serve a Redis that can be filled and evicts nothing."""
    with RedisServer(binary=needed(binaries.redis, gap), config={"maxmemory-policy": "noeviction"}) as server:
        yield server


def fill(client: redis_client.Redis) -> None:
    """Leave the server less memory than it has used."""
    used = int(client.info("memory")["used_memory"])
    client.config_set("maxmemory", used - 200_000)
    with pytest.raises(redis_client.ResponseError, match="maxmemory"):
        client.set("anything", "at all")


def test_a_full_redis_fails_writes_loudly_and_goes_on_reading(small: RedisServer) -> None:
    """Out of memory: writes are 503, readers notice nothing, and whoever signs out or is revoked is out."""
    shop = Shop(f"{small.url}?timeout={TIMEOUT}")

    async def story() -> None:
        async with shop.open(), shop.browser() as ada, shop.browser() as grace, shop.browser() as eve:
            session_id = (await sign_in(ada, cart="lamp")).partition(".")[0]
            await sign_in(grace, "grace")
            with small.client() as client:
                fill(client)
                assert (await ada.get("/read")).json()["data"] == {"cart": "lamp"}
                for browser, path in ((ada, "/set?cart=pen"), (ada, "/rotate"), (eve, "/login?user=eve")):
                    assert unavailable(await browser.post(path)), path
                with pytest.raises(StoreUnavailable, match="out of memory"):
                    await shop.sessions.transaction(session_id, lambda data: data.update(cart="pen"))
                answer = await grace.post("/logout")
                assert (answer.status_code, deleted(answer)) == (200, True)
                assert await shop.sessions.list("grace") == []
                assert await shop.sessions.revoke_user("ada") == 1
                assert await user_of(ada) is None
                client.config_set("maxmemory", 0)
            assert (await eve.post("/login?user=eve")).status_code == 200
            assert await user_of(eve) == "eve"

    run(story)


def test_the_operator_learns_why_writes_fail(small: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Promise 9: an outage is loud: each kind of refused write leaves its cause in the log, in words."""
    shop = Shop(f"{small.url}?timeout={TIMEOUT}")

    async def story() -> None:
        async with shop.open(), shop.browser() as ada:
            await sign_in(ada)
            with small.client() as client:
                fill(client)
            for path in ("/set?cart=pen", "/rotate", "/login?user=eve"):
                caplog.clear()
                assert unavailable(await ada.post(path))
                assert "out of memory" in said(caplog.records), path

    run(story)


# --- a server that only reads


def test_a_redis_replica_is_not_asked(gap: Gap) -> None:
    """A replica may not know who was revoked: everything is an outage, and once it is the primary all of it works."""
    binary = needed(binaries.redis, gap)
    with RedisServer(binary=binary) as primary, RedisServer(binary=binary, replica_of=primary) as replica:
        replica.wait_linked()
        there, here = Shop(primary.url), Shop(f"{replica.url}?timeout={TIMEOUT}")

        async def story() -> None:
            async with there.open(), there.browser() as ada:
                token = await sign_in(ada, cart="lamp")
                caught_up(primary)
                with pytest.raises(StoreUnavailable, match="is a replica"):
                    await here.sessions.list("ada")
                with replica.client() as client:
                    client.replicaof("NO", "ONE")
                async with here.open(), here.browser(token) as browser:
                    assert (await browser.get("/read")).json()["data"] == {"cart": "lamp"}
                    await served(browser, "/set?cart=pen", "POST")

        run(story)


def test_a_redis_that_stepped_down_is_left_for_the_new_primary(gap: Gap) -> None:
    """The name leads to another server now: the first refused write makes the store look it up again."""
    binary = needed(binaries.redis, gap)
    with RedisServer(binary=binary) as old, RedisServer(binary=binary, replica_of=old) as new:
        new.wait_linked()
        with Proxy("127.0.0.1", old.port) as name:
            shop = Shop(f"redis://127.0.0.1:{name.port}/0?timeout={TIMEOUT}")

            async def story() -> None:
                async with shop.open(), shop.browser() as ada:
                    await sign_in(ada)
                    caught_up(old)
                    with old.client() as first, new.client() as second:
                        second.replicaof("NO", "ONE")
                        first.replicaof("127.0.0.1", str(new.port))
                    name._target = ("127.0.0.1", new.port)  # new connections only: those that are open stay
                    await served(ada, "/set?cart=pen", "POST")
                    with new.client() as client:
                        assert any(b":s:" in key for key in client.scan_iter())
                    assert (await ada.get("/read")).json()["data"] == {"cart": "pen"}

            run(story)


def test_a_redis_that_stepped_down_does_not_keep_the_revoked_signed_in(gap: Gap) -> None:
    """Promise 2: a worker that only reads leaves the old primary too, before long, and never shows who was revoked."""
    binary = needed(binaries.redis, gap)
    with (
        RedisServer(binary=binary) as old,
        RedisServer(binary=binary, replica_of=old) as new,
        Proxy("127.0.0.1", old.port) as name,
        Proxy("127.0.0.1", new.port) as between,
    ):
        new.wait_linked()
        shop, other = Shop(f"redis://127.0.0.1:{name.port}/0?timeout={TIMEOUT}"), Shop(new.url)

        async def story() -> None:
            async with shop.open(), shop.browser() as ada:
                await sign_in(ada)
                caught_up(old)
                with old.client() as first, new.client() as second:
                    second.replicaof("NO", "ONE")
                    first.replicaof("127.0.0.1", str(between.port))
                old.wait_linked()
                between.cut()
                name._target = ("127.0.0.1", new.port)
                async with other.open():
                    assert await other.sessions.revoke_user("ada") == 1

                async def out() -> bool:
                    answer = await ada.get("/read")
                    return answer.status_code == 200 and answer.json()["user"] is None

                await until(out, seconds=5)

        run(story)


@pytest.fixture
def standby(gap: Gap) -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """Serve a PostgreSQL and a streaming standby of it."""
    needed(lambda: binaries.postgres(15), gap)
    with PostgresServer(15) as primary:
        migrate(f"{primary.url}?schema=shop")
        replica = primary.make_replica()
        try:
            yield primary, replica
        finally:
            replica.stop()


def test_a_postgres_standby_is_not_asked(standby: tuple[PostgresServer, PostgresServer]) -> None:
    """A standby may not know of a revocation yet: start-up and requests are an outage until it is the primary."""
    primary, replica = standby
    with Proxy("127.0.0.1", primary.port) as name:
        url = primary.url.replace(f":{primary.port}/", f":{name.port}/") + f"?schema=shop&timeout={TIMEOUT}"
        shop, late = Shop(url), Shop(url)

        async def story() -> None:
            async with shop.open(), shop.browser() as ada:
                token = await sign_in(ada, cart="lamp")
                replayed(primary, replica)
                name.retarget("127.0.0.1", replica.port)
                for method, path in (("GET", "/read"), ("POST", "/set?cart=pen"), ("POST", "/rotate")):
                    assert unavailable(await ada.request(method, path)), path
                with pytest.raises(StoreUnavailable, match="takes writes"):
                    await late.sessions.open()
                replica.promote()
                await served(ada, "/set?cart=pen", "POST")
                assert (await ada.get("/read")).json()["data"] == {"cart": "pen"}
                assert ada.cookies["session"] == token
                async with late.open(), late.browser(token) as elsewhere:
                    assert await user_of(elsewhere) == "ada"

        run(story)


def test_a_postgres_standby_that_was_asked_for_reads_and_refuses_writes(
    standby: tuple[PostgresServer, PostgresServer],
) -> None:
    """With ``target_session_attrs=any`` readers are served, writes are 503, and once it is promoted they are made."""
    primary, replica = standby
    tail = f"?schema=shop&timeout={TIMEOUT}"
    there, here = Shop(primary.url + tail), Shop(f"{replica.url}{tail}&target_session_attrs=any")

    async def story() -> None:
        async with there.open(), there.browser() as ada:
            token = await sign_in(ada, cart="lamp")
            replayed(primary, replica)
            async with here.open(), here.browser(token) as browser:
                await refuses_writes(browser)
                replica.promote()
                await served(browser, "/set?cart=pen", "POST")

    run(story)


def test_postgres_hosts_are_looked_through_for_the_primary(standby: tuple[PostgresServer, PostgresServer]) -> None:
    """With both hosts in the URL an outage ends when the standby is promoted: same session, same cookie."""
    primary, replica = standby
    place = primary.url.replace(f"127.0.0.1:{primary.port}", f"127.0.0.1:{primary.port},127.0.0.1:{replica.port}")
    shop = Shop(f"{place}?schema=shop&timeout={TIMEOUT}")

    async def story() -> None:
        async with shop.open(), shop.browser() as ada:
            token = await sign_in(ada, cart="lamp")
            replayed(primary, replica)
            primary.kill()
            assert unavailable(await ada.get("/read"))
            assert unavailable(await ada.post("/set?cart=pen"))
            replica.promote()
            await served(ada, "/set?cart=pen", "POST")
            assert (await ada.get("/read")).json() == {"user": "ada", "data": {"cart": "pen"}, "reason": None}
            assert ada.cookies["session"] == token

    run(story)


async def refuses_writes(browser: Any) -> None:
    """Check that reading works and every write is told."""
    answer = await browser.get("/read")
    assert (answer.json()["data"], cookies_of(answer)) == ({"cart": "lamp"}, [])
    for path in ("/set?cart=pen", "/rotate"):
        assert unavailable(await browser.post(path)), path
    assert await user_of(browser) == "ada"


def caught_up(primary: RedisServer) -> None:
    """Wait until a replica has everything."""
    with primary.client(socket_timeout=20) as client:
        client.set("marker", "here")
        assert client.wait(1, 15_000) >= 1


def replayed(primary: PostgresServer, replica: PostgresServer) -> None:
    """Wait until the standby shows everything."""
    [(position,)] = primary.execute("SELECT pg_current_wal_lsn()::text")
    replica.process.wait_until(
        lambda: replica.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", position) == [(True,)], what="replay"
    )


# --- where the servers choose a primary themselves


def test_sentinels_name_another_primary(sentinels: Sentinels) -> None:
    """The primary dies: 503 until the Sentinels agree on another, then the same session with the same cookie."""
    shop = Shop(f"{sentinels.url}?timeout={TIMEOUT}&prefix=days")

    async def story() -> None:
        async with shop.open(), shop.browser() as ada, shop.browser() as eve:
            token = await sign_in(ada, cart="lamp")
            caught_up(sentinels.primary())
            sentinels.kill_primary()
            assert unavailable(await ada.get("/read"))
            assert unavailable(await eve.post("/login?user=eve"))
            await served(ada, "/set?n=1", "POST")
            assert (await ada.get("/read")).json()["data"] == {"cart": "lamp", "n": "1"}
            assert ada.cookies["session"] == token

    try:
        run(story)
    finally:
        sentinels.restart_dead()


def test_a_clusters_replica_takes_over(redis_cluster: RedisCluster) -> None:
    """A node of a Cluster dies: nobody on it is anybody else or nobody, and all are served again with their cookies."""
    shop = Shop(f"{redis_cluster.url}?timeout={TIMEOUT}&prefix=days")
    users = [f"user-{number}" for number in range(12)]

    async def story() -> None:
        async with shop.open():
            tokens = {}
            for user in users:
                async with shop.browser() as browser:
                    tokens[user] = await sign_in(browser, user, cart=user)
            for primary in redis_cluster.primaries():
                replicated(primary)
            redis_cluster.kill_primary()
            seen = set()
            for user, token in tokens.items():
                async with shop.browser(token) as browser:
                    answer = await browser.get("/read")
                    seen.add(answer.status_code)
                    assert answer.status_code == 200 or unavailable(answer)
                    assert answer.status_code == 503 or answer.json()["user"] == user
            assert 503 in seen
            for user, token in tokens.items():
                async with shop.browser(token) as browser:
                    await served(browser, f"/set?n={user}", "POST")
                    assert (await browser.get("/read")).json()["data"] == {"cart": user, "n": user}
                    assert browser.cookies["session"] == token

    try:
        run(story)
    finally:
        redis_cluster.restart_dead()


def replicated(primary: RedisServer) -> None:
    """Wait until the replica of a Cluster's node has read all that the node has written."""

    def level() -> bool:
        about = primary.info("replication")
        return bool(about["connected_slaves"]) and about["slave0"]["offset"] >= about["master_repl_offset"]

    primary.process.wait_until(level, what="replica that caught up")
