"""The seam inside the Redis store: what is asked (scripts, calls) on one side, how it reaches a server on the other.

The verbs build a `Call` for each script and hand it to a `Link`; a link knows connections, pools, Sentinel, Cluster,
faults and confirmation, and nothing of sessions. Answers are bytes, integers, lists and ``None``, never text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from coatcheck.discreet import Discreet
from coatcheck.errors import Unconfirmed

Arg: TypeAlias = "bytes | int | str"
"""What a script may be given."""


class Script(Discreet, frozen=True):
    """A Lua script that a server keeps by its digest.

    Attributes:
        name: what messages call it.
        text: its source, which begins with ``#!lua``: then a key of another slot is refused on every node.
        sha: SHA-1 of *text* in hexadecimal digits, by which the server knows it.
    """

    name: str
    text: str
    sha: str

    @classmethod
    def of(cls, name: str, text: str) -> Script:
        """Return the script *name* with its digest."""
        return cls(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())

    def __repr__(self) -> str:
        """Show the name; the text is in the package."""
        return f"Script({self.name})"


class Call(Struct, frozen=True):
    """One run of a script on keys of one slot.

    Attributes:
        script: what to run.
        keys: the keys it touches, all in one slot.
        args: its arguments.
        replay_args: what to give it instead when the ledger runs it again at a later time; ``None`` for the same.
        kept: given the answer, the call that the ledger keeps in its place, ``None`` for none because nothing was done.
        owed: whether the ledger keeps it also where no answer came, so that whichever server answers next does it.
        rank: of calls with a rank and the same keys the ledger keeps the one of the highest, which does what they did.
        lasting: the ledger keeps it for as long as the process lives, the last one for each of its keys. It answers
            what it finds, or else writes its one argument: so the answer is its argument from then on.
        repeated: is given the answer when the ledger has run it again.
        deaths: given the answer, the calls that bring back each death it was part of, for the ledger to remember.
    """

    script: Script
    keys: tuple[bytes, ...]
    args: tuple[Arg, ...] = ()
    replay_args: tuple[Arg, ...] | None = None
    kept: Callable[[Any], Call | None] | None = None
    owed: bool = True
    rank: int | None = None
    lasting: bool = False
    repeated: Callable[[Any], None] | None = None
    deaths: Callable[[Any], Sequence[Call]] | None = None

    def __repr__(self) -> str:
        """Show the script, never the arguments: digests may be among them."""
        return f"Call({self.script.name})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Show the same where Rich prints it."""
        return [("script", self.script.name)]

    def replayed(self) -> Call:
        """Return the call as the ledger runs it again."""
        return self if self.replay_args is None else replace(self, args=self.replay_args)

    def answered(self, answer: Any) -> Call | None:
        """Return the call that the ledger keeps when the server has given *answer*; ``None`` for none."""
        return self if self.kept is None else self.kept(answer)


class Unacknowledged(Unconfirmed):
    """Calls were done, but too few replicas acknowledged them in time.

    Attributes:
        answers: what they answered, in order.
    """

    def __init__(self, message: str, answers: Sequence[Any]) -> None:
        """Say what is missing, and keep the *answers*."""
        super().__init__(message)
        self.answers = answers


class Link(Protocol):
    """How the verbs reach the engine.

    Every method raises `coatcheck.errors.StoreUnavailable` when the engine gave no answer in time: what was asked may
    or may not have happened. A script's own error is a bug in the script and surfaces as redis-py's ``ResponseError``.
    """

    @property
    def blocking(self) -> bool:
        """Whether the coroutines never suspend."""
        ...

    @property
    def partitions(self) -> int:
        """In how many parts the engine keeps its keys: 1, or 16,384 slots on Cluster."""
        ...

    async def open(self) -> None:
        """Connect and check the server; harmless when already open.

        Raises:
            ConfigurationError: a person has to set something right first.
            StoreUnavailable: the server does not answer; names its host and port.
        """
        ...

    async def close(self) -> None:
        """Let go of the connections; a later call opens again."""
        ...

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of *keys*, of any slots, in order."""
        ...

    async def run(self, call: Call, *, confirm: bool = False) -> Any:
        """Run one script and return its answer.

        With *confirm* the call is remembered and run again on a server that might have lost it, and where the store is
        set up to confirm, it is acknowledged by the replicas first.

        Raises:
            Unacknowledged: it was done, but too few replicas acknowledged it in time.
        """
        ...

    async def run_many(self, calls: Sequence[Call], *, confirm: bool = False) -> list[Any]:
        """Run scripts on any slots, pipelined to each node, and return their answers in order."""
        ...

    async def time(self) -> int:
        """Return the engine's clock in milliseconds; on Cluster of any one node."""
        ...
