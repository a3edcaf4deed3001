"""Waiting for replicas: what is sent after a revocation, and whether the answers say that enough of them have it."""

from __future__ import annotations

import logging
from typing import Any, Final

from coatcheck.stores.redis.keys import hash_tag
from coatcheck.stores.redis.node import is_fault
from coatcheck.stores.redis.options import Options
from coatcheck.stores.redis.wire import Command

_MARK: Final = "#!lua flags=allow-oom\nredis.call('SET', KEYS[1], '', 'PX', 1000)\nreturn 1"

_log: Final = logging.getLogger("coatcheck")


def tail(options: Options, key: bytes | None) -> list[Command]:
    """Return the commands that wait for the replicas; none when the store does not confirm.

    ``WAIT`` asks about the last write of its own connection. Since Redis 7.2 it answers at once on one that has
    written nothing, as when a session had ended before; so a small write in the slot of *key* goes before it.
    """
    if not options.confirm and not options.confirm_disk:
        return []
    mark: Command = ("EVAL", _MARK, 1, f"{options.prefix}:confirm:{{".encode() + hash_tag(key or b"") + b"}")
    if options.confirm_disk:
        return [mark, ("WAITAOF", 1, options.confirm, options.confirm_timeout)]
    return [mark, ("WAIT", options.confirm, options.confirm_timeout)]


def is_confirmed(options: Options, answer: Any, marked: Any) -> bool:
    """Whether enough have it, by what the waiting command answered."""
    for fault in (marked, answer):
        if is_fault(fault):
            _log.error("Redis refuses to say whether replicas have a revocation: %s", fault)
            return False
    if options.confirm_disk:
        return bool(answer[0] >= 1 and answer[1] >= options.confirm)
    return bool(answer >= options.confirm)


def too_few(options: Options) -> str:
    """Say what is not confirmed."""
    return (
        f"fewer than {options.confirm} replicas confirmed a revocation within {options.confirm_timeout} ms; "
        "it was done, and may be undone if Redis fails"
    )
