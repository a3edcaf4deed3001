"""Bad days of one Redis server: each has its stated outcome, in bounded time (the list of bad days; promise 9)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ResponseError

from coatcheck.errors import ConfigurationError, StoreUnavailable
from coatcheck.stores.redis import node
from coatcheck.stores.redis.client import RedisLink
from tests.servers.proxy import Proxy
from tests.servers.proxy_link import Direction
from tests.servers.redis import RedisServer
from tests.servers.tls import certificates
from tests.stores.redis_links import COUNT, FAIL, READ, Call, Run, driven, put

BOTH = pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "asyncio"])

BOUND = 1.2
"""Seconds for two questions with timeouts of 300 ms, on a machine that has other things to do."""


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """Give a server of the test's own, with snapshots, so that a restart may find its data again."""
    with RedisServer(appendonly="always") as server:
        yield server


def url_of(server: RedisServer, options: str = "") -> str:
    """Return a URL with a short timeout."""
    return f"{server.url}?timeout=300ms{options}"


@BOTH
def test_a_restarted_server_is_found_again(server: RedisServer, *, blocking: bool) -> None:
    """An idle connection that died is not used: the next question, also a writing one, is answered (bad days)."""
    with driven(url_of(server), blocking=blocking) as (link, run):
        assert run(link.run(put(b"a", b"1"))) == b"1"
        server.kill()
        with pytest.raises(StoreUnavailable, match=str(server.port)):
            run(link.get([b"a"]))
        with pytest.raises(StoreUnavailable):
            run(link.run(put(b"a", b"2")))
        server.restart()
        assert run(link.run(Call(COUNT, (b"n",)))) == 1
        assert run(link.get([b"a", b"n"])) == [b"1", b"1"]


@BOTH
def test_a_frozen_server_is_not_waited_for(server: RedisServer, *, blocking: bool) -> None:
    """A server that hangs is a StoreUnavailable within a few timeouts, for reading and for writing."""
    with driven(url_of(server), blocking=blocking) as (link, run):
        run(link.run(put(b"a", b"1")))
        server.freeze()
        try:
            began = time.monotonic()
            with pytest.raises(StoreUnavailable, match="did not answer within 300 ms"):
                run(link.get([b"a"]))
            with pytest.raises(StoreUnavailable):
                run(link.run(put(b"a", b"2")))
            assert time.monotonic() - began < BOUND
        finally:
            server.thaw()
        assert run(link.get([b"a"])) == [b"1"] or run(link.get([b"a"])) == [b"2"]


@BOTH
def test_a_half_open_connection_is_not_waited_for(server: RedisServer, *, blocking: bool) -> None:
    """A network that swallows everything is a StoreUnavailable; when it heals, so does the store."""
    with (
        Proxy("127.0.0.1", server.port) as proxy,
        driven(f"redis://127.0.0.1:{proxy.port}/0?timeout=300ms", blocking=blocking) as (link, run),
    ):
        run(link.run(put(b"a", b"1")))
        proxy.stall()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            run(link.get([b"a"]))
        assert time.monotonic() - began < BOUND
        proxy.heal()
        assert run(link.get([b"a"])) == [b"1"]


@BOTH
def test_a_server_that_restarted_meanwhile_is_no_outage(server: RedisServer, *, blocking: bool) -> None:
    """An idle connection that the server closed is found out before a write is sent on it."""
    with driven(url_of(server), blocking=blocking) as (link, run):
        assert run(link.run(Call(COUNT, (b"n",)))) == 1
        server.kill()
        server.restart()
        assert run(link.run(Call(COUNT, (b"n",)))) == 2


@BOTH
def test_a_lost_answer_to_a_write_is_never_asked_again(server: RedisServer, *, blocking: bool) -> None:
    """A script whose answer was lost was done once or not at all, never twice (promises 3 and 4)."""
    with (
        Proxy("127.0.0.1", server.port) as proxy,
        driven(f"redis://127.0.0.1:{proxy.port}/0?timeout=5s", blocking=blocking) as (link, run),
        server.client() as client,
    ):
        assert run(link.run(Call(COUNT, (b"n",)))) == 1
        proxy.stall(Direction.ANSWERS)
        cutter = threading.Thread(target=_cut_when, args=(proxy, client, b"2"))
        cutter.start()
        with pytest.raises(StoreUnavailable, match="unknown"):
            run(link.run(Call(COUNT, (b"n",))))
        cutter.join()
        assert client.get("n") == b"2"
        assert run(link.run(Call(COUNT, (b"n",)))) == 3


def _cut_when(proxy: Proxy, client: Any, value: bytes) -> None:
    """When the server has counted to *value*, lose the answer; new connections are passed at once."""
    deadline = time.monotonic() + 10
    while client.get("n") != value and time.monotonic() < deadline:
        time.sleep(0.01)

    def change() -> None:
        proxy._abort_all()
        proxy._network.heal()

    proxy._call(change)


@BOTH
def test_forgotten_scripts_are_sent_again(server: RedisServer, *, blocking: bool) -> None:
    """NOSCRIPT, after SCRIPT FLUSH or a restart, is invisible; alone and in a pipeline, and each runs once."""
    with driven(url_of(server), blocking=blocking) as (link, run), server.client() as client:
        for _ in range(2):
            client.script_flush()
            assert run(link.run(Call(READ, (b"missing",)))) is None
        client.script_flush()
        calls = [Call(COUNT, (b"n",)), put(b"a", b"1"), Call(COUNT, (b"n",))]
        answers = run(link.run_many(calls))
        assert sorted(answers[::2]) == [1, 2]
        assert answers[1] == b"1"


