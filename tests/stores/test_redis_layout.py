"""What the Redis store makes of its strings and indexes: strict reading, kept parts, healed indexes, and expiry."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from coatcheck.errors import ConfigurationError, UnreadableRecord
from coatcheck.model import Damaged, Device, FromTheFuture, Record, Tombstone, replace
from coatcheck.runtime import finish
from coatcheck.stores.redis import RedisStore, layout
from coatcheck.stores.redis.keys import SLOTS, Keys, own_tags, slot_of
from coatcheck.testing._make import ABSOLUTE, MINUTE, NOW, Maker, active, put
from coatcheck.verbs import Change, Created, Limit, Refusal, Replacing, Seen
from tests.servers.redis import RedisServer
from tests.stores.redis_plain import PlainLink

DAY = 24 * 60 * MINUTE
DEVICE = Device(
    browser="Firefox 153", system="Windows", agent_hash=b"\x00\xff345678", first_address="203.0.113.77",
    last_address="203.0.113.77",
)  # fmt: skip
KEYS = Keys("coatcheck", "", 1)


@pytest.fixture
def link(redis_server: RedisServer) -> Iterator[PlainLink]:
    """Give a link to an empty server."""
    link = PlainLink(redis_server.url)
    link.client.flushall()
    yield link
    link.client.close()


@pytest.fixture
def store(link: PlainLink) -> RedisStore:
    """Give an empty store."""
    return RedisStore(link)


@pytest.fixture
def make(store: RedisStore) -> Maker:
    """Give a maker of records for it."""
    return Maker(finish(store.key()))


def full(make: Maker, **fields: Any) -> Record:
    """Make a record with everything in it."""
    given: dict[str, Any] = {
        "roles": ("editor", "üser"), "amr": ("otp", "pwd"), "auth_time": NOW, "aal": 2, "confirmed_at": NOW,
        "device": DEVICE, "previous_digest": make.digest(), "successor_nonce": b"n" * 16, "lifetime": "remember_me",
        "data": {"cart": b"\x93\xa6apples", "é": b""}, **fields,
    }  # fmt: skip
    return make.record("ann", **given)


def add(store: RedisStore, record: Record, **terms: Any) -> Record:
    """Insert a record that must be accepted."""
    answer = finish(store.create(record, now=NOW, **terms))
    assert isinstance(answer, Created)
    return answer.record


def found(store: RedisStore, id: str) -> Any:
    """Return what the store knows of one id."""
    return finish(store.find([id]))[0]


def server(store: RedisStore) -> redis.Redis:
    """Return a client of the server behind a store."""
    assert isinstance(store.link, PlainLink)
    return store.link.client


def test_a_record_reads_back_as_it_was_written() -> None:
    """Promise 3: every field survives the layout, and so do times up to the largest the contract allows."""
    make = Maker(b"key")
    for record in (full(make), make.record(), full(make, expires_at=2**53 - 1, roles=("",), device=Device())):
        assert layout.decode(record.id, "", layout.encode(record)) == record


@pytest.mark.parametrize(
    "fields",
    [
        {"secret_digest": b"short"}, {"user_id": "x" * 70_000}, {"version": -1}, {"generation": 2**32}, {"aal": 300},
        {"created_at": -5}, {"roles": ("x" * 70_000,)}, {"data": {"k" * 70_000: b""}}, {"expires_at": 2**60},
        {"device": Device(last_address="x" * 300)},
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(fields: dict[str, Any]) -> None:
    """A field that has no room is a `ValueError` before anything is written, and never a string cut short."""
    with pytest.raises(ValueError):
        layout.encode(replace(full(Maker(b"key")), **fields))


def test_no_string_makes_reading_fail() -> None:
    """Promise 12: cut, lengthened, or with any bytes changed, a string is a record or damage, and never an error."""
    make, chance = Maker(b"key"), random.Random(1)  # noqa: S311  (a test's choices, not secrets)
    whole = layout.encode(full(make))
    kinds = set()
    for _ in range(4_000):
        raw = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        read = layout.decode("id", "", bytes(raw))
        kinds.add(type(read))
        assert not isinstance(read, Damaged) or not any(part in read.why for part in ("apples", "editor", "Firefox"))
    assert kinds >= {Record, Damaged, FromTheFuture}
    for cut in range(len(whole)):
        assert isinstance(layout.decode("id", "", whole[:cut]), Damaged)
    assert isinstance(layout.decode("id", "", whole + b"\0"), Damaged)


def test_no_string_makes_a_script_fail(store: RedisStore, make: Maker) -> None:
    """Promises 2 and 12: no verb fails on a spoilt string, and after `end_user` nothing of it can be changed."""
    chance = random.Random(2)  # noqa: S311  (a test's choices, not secrets)
    whole = layout.encode(full(make))
    for _ in range(150):
        record = add(store, full(make))
        raw = bytearray(whole[: chance.choice((None, None, chance.randrange(len(whole))))])
        for _ in range(chance.randrange(4)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        server(store).set(KEYS.session(record.id), bytes(raw))
        for verb in (
            store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW),
            store.touch(record.id, generation=1, seen=active(NOW + 1, address="2001:db8::1:2:3:4"), now=NOW),
            store.rotate(record.id, generation=1, rotation=make.rotation(record), change=put(), now=NOW),
        ):
            try:
                finish(verb)
            except UnreadableRecord:
                assert isinstance(found(store, record.id), FromTheFuture)
        finish(store.set_roles("ann", ("x",), now=NOW))
        finish(store.list_user("ann", now=NOW))
        finish(store.create(full(make), now=NOW, limit=Limit(2, "evict_oldest")))
        finish(store.sweep(now=NOW + DAY, limit=50, forget_before=0, max_ended=3))
        finish(store.end_user("ann", reason="revoked", now=NOW))
        finish(store.end(record.id, reason="revoked", now=NOW))
        assert not isinstance(found(store, record.id), Record)
        with_any = store.touch(record.id, generation=1, seen=Seen(at=NOW), now=NOW)
        assert finish(with_any) is Refusal.GONE


def test_what_a_newer_release_added_is_kept(store: RedisStore, make: Maker) -> None:
    """Two releases on one store: parts and flags this one does not know survive commits, rotations and new roles."""
    record = add(store, full(make))
    name = KEYS.session(record.id)
    raw = bytearray(server(store).get(name) or b"")
    parts_at = layout.HEAD.size + len("ann") + 2 + 15
    assert raw[parts_at] == 6
    raw[2] |= 128
    raw[parts_at : parts_at + 1] = b"\x08"
    data_at = bytes(raw).index(b"\x00\x04\x00\x00\x08cart")
    raw[data_at:data_at] = b"\0\0\x00\x05extra"  # no origin, and what comes after it
    raw[5:9] = len(raw).to_bytes(4, "big")
    server(store).set(name, bytes(raw))
    assert found(store, record.id) == record
    long = active(NOW + 1, address="2001:db8:85a3:1234:5678:8a2e:370:7334")
    finish(store.commit(record.id, generation=1, change=put(a=b"1"), now=NOW, seen=long))
    finish(store.rotate(record.id, generation=1, rotation=make.rotation(record), change=put(), now=NOW))
    finish(store.set_roles("ann", ("x",), now=NOW))
    after = server(store).get(name) or b""
    assert b"\0\0\x00\x05extra" in after
    assert after[2] & 128
    read = found(store, record.id)
    assert (read.roles, read.device.last_address, read.data["a"]) == (("x",), long.address, b"1")


def test_a_touch_writes_in_place(store: RedisStore, make: Maker) -> None:
    """D3: the size stays for every IPv4 address, grows once for a longer one, and stays from then on."""
    record = add(store, full(make, data={"big": b"x" * 9_000}))
    sizes: list[int] = []
    for at, address in enumerate(("198.51.100.200", None, "::1", "2001:db8::1234:5678:9abc", "192.0.2.1")):
        seen = Seen(at=NOW + at, idle_expires_at=NOW + at + MINUTE * 99, address=address)
        assert finish(store.touch(record.id, generation=1, seen=seen, now=NOW)) is None
        sizes.append(server(store).strlen(KEYS.session(record.id)))
        kept = found(store, record.id)
        assert isinstance(kept, Record)
        assert kept.device is not None
        assert (kept.last_seen_at, kept.device.first_address) == (NOW + at, "203.0.113.77")
        assert kept.data == {"big": b"x" * 9_000}
    assert sizes == [sizes[0]] * 3 + [sizes[0] + 9] * 2
    assert kept.device.last_address == "192.0.2.1"


def test_the_longest_user_id_can_be_touched(store: RedisStore, make: Maker) -> None:
    """A touch reads the beginning of the string, and more of it where the user takes more room."""
    for length in (50, 96, 97, 98, 100, 255):
        record = add(store, make.record("🗝" * length, device=DEVICE, data={"big": b"x" * 2_000}))
        seen = Seen(at=NOW + 1, address="192.0.2.9")
        assert finish(store.touch(record.id, generation=1, seen=seen, now=NOW)) is None
        device = replace(DEVICE, last_address="192.0.2.9")
        assert found(store, record.id) == replace(record, last_seen_at=NOW + 1, device=device)


def test_a_session_takes_at_most_700_bytes(store: RedisStore, make: Maker) -> None:
    """The record, the user's index and the due index of a session with a device and both clocks (D2, D3)."""
    for number in range(500):
        add(store, make.record(f"user-{number:06}", roles=("user",), device=DEVICE, data={"cart": b"\x93\xa6apples"}))
    record = add(store, make.record("user-999999", roles=("user",), device=DEVICE, data={"cart": b"\x93\xa6apples"}))
    client = server(store)
    [index] = client.keys(f"{KEYS.prefix}d:{{AAA}}*")
    due = client.memory_usage(index, samples=0) / 501
    sizes = [client.memory_usage(name) for name in (KEYS.session(record.id), KEYS.index(record.id[1:4], "user-999999"))]
    assert sum(sizes) + due <= 700, (sizes, due)


