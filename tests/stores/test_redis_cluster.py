"""A Cluster whose slots move: redirections are followed, and nothing is done twice or at the wrong node."""

from __future__ import annotations

from typing import Any

import pytest
from redis.crc import key_slot
from redis.exceptions import ResponseError

from coatcheck.stores.redis.faults import Meaning, as_fault, code_of, meaning_of, target_of
from tests.servers.cluster import RedisCluster
from tests.servers.redis import RedisServer
from tests.stores.redis_links import COUNT, READ, Call, die, driven, put


def tell(server: RedisServer, *words: str | int) -> Any:
    """Send one command to one node."""
    with server.client() as client:
        return client.execute_command(*words)


def node_id(server: RedisServer) -> str:
    """Return the node's name in the Cluster."""
    answer = tell(server, "CLUSTER", "MYID")
    return answer.decode() if isinstance(answer, bytes) else str(answer)


def begin_move(slot: int, source: RedisServer, target: RedisServer) -> None:
    """Open a slot for moving: what *source* has stays there, what it lacks is asked of *target*."""
    tell(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", node_id(source))
    tell(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", node_id(target))


def end_move(slot: int, source: RedisServer, target: RedisServer, *keys: bytes) -> None:
    """Move the keys that are left, and give the slot to *target*."""
    for key in keys:
        tell(source, "MIGRATE", "127.0.0.1", target.port, key.decode(), 0, 2000)
    for server in (target, source):
        tell(server, "CLUSTER", "SETSLOT", slot, "NODE", node_id(target))


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "asyncio"])
def test_a_moving_slot_is_followed(redis_cluster: RedisCluster, *, blocking: bool) -> None:
    """ASK while it moves, MOVED once it has: each question has one right answer, with forgotten scripts too."""
    old, new = b"{move%d}old" % blocking, b"{move%d}new" % blocking
    slot = key_slot(old)
    with driven(f"{redis_cluster.url}?timeout=5s", blocking=blocking) as (link, run):
        run(link.run(put(old, b"1")))
        source = redis_cluster.primary_of(old.decode())
        target = next(server for server in redis_cluster.primaries() if server is not source)
        begin_move(slot, source, target)
        tell(target, "SCRIPT", "FLUSH")
        assert run(link.run(Call(COUNT, (new,)))) == 1
        assert run(link.get([old, new])) == [b"1", b"1"]
        assert run(link.run_many([Call(COUNT, (new,)), Call(READ, (old,)), Call(COUNT, (new,))])) == [2, b"1", 3]
        run(link.run(die(new), confirm=True))
        end_move(slot, source, target, old)
        assert run(link.get([old, new])) == [b"1", b"dead"]
        assert run(link.run(put(old, b"2"))) == b"2"
        begin_move(slot, target, source)
        end_move(slot, target, source, old, new)
        assert run(link.get([old, new])) == [b"2", b"dead"]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("NOSCRIPT No matching script.", Meaning.SCRIPT),
        ("LOADING Redis is loading the dataset in memory", Meaning.PASSING),
        ("BUSY Redis is busy running a script.", Meaning.PASSING),
        ("TRYAGAIN Multiple keys request during rehashing of slot", Meaning.PASSING),
        ("CLUSTERDOWN The cluster is down", Meaning.PASSING),
        ("MASTERDOWN Link with MASTER is down", Meaning.PASSING),
        ("READONLY You can't write against a read only replica.", Meaning.ELSEWHERE),
        ("MOVED 3999 127.0.0.1:6381", Meaning.MOVED),
        ("ASK 3999 127.0.0.1:6381", Meaning.ASK),
        ("OOM command not allowed when used memory > 'maxmemory'.", Meaning.REFUSED),
        ("MISCONF Redis is configured to save RDB snapshots", Meaning.REFUSED),
        ("NOREPLICAS Not enough good replicas to write.", Meaning.REFUSED),
        ("NOPERM this user has no permissions", Meaning.REFUSED),
        ("ERR The user executing the script can't run this command or subcommand", Meaning.REFUSED),
        ("ERR Script attempted to access a non local key in a cluster node script: x", Meaning.REFUSED),
        ("ERR something else", Meaning.BUG),
    ],
)
def test_what_a_servers_error_means(text: str, meaning: Meaning) -> None:
    """Every release of redis-py has its own classes; the code at the beginning is the same in all (bad days)."""
    error = ResponseError(text)
    assert meaning_of(error) is meaning
    assert (as_fault(error, "cache:6379") is error) == (meaning is Meaning.BUG)
    assert code_of(error) in {text.split(maxsplit=1)[0], "ACL", "MOVING"}


def test_where_a_redirection_leads() -> None:
    """Slot, host and port; an empty host is the node that answered; brackets of IPv6 are taken off."""
    assert target_of(ResponseError("MOVED 3999 127.0.0.1:6381")) == (3999, "127.0.0.1", 6381)
    assert target_of(ResponseError("3999 :6381")) == (3999, "", 6381)
    assert target_of(ResponseError("ASK 1 [::1]:7")) == (1, "::1", 7)
    assert target_of(ResponseError("MOVED")) is None
