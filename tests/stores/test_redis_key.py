"""The store's key when a server loses it: every process goes on with one key, so a user has one tag (promises 2, 4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from coatcheck import Sessions
from coatcheck.model import Record, Tombstone
from coatcheck.runtime import finish
from coatcheck.stores.redis import RedisStore, scripts
from coatcheck.stores.redis.link import Call
from coatcheck.stores.redis.opening import open_url
from coatcheck.testing._make import NOW, Maker
from coatcheck.verbs import Created, Limit, NotCreated
from tests.servers.redis import RedisServer
from tests.stores.redis_plain import PlainLink

LOSSES = pytest.mark.parametrize("loss", ["restart", "flush"])


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """Give a server of the test's own, which keeps nothing on disk."""
    with RedisServer() as server:
        yield server


def opened(server: RedisServer) -> RedisStore:
    """Give a store as a process of its own has it."""
    return open_url(server.url, blocking=True)


def lose(server: RedisServer, loss: str) -> None:
    """Have the server lose everything: it is killed and started again, or somebody empties it."""
    if loss == "restart":
        server.kill()
        server.restart()
    else:
        with server.client() as client:
            client.flushall()


def signed_in(store: RedisStore, record: Record, **terms: Any) -> Created:
    """Sign in."""
    answer = finish(store.create(record, now=NOW, **terms))
    assert isinstance(answer, Created)
    return answer


@LOSSES
def test_an_old_process_adopts_the_key_that_another_made_first(server: RedisServer, loss: str) -> None:
    """After the loss a new process makes a key; what an old one ends, lists and limits is then the same (2, 4)."""
    old = opened(server)
    lost = finish(old.key())
    lose(server, loss)
    new = opened(server)
    make = Maker(finish(new.key()))
    assert finish(new.key()) != lost
    one = signed_in(new, make.record("ann"))
    assert [row.id for row in finish(old.list_user("ann", now=NOW))] == [one.record.id]
    assert finish(old.key()) == finish(new.key())
    two = signed_in(old, make.record("ann"), limit=Limit(1, "evict_least_recent"))
    assert [dead.id for dead in two.ended] == [one.record.id]
    ended = finish(old.end_user("ann", reason="revoked", now=NOW))
    assert [dead.id for dead in ended] == [two.record.id]
    assert finish(old.epoch("ann")) == finish(new.epoch("ann")) > 0


@LOSSES
@pytest.mark.parametrize("verb", ["epoch", "end_user", "set_roles", "list_user", "list_ended", "browse"])
def test_every_verb_about_a_user_looks_which_key_counts(server: RedisServer, loss: str, verb: str) -> None:
    """Whichever is the first that an old process is asked after the loss, it means the user's sessions (promise 2)."""
    old = opened(server)
    finish(old.key())
    lose(server, loss)
    new = opened(server)
    make = Maker(finish(new.key()))
    ended, live = (signed_in(new, make.record("ann")).record.id for _ in range(2))
    finish(new.end(ended, reason="revoked", now=NOW))
    finish(new.set_roles("ann", ("editor",), now=NOW))
    if verb == "epoch":
        assert finish(old.epoch("ann")) == finish(new.epoch("ann"))
    elif verb == "end_user":
        assert [row.id for row in finish(old.end_user("ann", reason="revoked", now=NOW))] == [live]
    elif verb == "set_roles":
        assert finish(old.set_roles("ann", ("editor",), now=NOW)) == (live,)
    elif verb == "list_user":
        assert [row.id for row in finish(old.list_user("ann", now=NOW))] == [live]
    elif verb == "list_ended":
        assert [row.id for row in finish(old.list_ended("ann", limit=5))] == [ended]
    else:
        page = finish(old.browse(limit=5, user_id="ann"))
        assert {row.id for row in page.items} == {live, ended}


@LOSSES
def test_a_lone_process_puts_its_key_back(server: RedisServer, loss: str) -> None:
    """Where nobody made another key, tags stay what they were, for new processes too."""
    old = opened(server)
    key = finish(old.key())
    lose(server, loss)
    finish(old.epoch("ann"))
    assert finish(opened(server).key()) == key == finish(old.key())


def test_a_second_loss_brings_the_adopted_key_back(server: RedisServer) -> None:
    """What a process puts back is the key it goes on with, not the one it began with."""
    old = opened(server)
    some = [Maker(finish(old.key())).record().id]
    lose(server, "restart")
    key = finish(opened(server).key())
    assert finish(old.find(some)) == [None]
    assert finish(old.key()) == key
    lose(server, "restart")
    finish(old.find(some))
    assert finish(opened(server).key()) == key