def test_expiry_collects_garbage_only(store: RedisStore, make: Maker) -> None:
    """A record stays a week beyond its last possible deadline, a tombstone 30 days, one without clocks for ever."""
    client = server(store)

    def expiry(record: Record) -> int:
        return client.pexpiretime(KEYS.session(record.id))

    both, idle = add(store, make.record("ann")), add(store, make.record("ann", expires_at=None))
    never = add(store, make.record("ann", expires_at=None, idle_expires_at=None))
    locks = add(store, make.record("ann", expires_at=None, locks=True))
    assert (expiry(both), expiry(idle)) == (NOW + ABSOLUTE + 7 * DAY, NOW + 30 * MINUTE + 7 * DAY)
    assert expiry(never) == expiry(locks) == -1
    finish(store.touch(idle.id, generation=1, seen=active(NOW + 9 * MINUTE), now=NOW))
    assert expiry(idle) == NOW + 39 * MINUTE + 7 * DAY
    finish(store.commit(idle.id, generation=1, change=put(a=b"1"), now=NOW, seen=active(NOW + 19 * MINUTE)))
    assert expiry(idle) == NOW + 49 * MINUTE + 7 * DAY
    finish(store.rotate(both.id, generation=1, rotation=make.rotation(both), change=put(a=b"1"), now=NOW))
    assert expiry(both) == NOW + ABSOLUTE + 7 * DAY
    finish(store.end(both.id, reason="revoked", now=NOW + 5))
    assert expiry(both) == NOW + 5 + 30 * DAY


