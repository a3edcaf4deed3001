"""What the ledger keeps and repeats: what was done, in the order in which it was done, and nothing else (promise 2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from coatcheck.errors import StoreUnavailable, Unconfirmed
from coatcheck.model import Record, Tombstone
from coatcheck.runtime import finish
from coatcheck.stores import from_url
from coatcheck.stores.redis import RedisStore, layout, scripts
from coatcheck.stores.redis.keys import Keys
from coatcheck.stores.redis.ledger import KEEP, Entry, Ledger
from coatcheck.stores.redis.link import Call, Unacknowledged
from coatcheck.stores.redis.wire import Identity
from coatcheck.testing._make import NOW, Maker, put
from coatcheck.verbs import Created, Refusal, Replacing
from tests.servers.proxy import Proxy
from tests.servers.redis import RedisServer
from tests.stores.redis_links import die
from tests.stores.redis_plain import PlainLink

KEYS = Keys("coatcheck", "", 1)
ONE, OTHER = Identity("1", "1"), Identity("2", "2")


@pytest.fixture
def link(redis_server: RedisServer) -> Iterator[PlainLink]:
    """Give a link to an empty server."""
    link = PlainLink(redis_server.url)
    link.client.flushall()
    yield link
    link.client.close()


def signed_in(store: Any, **fields: Any) -> tuple[Maker, Record]:
    """Add a session of ann's."""
    make = Maker(finish(store.key()))
    answer = finish(store.create(make.record("ann", **fields), now=NOW))
    assert isinstance(answer, Created)
    return make, answer.record


class Losing:
    """A server that loses what was done since it was saved."""

    def __init__(self, link: PlainLink, record: Record) -> None:
        """Save ann's session, and that nothing was raised yet."""
        tag = record.id[1:4]
        self._client = link.client
        self._names = (KEYS.session(record.id), KEYS.index(tag, "ann"), KEYS.epoch(tag, "ann"), KEYS.roles(tag, "ann"))
        self._saved = [self._client.get(name) for name in self._names]

    def lose(self) -> None:
        """Bring back what was saved."""
        for name, raw in zip(self._names, self._saved, strict=True):
            if raw is None:
                self._client.delete(name)
            else:
                self._client.set(name, raw)


def repeat(link: PlainLink, calls: list[Call]) -> None:
    """Do what a ledger would do again."""
    for call in calls:
        finish(link.run(call.replayed()))


def roles_of(store: RedisStore, record: Record) -> tuple[str, ...]:
    """Return the roles that a session has now."""
    [row] = finish(store.find([record.id]))
    assert isinstance(row, Record)
    return row.roles


def test_the_last_of_two_lost_changes_of_roles_holds(link: PlainLink) -> None:
    """A promotion and the demotion after it are both lost: repeated in their order, the demotion is the last (5)."""
    store = RedisStore(link)
    _, record = signed_in(store)
    server = Losing(link, record)
    finish(store.set_roles("ann", ("admin",), now=NOW))
    finish(store.set_roles("ann", (), now=NOW))
    epoch = finish(store.epoch("ann"))
    for _ in range(2):
        server.lose()
        repeat(link, link.remembered)
        assert roles_of(store, record) == ()
        assert finish(store.epoch("ann")) == epoch


def test_the_end_of_other_sessions_swallows_no_change_of_roles(link: PlainLink) -> None:
    """Another worker's `end_user` is repeated first, which raises the epoch: the lost demotion is repeated too (5)."""
    store = RedisStore(link)
    _, record = signed_in(store)
    server = Losing(link, record)
    finish(store.set_roles("ann", ("guest",), now=NOW))
    finish(store.end_user("ann", reason="revoked", now=NOW, keep=record.id))
    server.lose()
    repeat(link, list(reversed(link.remembered)))
    assert roles_of(store, record) == ("guest",)


def test_an_unanswered_change_of_roles_swallows_no_later_one(link: PlainLink) -> None:
    """A promotion that had no answer, and the acknowledged demotion after it, both lost: the demotion holds (5)."""
    store = RedisStore(link)
    make, record = signed_in(store)
    tag = make.tag("ann")
    unknown = store._engine.call_again(scripts.SET_ROLES, tag, tag, "ann", NOW, layout.names(("admin",)))
    server = Losing(link, record)
    finish(store.set_roles("ann", (), now=NOW))
    for _ in range(2):
        server.lose()
        repeat(link, [unknown, *link.remembered])
        assert roles_of(store, record) == ()


@pytest.mark.parametrize("why", ["unreached", "refused"])
def test_a_rotation_that_was_not_made_is_not_made_later(why: str) -> None:
    """It was answered 503 and nobody holds its secret: made when the server is back, it would sign its user out."""
    with (
        RedisServer() as server,
        Proxy("127.0.0.1", server.port) as proxy,
        server.client() as client,
    ):
        store: Any = from_url(f"redis://127.0.0.1:{proxy.port}/0?timeout=300ms", blocking=True)
        make, record = signed_in(store)
        if why == "unreached":
            proxy.cut()
        else:
            client.config_set("maxmemory", "1mb")
        rotation = make.rotation(record, by_age=False)
        with pytest.raises(StoreUnavailable):
            finish(store.rotate(record.id, generation=1, rotation=rotation, change=put(late=b"1"), now=NOW))
        if why == "unreached":
            proxy.heal()
        else:
            client.config_set("maxmemory", "0")
        finish(store.end("0" + "A" * 25, reason="revoked", now=NOW))
        assert finish(store.find([record.id])) == [record]
        assert store.link.ledger.replayed == 0
        finish(store.close())