@LOSSES
def test_an_epoch_read_before_the_loss_is_stale_after_it(server: RedisServer, loss: str) -> None:
    """The raise went with the data, and 0 would be 0 again: whoever makes a key raises the store-wide epoch (2)."""
    old = opened(server)
    epoch = finish(old.epoch("ann"))
    finish(old.end_user("ann", reason="revoked", now=NOW))
    lose(server, loss)
    new = opened(server)
    make = Maker(finish(new.key()))
    assert finish(new.create(make.record("ann"), now=NOW, epoch=epoch)) is NotCreated.STALE_EPOCH
    assert finish(new.create(make.record("ann"), now=NOW, began_at=1)) is not NotCreated.STALE_EPOCH


def test_two_processes_that_begin_together_outdate_no_sign_in(server: RedisServer) -> None:
    """Who found no key just before another process made it raises nothing: a sign-in may have read the epoch (2)."""
    first, second = opened(server), opened(server)
    make = Maker(finish(first.key()))
    epoch = finish(first.epoch("ann"))
    finish(second._engine._outdate())
    assert finish(first.epoch("ann")) == epoch
    assert isinstance(finish(first.create(make.record("ann"), now=NOW, epoch=epoch)), Created)


def test_a_sign_in_begun_before_the_loss_is_stale(server: RedisServer) -> None:
    """A ticket minted under a lost key would be in an index that nobody reads: it is refused like an old epoch."""
    old = opened(server)
    before = Maker(finish(old.key()))
    lose(server, "restart")
    finish(opened(server).key())
    record = before.record("ann")
    assert finish(old.create(record, now=NOW)) is NotCreated.STALE_EPOCH
    assert finish(old.find([record.id])) == [None]
    with pytest.raises(ValueError, match="tag"):
        finish(old.create(Maker(b"x" * 32).record("ann"), now=NOW))


class Losing(PlainLink):
    """A link whose server loses everything, and gets another key, just before a script runs."""

    def __init__(self, url: str, script: str) -> None:
        """Wait for the first run of *script*."""
        super().__init__(url)
        self.script = script
        self.new = RedisStore(PlainLink(url))

    async def run(self, call: Call, *, confirm: bool = False) -> Any:
        """Lose everything once, and do as the ledger does with a server that it has not met."""
        if call.script.name == self.script:
            self.script = ""
            self.client.flushall()
            make = Maker(await self.new.key())
            self.made = make.record("ann")
            await self.new.create(self.made, now=NOW)
            for each in [each for each in self.remembered if each.repeated]:
                assert each.repeated is not None
                each.repeated(await super().run(each))
        return await super().run(call, confirm=confirm)


@pytest.mark.parametrize("script", [scripts.END_USER, scripts.SET_ROLES], ids=["end_user", "set_roles"])
def test_a_loss_while_a_verb_runs_has_it_done_again(redis_server: RedisServer, script: Any) -> None:
    """The script ran under a tag that was the user's no more; it runs again under the new one (promise 2)."""
    link = Losing(redis_server.url, script.name)
    link.client.flushall()
    store = RedisStore(link)
    finish(store.key())
    if script is scripts.END_USER:
        ended = finish(store.end_user("ann", reason="revoked", now=NOW))
        assert [row.id for row in ended] == [link.made.id]
    else:
        assert finish(store.set_roles("ann", ("editor",), now=NOW)) == (link.made.id,)


def test_a_loss_while_a_sign_in_runs_refuses_it(redis_server: RedisServer) -> None:
    """A session that was put into an index nobody reads does not live (promises 2, 4)."""
    link = Losing(redis_server.url, "create")
    link.client.flushall()
    store = RedisStore(link)
    record = Maker(finish(store.key())).record("ann")
    assert finish(store.create(record, now=NOW)) is NotCreated.STALE_EPOCH
    assert isinstance(finish(store.find([record.id]))[0], Tombstone)


@LOSSES
def test_a_manager_signs_in_under_the_key_that_counts(server: RedisServer, loss: str) -> None:
    """The manager keeps no key of its own: what an old worker signs in, a new one revokes (promise 2)."""
    with Sessions(server.url) as old, Sessions(server.url) as new:
        sign_in(old)
        lose(server, loss)
        sign_in(new)
        sign_in(old)
        assert len(old.list("ann")) == len(new.list("ann")) == 2
        assert new.revoke_user("ann") == 2


def sign_in(sessions: Sessions) -> None:
    """Make a request that signs ann in."""
    session = sessions.load(None)
    session.login("ann", epoch=sessions.epoch("ann"))
    sessions.save(session)
