"""The link: asks the right servers, judges their answers, asks again where that is safe, and remembers deaths.

An operation asks until its questions are answered. What is asked again, and how long: a script that the server does
not know, at once; a redirection, at once; a server that is not ready, until the timeout is over; a connection that
could not be made, once; a lost answer, once and only for reading. The rest goes to the caller as it is.
"""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

from coatcheck.errors import CoatcheckError, ConfigurationError, StoreUnavailable
from coatcheck.stores.redis import confirming
from coatcheck.stores.redis.address import Address
from coatcheck.stores.redis.cluster import Slots
from coatcheck.stores.redis.faults import Lost, Meaning, Unreached, as_fault, meaning_of
from coatcheck.stores.redis.ledger import Ledger
from coatcheck.stores.redis.link import Call, Unacknowledged
from coatcheck.stores.redis.node import Node, Transient, evalsha, is_fault
from coatcheck.stores.redis.once import Once
from coatcheck.stores.redis.question import Question, share_loads
from coatcheck.stores.redis.routing import OneServer, Routing, Sentinels
from coatcheck.stores.redis.starting import check_servers
from coatcheck.stores.redis.wire import Identity, World

GROUP: Final = 256
"""The most keys in one ``MGET`` and the most scripts in one pipeline: others wait for them."""

PAUSE: Final = 0.02
"""Seconds before a server that is not ready is asked again."""

OPENING: Final = 10
"""Timeouts that a request waits at most for another one that opens the store: every server is looked at."""

_log: Final = logging.getLogger("coatcheck")
_ROUTINGS: Final[dict[str, Callable[[World, Address, Ledger], Routing]]] = {
    "single": OneServer,
    "sentinel": Sentinels,
    "cluster": Slots,
}