def test_a_refused_rotation_is_not_remembered(link: PlainLink) -> None:
    """What was answered with a conflict is not done later; what was done is kept."""
    store = RedisStore(link)
    make, record = signed_in(store)
    rotation = make.rotation(record, by_age=False)
    wrong = replace(rotation, replaces=rotation.secret_digest)
    for each, names in ((wrong, []), (rotation, ["rotate"])):
        finish(store.rotate(record.id, generation=1, rotation=each, change=put(), now=NOW))
        assert [call.script.name for call in link.remembered if not call.lasting] == names


class Alone(PlainLink):
    """A link to a server whose replicas are away."""

    async def run(self, call: Call, *, confirm: bool = False) -> Any:
        """Run it, and say that nobody confirmed it."""
        answer = await super().run(call, confirm=confirm)
        if confirm:
            raise Unacknowledged("nobody", [answer])
        return answer


def test_a_rotation_is_refused_before_it_is_unconfirmed(redis_server: RedisServer, link: PlainLink) -> None:
    """A conflict stays one when replicas are away; a rotation that was done brings its record in the error."""
    store = RedisStore(Alone(redis_server.url))
    make, record = signed_in(store)
    rotation = make.rotation(record, by_age=False)
    wrong = replace(rotation, replaces=rotation.secret_digest)
    terms: dict[str, Any] = {"generation": 1, "change": put(), "now": NOW}
    assert finish(store.rotate(record.id, rotation=wrong, **terms)) is Refusal.CONFLICT
    with pytest.raises(Unconfirmed) as caught:
        finish(store.rotate(record.id, rotation=rotation, **terms))
    assert [caught.value.record] == finish(RedisStore(link).find([record.id]))


def test_raising_for_everybody_again_and_again_pushes_no_death_out(link: PlainLink) -> None:
    """Of all raises in one slot the ledger keeps the highest, whatever their order, beside its deaths."""
    store = RedisStore(PlainLink(link.url, partitions=8))
    plain = store.link
    assert isinstance(plain, PlainLink)
    for _ in range(2):
        finish(store.raise_epoch(now=NOW))
    assert all(call.rank is not None for call in plain.remembered if not call.lasting)
    now = [0.0]
    ledger = Ledger(clock=lambda: now[0], most=3)
    deaths = [die(b"%d" % number) for number in range(3)]
    ledger.note(deaths, ONE, ledger.begin())
    raises = [replace(die(b"epoch"), rank=rank) for rank in (5, 7, 6)]
    for call in raises:
        ledger.note([call], ONE, ledger.begin())
    kept = [entry.call for entry in ledger.look(OTHER, lambda _: True).entries]
    assert kept == [raises[1], *deaths]
    now[0] = KEEP
    assert (ledger.look(OTHER, lambda _: True).entries, len(ledger)) == ([], 0)


class Raced(deque[Entry]):
    """Entries that another thread forgets between this thread's look at the first one and its next step."""

    rival = True

    def __getitem__(self, at: Any) -> Any:
        """Look, and let the other thread be faster once."""
        seen = super().__getitem__(at)
        if self.rival:
            self.rival = False
            super().popleft()
        return seen


def test_two_threads_that_forget_at_once_forget_no_young_death() -> None:
    """Both see the same old entry: one takes it out, and the other does not take the next one in its place."""
    now = [0.0]
    ledger = Ledger(clock=lambda: now[0])
    ledger.note([die(b"old")], ONE, ledger.begin())
    now[0] = KEEP - 1
    ledger.note([die(b"young")], ONE, ledger.begin())
    now[0] = KEEP
    ledger._entries = Raced(ledger._entries)
    assert [entry.call.keys for entry in ledger.look(OTHER, lambda _: True).entries] == [(b"young",)]


def test_a_replaced_session_ends_again_without_its_last_change(link: PlainLink) -> None:
    """On Cluster a sign-in took it at a generation that was lost as well: it ends all the same (promise 2)."""
    store = RedisStore(PlainLink(link.url, partitions=8))
    plain = store.link
    assert isinstance(plain, PlainLink)
    make = Maker(finish(store.key()))
    other = next(name for name in map(str, range(99)) if _apart(store, make, name))
    answer = finish(store.create(make.record(other), now=NOW))
    assert isinstance(answer, Created)
    old, name = answer.record, KEYS.session(answer.record.id)
    before = link.client.get(name) or b""
    rotation = make.rotation(old, by_age=False)
    finish(store.rotate(old.id, generation=1, rotation=rotation, change=put(), now=NOW))
    signed = finish(
        store.create(make.record("ann"), now=NOW, replacing=Replacing(id=old.id, carry=False, generation=2))
    )
    assert isinstance(signed, Created)
    assert [dead.id for dead in signed.ended] == [old.id]
    link.client.set(name, before)
    repeat(plain, [call for call in plain.remembered if call.script.name == "end"])
    assert isinstance(finish(store.find([old.id]))[0], Tombstone)


def _apart(store: RedisStore, make: Maker, name: str) -> bool:
    """Whether *name* lies in another partition than ann."""
    keys = store._engine.keys
    return keys.own(make.tag(name)) != keys.own(make.tag("ann"))
