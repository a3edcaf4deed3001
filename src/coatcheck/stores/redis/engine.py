"""What every verb of the Redis store needs: the link, the names of keys, and how a script is asked and answered."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec.structs import replace

from coatcheck.errors import Unconfirmed
from coatcheck.model import Found, Millis, Reason, Tombstone
from coatcheck.stores.redis import layout, scripts
from coatcheck.stores.redis.keys import Keys
from coatcheck.stores.redis.link import Arg, Call, Link, Script, Unacknowledged
from coatcheck.tokens import is_id, user_tag

_log: Final = logging.getLogger("coatcheck")


class Engine:
    """One tenant's sessions behind a link."""

    def __init__(self, link: Link, *, tenant: str, prefix: str, browse: bool) -> None:
        """Remember the link; nothing is connected yet."""
        self.link = link
        self.tenant = tenant
        self.browse = browse
        self.keys = Keys(prefix, tenant, link.partitions)
        self.walked_to = 0
        self._key = self._told = b""
        self._former: tuple[bytes, ...] = ()

    async def key(self) -> bytes:
        """Return the store's 32 random bytes as this process knows them; the first time as `fresh_key`."""
        return self._key or await self.fresh_key()

    async def fresh_key(self) -> bytes:
        """Return the store's 32 random bytes as the server has them, made once by whoever asks first.

        A server that lost them gets this process's back, unless another process has made new ones before: then those
        count. With two keys the same user would have two tags, and who ends the sessions under one would miss those
        under the other. The link is told each key once, and puts it back before anything else is asked.
        """
        place = (self.keys.key,)
        [found] = await self.link.get(place)
        if found is None:
            await self._outdate()
            found = await self.link.run(Call(scripts.KEY, place, (self._key or secrets.token_bytes(32),)))
        self._adopt(found)
        if self._told != found:
            lasting = Call(scripts.KEY, place, (found,), lasting=True, repeated=self._adopt)
            with suppress(Unconfirmed):  # it is remembered all the same
                self._adopt(await self.link.run(lasting, confirm=True))
            self._told = found
        return self._key

    async def _outdate(self) -> None:
        """Raise the store-wide epoch, because the server had no key: it is new, or has lost what it knew.

        A sign-in that read an epoch before the loss would find the same again, 0, although it was raised in between.
        Not on Cluster, where a node that lost the key is one of several, and asking every slot takes seconds.
        """
        if self.link.partitions == 1:
            [own] = self.keys.partitions()
            await self.link.run(self.call_in(scripts.OUTDATE, own, self.keys.key))

    def _adopt(self, key: bytes) -> None:
        """Go on with the key that the server has."""
        if self._key and key != self._key:
            self._former = (*self._former[-7:], self._key)
            _log.warning("Redis lost the store's key, and another process made a new one: it lost its sessions too")
        self._key = key

    def tag_under(self, key: bytes, user_id: str) -> str:
        """Return the tag that every id of the user carries while *key* is the store's."""
        return user_tag(key, user_id, tenant=self.tenant)

    def was_tag(self, tag: str, user_id: str) -> bool:
        """Whether *tag* was the user's under a key that the server has lost."""
        return any(tag == self.tag_under(key, user_id) for key in self._former)

    async def read_of(self, user_id: str, names: Callable[[str], Sequence[bytes]]) -> tuple[str, list[bytes | None]]:
        """Return the user's tag and the values of the keys that *names* gives for it, read together with the key."""
        key = await self.key()
        while True:
            tag = self.tag_under(key, user_id)
            found, *values = await self.link.get([self.keys.key, *names(tag)])
            if found == key == self._key:
                return tag, values
            key = await self.fresh_key()

    async def confirmed(self, call: Call, ended: Callable[[Any], Sequence[Tombstone]] = lambda _answer: ()) -> Any:
        """Run a call that ends something and return its answer.

        Raises:
            Unconfirmed: it was done, but too few replicas confirmed it; what it *ended* is in the error.
        """
        try:
            return await self.link.run(call, confirm=True)
        except Unacknowledged as fault:
            raise Unconfirmed(str(fault), ended=ended(fault.answers[0])) from None

    async def run_of(
        self, user_id: str, call: Callable[[str], Call], *, run: Callable[[Call], Awaitable[Any]] | None = None
    ) -> tuple[str, Any]:
        """Return the user's tag and the answer to the *call* that is made for it.

        It is made again when the key was found to be another while it ran: its tag was not the user's any more.
        """
        while True:
            key = await self.fresh_key()
            tag = self.tag_under(key, user_id)
            answer = await (run or self.link.run)(call(tag))
            if key == self._key:
                return tag, answer

    async def found(self, ids: Sequence[str]) -> list[Found]:
        """Return what is known of each id, in order; what is no id is unknown."""
        asked = [each for each in ids if is_id(each)]
        rows = await self.link.get([self.keys.session(each) for each in asked]) if asked else []
        if len(asked) == len(ids):
            return [layout.decode(each, self.tenant, raw) for each, raw in zip(asked, rows, strict=True)]
        known = dict(zip(asked, rows, strict=True))
        return [layout.decode(each, self.tenant, known.get(each)) for each in ids]

    def call(self, script: Script, tag: str, *args: Arg, reports: bool = False) -> Call:
        """Return a call in the partition of *tag*.

        With *reports* the answer is a number and a row, then ids and tombstones: those deaths are remembered with it.
        """
        return self.call_in(script, self.keys.own(tag), *args, reports=reports)

    def call_in(self, script: Script, own: str, *args: Arg, reports: bool = False) -> Call:
        """Return a call in the partition whose own tag is *own*."""
        common: tuple[Arg, ...] = (self.keys.prefix, own, int(self.browse))
        return Call(script, self.keys.touched(own), (*common, *args), deaths=self._deaths if reports else None)

    def call_again(self, script: Script, tag: str, *args: Arg) -> Call:
        """Return a call whose last argument, should it be run again, is the epoch that it answered; 0 for unknown."""
        made = self.call(script, tag, *args, "")

        def kept(answer: Any) -> Call:
            return self.call(script, tag, *args, int(answer[0]))

        return replace(made, replay_args=(*made.args[:-1], 0), kept=kept)

    def end(
        self, id: str, reason: Reason, now: Millis, *, owner: str | None = None, generation: int | None = None
    ) -> Call:
        """Return the call that ends one session."""
        owned: tuple[Arg, ...] = (0, "") if owner is None else (1, owner)
        expected: Arg = "" if generation is None else generation
        return self.call(scripts.END, id[1:4], id, layout.REASONS.index(reason) + 1, now, *owned, expected)

    def tombstones(self, rows: Sequence[Any]) -> tuple[Tombstone, ...]:
        """Read ids and tombstones that come in turn."""
        read = (layout.decode(each, self.tenant, raw) for each, raw in pairs(rows))
        return tuple(row for row in read if isinstance(row, Tombstone))

    def _deaths(self, answer: Any) -> list[Call]:
        """Return the calls that would end again whom a sign-in ended, should the server lose it."""
        if answer[0] != 0:
            return []
        return [self.end(dead.id, dead.reason, dead.ended_at) for dead in self.tombstones(answer[2:])]


def pairs(rows: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Return ids and what was answered for each."""
    for at in range(0, len(rows) - 1, 2):
        yield rows[at].decode(), rows[at + 1]
