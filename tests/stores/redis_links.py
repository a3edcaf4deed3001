"""Links and small scripts for the tests of how Redis is reached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from coatcheck.runtime import finish
from coatcheck.stores.redis.address import read_url
from coatcheck.stores.redis.client import RedisLink
from coatcheck.stores.redis.link import Call, Script
from coatcheck.stores.redis.opening import make_link

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]

PUT = Script.of("put", "#!lua\nredis.call('SET', KEYS[1], ARGV[1])\nreturn ARGV[1]")
READ = Script.of("read", "#!lua\nreturn redis.call('GET', KEYS[1])")
COUNT = Script.of("count", "#!lua\nreturn redis.call('INCR', KEYS[1])")
FAIL = Script.of("fail", "#!lua\nreturn redis.error_reply('ERR no good')")
DIE = Script.of("die", "#!lua flags=allow-oom\nredis.call('SET', KEYS[1], 'dead')\nreturn 1")


def put(key: bytes, value: bytes | int) -> Call:
    """Write a value."""
    return Call(PUT, (key,), (value,))


def die(key: bytes) -> Call:
    """Play a death: the key says so, however often it is done."""
    return Call(DIE, (key,))


@contextmanager
def driven(url: str, *, blocking: bool) -> Iterator[tuple[RedisLink, Run[Any]]]:
    """Give a link and what runs its coroutines, and close both."""
    link = make_link(read_url(url), blocking=blocking)
    if blocking:
        try:
            yield link, finish
        finally:
            finish(link.close())
        return
    with asyncio.Runner() as runner:
        try:
            yield link, runner.run
        finally:
            runner.run(link.close())