@BOTH
def test_a_scripts_own_error_surfaces(server: RedisServer, *, blocking: bool) -> None:
    """A bug in a script is not an outage."""
    with driven(url_of(server), blocking=blocking) as (link, run), pytest.raises(ResponseError, match="no good"):
        run(link.run(Call(FAIL, (b"a",))))


@BOTH
def test_out_of_memory_writes_fail_loudly_and_reading_goes_on(*, blocking: bool) -> None:
    """With maxmemory reached a write is a StoreUnavailable that says so, and reads are answered (bad days)."""
    config = {"maxmemory": "3mb", "maxmemory-policy": "noeviction"}
    with RedisServer(config=config) as server, driven(url_of(server), blocking=blocking) as (link, run):
        run(link.run(put(b"a", b"1")))
        with server.client() as client:
            client.config_set("maxmemory", "1mb")
        with pytest.raises(StoreUnavailable, match="out of memory"):
            run(link.run(put(b"b", b"x" * 10_000)))
        assert run(link.get([b"a", b"b"])) == [b"1", None]


@BOTH
def test_a_replica_is_not_asked_until_it_is_promoted(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, *, blocking: bool
) -> None:
    """It may not know who was revoked, so reading it is a StoreUnavailable too, also on a connection that is busy."""
    monkeypatch.setattr(node, "STALE", 0.0)
    with driven(url_of(server), blocking=blocking) as (link, run), server.client() as client:
        run(link.run(put(b"a", b"1")))
        client.replicaof("127.0.0.1", "1")
        with pytest.raises(StoreUnavailable, match="replica"):
            run(link.get([b"a"]))
        with pytest.raises(StoreUnavailable, match="replica"):
            run(link.run(put(b"a", b"2")))
        client.replicaof("NO", "ONE")
        assert run(link.run(put(b"a", b"3"))) == b"3"


@BOTH
def test_a_loading_server_is_waited_for_and_then_reported(server: RedisServer, *, blocking: bool) -> None:
    """LOADING is asked again until the timeout is over, and is then a StoreUnavailable; later it is answered."""
    with server.client() as client:
        client.config_set("appendonly", "no")
        client.config_set("key-load-delay", "20000")
        client.config_rewrite()
        client.eval("for i = 1, 400 do redis.call('SET', 'k' .. i, string.rep('x', 20000)) end", 0)
        client.save()
    server.kill()
    server.process.start()
    with driven(url_of(server), blocking=blocking) as (link, run):
        said = _first_fault(link, run)
        assert "loading" in said or "reached" in said, said
        _until_answered(link, run)


def _first_fault(link: RedisLink, run: Run[Any]) -> str:
    """Return what is said while the server loads."""
    for _ in range(50):
        try:
            run(link.get([b"k1"]))
        except StoreUnavailable as error:
            if "loading" in str(error):
                return str(error)
    return "it was never seen loading"


def _until_answered(link: RedisLink, run: Run[Any]) -> None:
    """Ask until the server has loaded."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            assert run(link.get([b"k1"])) == [b"x" * 20000]
        except StoreUnavailable:
            continue
        return
    pytest.fail("the server never finished loading")


@BOTH
def test_a_wrong_password_is_a_configuration_error(*, blocking: bool) -> None:
    """No retry, no password in the message; a password that is changed later is an outage, not a crash (bad days)."""
    with RedisServer(password="right-7Kq") as server:
        for url in (server.url_of(password="wrong-9Zx"), server.url_of().replace(":right-7Kq@", "")):
            with driven(url, blocking=blocking) as (link, run):
                with pytest.raises(ConfigurationError) as refused:
                    run(link.open())
                assert str(server.port) in str(refused.value)
                assert "wrong-9Zx" not in str(refused.value) + repr(link)
        with driven(url_of(server), blocking=blocking) as (link, run), server.client() as client:
            run(link.run(put(b"a", b"1")))
            client.config_set("requirepass", "another")
            client.client_kill_filter(_type="normal", skipme=True)
            with pytest.raises(StoreUnavailable):
                run(link.get([b"a"]))


@BOTH
def test_the_servers_certificate_is_verified(tmp_path: Path, *, blocking: bool) -> None:
    """rediss:// trusts the authority that ca= names, and nobody else's; plain text towards it is refused."""
    folders = tmp_path / "ours", tmp_path / "others"
    for folder in folders:
        folder.mkdir()
    ours, others = map(certificates, folders)
    with RedisServer(tls=ours) as server:
        with driven(f"{server.url}?ca={ours.authority}", blocking=blocking) as (link, run):
            assert run(link.run(put(b"a", b"1"))) == b"1"
        for options in ("", f"?ca={others.authority}"):
            with (
                driven(f"{server.url}{options}", blocking=blocking) as (link, run),
                pytest.raises(ConfigurationError, match="certificate"),
            ):
                run(link.open())
        with (
            driven(server.url.replace("rediss", "redis", 1), blocking=blocking) as (link, run),
            pytest.raises(StoreUnavailable),
        ):
            run(link.open())
    with (
        RedisServer() as plain,
        driven(plain.url.replace("redis", "rediss", 1), blocking=blocking) as (link, run),
        pytest.raises((ConfigurationError, StoreUnavailable)),
    ):
        run(link.open())


@BOTH
def test_an_unreachable_server_is_named_without_its_password(*, blocking: bool) -> None:
    """The message at start names host and port (bad days)."""
    with driven("redis://ann:secret-4T@127.0.0.1:1/0", blocking=blocking) as (link, run):
        with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1 cannot be reached") as refused:
            run(link.open())
        assert "secret-4T" not in str(refused.value) + repr(refused.value) + repr(link) + repr(link.address)