def test_a_clock_that_is_behind_deletes_nothing(store: RedisStore, make: Maker) -> None:
    """Times long before the server's own never make Redis expire a key: it would be a deletion."""
    record = add(store, make.record("ann", expires_at=1_000, idle_expires_at=900))
    assert isinstance(found(store, record.id), Record)
    finish(store.end(record.id, reason="revoked", now=1))
    assert isinstance(found(store, record.id), Tombstone)


def test_a_users_index_heals_itself(store: RedisStore, make: Maker) -> None:
    """Ids whose session is missing, ended or another's leave the index when it is read (S-50)."""
    lost, kept, other = add(store, full(make)), add(store, full(make)), add(store, make.record("bob"))
    client, name = server(store), KEYS.index(kept.id[1:4], "ann")
    client.delete(KEYS.session(lost.id))
    client.append(name, other.id[0] + other.id[4:])
    assert finish(store.list_user("ann", now=NOW)) == [kept]
    assert client.get(name) == (kept.id[0] + kept.id[4:]).encode()
    client.delete(KEYS.session(kept.id))
    assert finish(store.end_user("ann", reason="revoked", now=NOW)) == ()
    assert not client.exists(name)


def test_nothing_is_left_when_everything_is_forgotten(store: RedisStore, make: Maker) -> None:
    """After the last tombstone is forgotten, the epochs and the key are all that there is (S-31)."""
    for user_id in ("ann", "ann", None):
        record = add(store, make.record(user_id))
        assert finish(store.put_side(record.id, "name", b"value", now=NOW))
    finish(store.end_user("ann", reason="revoked", now=NOW))
    below = finish(store.raise_epoch(now=NOW))
    finish(store.end_all(below=below, reason="revoked", now=NOW, limit=9))
    finish(store.sweep(now=NOW, limit=9, forget_before=NOW + 1, max_ended=9))
    tag = make.tag("ann")
    left = set(server(store).keys())
    assert left == {KEYS.key, KEYS.epoch(tag, "ann"), KEYS.everybody("AAA")}