class RedisLink:
    """How the verbs reach Redis. The blocking link is this; the asyncio one puts a batcher before it.

    Args:
        address: where the servers are.
        world: threads or an event loop.
        ledger: the deaths to bring back.
    """

    def __init__(self, address: Address, world: World, ledger: Ledger | None = None) -> None:
        """Connect to nothing yet."""
        self.address, self.ledger = address, Ledger() if ledger is None else ledger
        self.warnings: list[str] = []
        self._world = world
        self._routing: Routing = _ROUTINGS[address.kind](world, address, self.ledger)
        self._timeout = address.options.timeout / 1000
        self._opened = False
        self._opening = Once(world, f"{address.text} is still being opened")

    def __repr__(self) -> str:
        """Show the address, without user and password."""
        return f"{type(self).__name__}({self.address.text})"

    @property
    def blocking(self) -> bool:
        """Whether the coroutines never suspend."""
        return self._world.blocking

    @property
    def partitions(self) -> int:
        """In how many parts the engine keeps its keys."""
        return self._routing.partitions

    async def open(self) -> None:
        """Connect and check the servers; what may lose sessions is in `warnings` and in the log.

        Raises:
            ConfigurationError: a person has to set something right first.
            StoreUnavailable: a server does not answer; names its host and port.
        """
        deadline = time.monotonic() + OPENING * self._timeout
        await self._opening.do(lambda: not self._opened, self._open, deadline)

    async def _open(self) -> None:
        """Connect, look at the servers, and tell each warning once."""
        nodes: list[Node] = []
        try:
            nodes = await self._routing.primaries(time.monotonic() + self._timeout)
            self.warnings = await check_servers(nodes, self.address)
        except (Transient, StoreUnavailable) as error:
            for node in nodes:
                await self._routing.doubt(node)  # the next try looks for whoever has taken over
            raise as_fault(error.error, self.address.text) if isinstance(error, Transient) else error from None
        for warning in self.warnings:
            _log.warning("%s", warning)
        self._opened = True

    async def close(self) -> None:
        """Let go of the connections; a later call opens again. What the ledger holds stays."""
        self._opened = False
        await self._routing.close()

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of *keys* in order."""
        values = await self.try_get(keys)
        return [_raised(values[key]) for key in keys]

    async def try_get(self, keys: Sequence[bytes]) -> dict[bytes, Any]:
        """Return the value of each key, or the fault that kept it from being read."""
        parts = self._parts(keys)
        questions = [Question(("GET", *part) if len(part) == 1 else ("MGET", *part), part[0]) for part in parts]
        await self.settle(questions)
        values: dict[bytes, Any] = {}
        for part, question in zip(parts, questions, strict=True):
            several = len(part) > 1 and not is_fault(question.answer)
            answers = question.answer if several else [question.answer] * len(part)
            # `GET` is refused where `MGET` finds nothing.
            foreign = is_fault(question.answer) and str(question.answer).startswith("WRONGTYPE")
            values.update(zip(part, [None] * len(part) if foreign else answers, strict=True))
        return values

    async def run(self, call: Call, *, confirm: bool = False) -> Any:
        """Run one script and return its answer."""
        return (await self.run_many([call], confirm=confirm))[0]

    async def run_many(self, calls: Sequence[Call], *, confirm: bool = False) -> list[Any]:
        """Run scripts on any slots, pipelined to each node, and return their answers in order."""
        questions = [Question(evalsha(call), call.keys[0], call) for call in calls]
        await self._settle_deaths(questions, confirm=confirm)
        answers = [_raised(question.answer) for question in questions]
        if not all(question.confirmed for question in questions):
            raise Unacknowledged(confirming.too_few(self.address.options), answers)
        return answers

    async def try_many(self, calls: Sequence[Call]) -> list[Any]:
        """Run scripts, and return each one's answer or its fault, in order."""
        questions = [Question(evalsha(call), call.keys[0], call) for call in calls]
        await self.settle(questions)
        return [question.answer for question in questions]

    async def time(self) -> int:
        """Return the engine's clock in milliseconds."""
        question = Question(("TIME",), None)
        await self.settle([question])
        seconds, micros = _raised(question.answer)
        return int(seconds) * 1000 + int(micros) // 1000

    async def _settle_deaths(self, questions: Sequence[Question], *, confirm: bool) -> None:
        """As `settle`; what is to be confirmed and has no answer is owed to whichever server answers next."""
        began = self.ledger.begin()
        try:
            await self.settle(questions, confirm=confirm)
        except BaseException:
            if confirm:
                self.ledger.note(_owed(questions), None, began)
            raise
        unknown = [question for question in questions if isinstance(question.answer, CoatcheckError)]
        if confirm and (owed := _owed(unknown)):
            self.ledger.note(owed, None, began)

    async def settle(self, questions: Sequence[Question], *, confirm: bool = False) -> None:
        """Ask until each of *questions* has its answer, which may be an exception.

        One question has the timeout for all that it takes: looking for its server, a connection, every time it is
        asked. Questions to several servers have it for each server, which threads ask one after the other.
        """
        patience = self._timeout + (self.address.options.confirm_timeout / 1000 if confirm else 0.0)
        deadline = time.monotonic() + patience
        pending = list(questions)
        while pending:
            if not self._opened:
                await self.open()
                deadline = time.monotonic() + patience
            routed = await self._routed(pending, deadline)
            until = deadline if len(routed) == 1 else math.inf
            work = [self._ask_in_groups(node, some, until, confirm=confirm) for node, some in routed.items()]
            for outcome in await self._world.each(work):
                if isinstance(outcome, BaseException):
                    raise outcome
            left = [question for question in pending if question.again]
            pause = PAUSE if any(question.tries > 1 for question in left) else 0.0
            if len(left) < len(pending):
                deadline = time.monotonic() + patience  # it goes on: the time is for those that are left
            elif time.monotonic() + 2 * pause >= deadline:
                return  # what the servers said says more than that there was no time for the last try
            if pause:
                await self._world.pause(pause)
            pending = left

    async def _ask_in_groups(
        self, node: Node, questions: Sequence[Question], deadline: float, *, confirm: bool
    ) -> None:
        """Ask one server, one group after the other, so that none waits for all of them.

        The first group has until *deadline*. If a group is not answered at all, the others are not asked.
        """
        for start in range(0, len(questions), GROUP):
            until = min(deadline, time.monotonic() + self._timeout)
            fault = await self._ask(node, questions[start : start + GROUP], until, confirm=confirm)
            if fault is not None:
                unasked = Unreached(str(fault).partition(";")[0]) if isinstance(fault, Lost) else fault
                if rest := questions[start + GROUP :]:
                    await self._unanswered(node, rest, unasked, in_time=time.monotonic() < until)
                return
            deadline = math.inf

    def _parts(self, keys: Sequence[bytes]) -> list[Sequence[bytes]]:
        """Return *keys* in parts that one command may ask for.

        On Cluster each is asked for alone: while a slot moves, its keys may be on two nodes, and ``MGET`` fails.
        """
        size = GROUP if self.partitions == 1 else 1
        return [keys[at : at + size] for at in range(0, len(keys), size)]

    async def _routed(self, pending: Sequence[Question], deadline: float) -> dict[Node, list[Question]]:
        """Return whom to ask what; nobody, if nobody says who serves: it is not looked for again for each question."""
        routed: dict[Node, list[Question]] = defaultdict(list)
        try:
            find = await self._routing.look(deadline)
        except StoreUnavailable as error:
            for question in pending:
                question.fail(error, again=False)
            return routed
        for question in pending:
            try:
                node = question.at or find(question.key)
            except StoreUnavailable as error:
                question.fail(error, again=False)
            else:
                routed[node].append(question)
        return routed

    async def _ask(
        self, node: Node, questions: Sequence[Question], deadline: float, *, confirm: bool
    ) -> Exception | None:
        """Ask one server, and judge what comes back; returns what kept it from answering at all."""
        began, options = self.ledger.begin(), self.address.options
        tail = confirming.tail(options, questions[0].key) if confirm else []
        share_loads(questions)
        commands = [command for question in questions for command in question.commands()] + tail
        wait = options.confirm_timeout / 1000 if tail else 0.0
        try:
            answers, identity = await node.ask(commands, wait=wait, deadline=deadline)
        except (StoreUnavailable, ConfigurationError, Transient) as error:
            await self._unanswered(node, questions, error, in_time=time.monotonic() < deadline)
            return error
        waited = [answers.pop(), answers.pop()] if tail else []
        await self._hand_out(node, questions, answers)
        self._remember(questions, identity, began, confirm=confirm)
        if waited and (done := [one for one in questions if not one.again and not is_fault(one.answer)]):
            confirmed = confirming.is_confirmed(options, *waited)
            for question in done:
                question.confirmed = confirmed
        return None

    async def _unanswered(self, node: Node, questions: Sequence[Question], error: Exception, *, in_time: bool) -> None:
        """Decide what becomes of questions that a server did not answer."""
        if isinstance(error, Transient):
            for question in questions:
                await self._judge(question, node, error.error)
            return
        if isinstance(error, (Unreached, Lost)):
            await self._routing.doubt(node)
        for question in questions:
            if isinstance(error, (Unreached, Lost)):
                safe = question.call is None or isinstance(error, Unreached)
                question.fail(error, again=in_time and safe and question.tries == 0)
            else:  # a configuration was right when the store was opened
                known = error if isinstance(error, StoreUnavailable) else StoreUnavailable(str(error))
                question.fail(known, again=False)

    async def _hand_out(self, node: Node, questions: Sequence[Question], answers: Sequence[Any]) -> None:
        """Give each question the last of its answers."""
        at = 0
        for question in questions:
            at += len(question.commands())
            answer = answers[at - 1]
            if is_fault(answer):
                await self._judge(question, node, answer)
            else:
                question.answer, question.again = answer, False

    def _remember(self, questions: Sequence[Question], identity: Identity, began: int, *, confirm: bool) -> None:
        """Note what this server has ended."""
        calls: list[Call] = []
        for question in questions:
            if question.call is None or question.again or is_fault(question.answer):
                continue
            if confirm and (kept := question.call.answered(question.answer)) is not None:
                calls.append(kept)
            if question.call.deaths is not None:
                calls += question.call.deaths(question.answer)
        if calls:
            self.ledger.note(calls, identity, began)

    async def _judge(self, question: Question, node: Node, error: Exception) -> None:
        """Decide by a server's error whether to ask again, and whom."""
        meaning = meaning_of(error)
        question.fail(as_fault(error, node.where), again=False)
        if meaning is Meaning.SCRIPT:
            question.miss_script()
        elif meaning is Meaning.PASSING:
            question.again, question.tries = True, question.tries + 1
        elif meaning is Meaning.ELSEWHERE:
            await self._routing.doubt(node)
            question.again = self._routing.patient or question.tries < 2
        elif meaning is Meaning.MOVED:
            await self._routing.moved(node, error)
            question.again = question.tries < 8
        elif meaning is Meaning.ASK:
            question.at = await self._routing.asked(node, error)
            question.again = True  # until the time is up: it may be sent to and fro while its keys are at both


def _raised(answer: Any) -> Any:
    """Return *answer*, or raise it."""
    if is_fault(answer):
        raise answer
    return answer


def _owed(questions: Sequence[Question]) -> list[Call]:
    """Return the calls of *questions*, which may or may not have been done, that are to be done all the same."""
    return [question.call for question in questions if question.call is not None and question.call.owed]