def test_ends_may_be_done_again(store: RedisStore, make: Maker) -> None:
    """A replay of acknowledged ends brings each death back, spares what began later, lowers no epoch (promise 2)."""
    link = store.link
    assert isinstance(link, PlainLink)
    old, one, replaced = add(store, full(make)), add(store, make.record("bob")), add(store, make.record())
    names = [KEYS.session(record.id) for record in (old, one, replaced)]
    before = [link.client.get(name) for name in names]
    add(store, make.record("eve"), replacing=Replacing(id=replaced.id, carry=False))
    finish(store.end(one.id, reason="revoked", now=NOW))
    finish(store.end_user("ann", reason="revoked", now=NOW + 1))
    epoch = finish(store.epoch("ann"))
    later = add(store, full(make, created_at=NOW + 2))
    for name, raw in zip(names, before, strict=True):
        link.client.set(name, raw or b"")
    link.client.append(KEYS.index(make.tag("ann"), "ann"), old.id[0] + old.id[4:])
    for call in [call.replayed() for call in link.remembered]:
        finish(link.run(call))
    assert [type(found(store, record.id)) for record in (old, one, replaced)] == [Tombstone] * 3
    assert found(store, later.id) == later
    assert finish(store.epoch("ann")) == epoch


def test_an_emptied_server_gets_its_key_back(store: RedisStore, link: PlainLink) -> None:
    """Each process puts back the key it has used, so that a user's tag is never another's idea (promise 2)."""
    key = finish(store.key())
    other = RedisStore(PlainLink(link.url))
    assert finish(other.key()) == key
    for process in (store, other):
        assert isinstance(process.link, PlainLink)
        link.client.flushall()
        for call in process.link.remembered:
            assert call.lasting
            finish(process.link.run(call.replayed()))
        assert finish(RedisStore(PlainLink(link.url)).key()) == key


def test_an_id_without_its_users_tag_is_refused(store: RedisStore, make: Maker) -> None:
    """Such a session would be found by no `end_user`: it is an error, and nothing is written."""
    record = replace(make.record(), user_id="ann")
    with pytest.raises(ValueError, match="tag"):
        finish(store.create(record, now=NOW))
    assert found(store, record.id) is None


@pytest.mark.parametrize("prefix", ["", "a{b}", "}"])
def test_a_prefix_that_would_choose_the_slot_is_refused(link: PlainLink, prefix: str) -> None:
    """A brace before the tag would move every key of a user to another slot."""
    with pytest.raises(ConfigurationError, match="prefix"):
        RedisStore(link, prefix=prefix)


def test_tenants_and_prefixes_cannot_be_confused() -> None:
    """SM-15: no tenant's name reaches the keys of another tenant or of another prefix."""
    names = [Keys(prefix, tenant, 1).session("0" + "a" * 25) for prefix, tenant in (
        ("app", "a:b"), ("app", "a%3Ab"), ("app", "{x}"), ("app", ""), ("app:a", "b"), ("app2", ""),
    )]  # fmt: skip
    assert len(set(names)) == len(names)
    assert all(name.count(b"{") == 1 for name in names)


def test_each_slot_has_a_tag_of_its_own() -> None:
    """D2: the tag under which a slot keeps its indexes falls into that slot, as Redis itself computes it."""
    tags = own_tags()
    assert len(set(tags)) == SLOTS
    assert [slot_of(tag) for tag in tags] == list(range(SLOTS))
    assert slot_of("123456789") == 0x31C3 % SLOTS  # the check value of CRC-16/XMODEM


def test_a_large_change_is_too_large_inside_the_script(store: RedisStore, make: Maker) -> None:
    """S-30: the size is counted where the merge is made, and a refused change leaves the string as it was."""
    record = add(store, make.record("ann", data={"é": b"12"}))
    before = server(store).get(KEYS.session(record.id))
    answer = finish(store.commit(record.id, generation=1, change=Change({"b": b"123"}), now=NOW, max_bytes=7))
    assert answer not in (2, *Refusal)
    assert server(store).get(KEYS.session(record.id)) == before
