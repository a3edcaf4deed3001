"""Fair turns between processes that write to one SQLite file (S-66).

Nothing here measures how long anything takes. Processes write down when they drew a ticket and when they committed,
on the clock that all processes of a machine share, and the order alone is judged.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from coatcheck.runtime import finish
from coatcheck.stores.sqlite import SqliteStore
from coatcheck.stores.sqlite.fairlock import FairLock
from coatcheck.stores.sqlite.turns import Turns
from coatcheck.testing._make import NOW, Maker

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no byte-range locks on Windows")


class Turn(NamedTuple):
    """One process's turn: when it drew its ticket, and when it committed while holding the turn."""

    process: int
    drew: int
    committed: int


def overtakers(history: list[Turn]) -> list[tuple[Turn, int]]:
    """Return every turn during whose waiting some other process committed more than once, with that process."""
    found = []
    for turn in history:
        between = (
            other.process
            for other in history
            if other.process != turn.process and turn.drew < other.committed < turn.committed
        )
        found += [(turn, process) for process, count in Counter(between).items() if count > 1]
    return found


def test_the_checker_sees_an_overtaking() -> None:
    """The judge of the next test can say no: process 2 commits twice while process 1 waits, as without turns."""
    fair = [Turn(2, 0, 2), Turn(1, 1, 3), Turn(2, 2, 4), Turn(1, 3, 5)]
    assert overtakers(fair) == []
    unfair = [Turn(2, 0, 2), Turn(2, 3, 4), Turn(1, 1, 5)]
    assert overtakers(unfair) == [(Turn(1, 1, 5), 2)]


WORKER = """
import asyncio, sys, time
from coatcheck.stores.sqlite import AsyncSqliteStore
from coatcheck.stores.sqlite.turns import Turns
from coatcheck.testing._make import NOW, put
file, number, session = sys.argv[1:]
drawn, history = [], []
draw, release = Turns._draw, Turns.release

def noting_draw(self, deadline):
    ticket = draw(self, deadline)
    drawn[:] = [time.monotonic_ns()]
    return ticket

def noting_release(self):
    history.append((drawn[0], time.monotonic_ns()))  # the group is committed and the turn still held
    release(self)

async def main():
    store = AsyncSqliteStore(file)
    await store.find([session])
    store._database._turns._patience = 60.0  # a busy machine must not look like a stopped process
    Turns._draw, Turns.release = noting_draw, noting_release
    print("ready", flush=True)
    sys.stdin.readline()
    async def writer(name):
        for _ in range(25):
            change = put(**{f"{number}.{name}": b"1"})
            assert isinstance(await store.commit(session, generation=1, change=change, now=NOW), int)
    await asyncio.gather(*[writer(name) for name in range(8)])
    Turns._draw, Turns.release = draw, release
    await store.close()
    for drew, committed in history:
        print(drew, committed)
asyncio.run(main())
"""


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python of its own with *code*."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    """Wait for what a process says first."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_four_processes_take_turns(tmp_path: Path) -> None:
    """S-66: of four processes with eight writers each, none commits a second group while another waits for its turn."""
    file = tmp_path / "sessions.db"
    store = SqliteStore(file)
    record = Maker(finish(store.key())).record("ann")
    finish(store.create(record, now=NOW))
    processes = [python(WORKER, str(file), str(number), record.id) for number in range(4)]
    assert [first_line(process) for process in processes] == ["ready"] * 4
    turns = store._database._turns
    with turns.turn():  # so that all four are waiting when it begins
        tickets = drawn(turns)
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        until_drawn(turns, tickets + 4, processes)
    history = []
    for number, process in enumerate(processes):
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        lines = (line.split() for line in out.splitlines())
        history += [Turn(number, int(drew), int(committed)) for drew, committed in lines]
    (last,) = finish(store.find([record.id]))
    finish(store.close())
    assert getattr(last, "version", 0) == 1 + 4 * 8 * 25
    assert {turn.process for turn in history} == {0, 1, 2, 3}
    assert overtakers(history) == []
    assert any(turn.drew < other.committed < turn.committed for turn in history for other in history)


HOLDER = """
import sys
from coatcheck.stores.sqlite.turns import Turns
turns = Turns(sys.argv[1], patience=3600)
turns.take()
print("holding", flush=True)
sys.stdin.readline()
"""


def test_a_killed_holder_blocks_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A process that is killed while it holds its turn gives it back by dying: nobody's patience is needed."""
    path = str(tmp_path / "turns")
    holder = python(HOLDER, path)
    assert first_line(holder) == "holding"
    waiter = python(HOLDER, path)
    while int.from_bytes(Path(path).read_bytes()[:8], "little") < 2:
        assert waiter.poll() is None
        os.sched_yield()
    holder.kill()
    holder.communicate(timeout=60)
    assert waiter.communicate("\n", timeout=60)[0] == "holding\n"
    turns = Turns(path)
    with turns.turn():
        assert turns._ticket == 2
    turns.close()
    assert not caplog.records


def test_a_stopped_holder_is_minded_only_for_so_long(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A process that lives on with its ticket costs the others their patience once, and is told about."""
    path = str(tmp_path / "turns")
    holder = python(HOLDER, path)
    assert first_line(holder) == "holding"
    turns = Turns(path, patience=0.0)
    with caplog.at_level(logging.WARNING, "coatcheck.stores.sqlite"):
        for _ in range(3):
            with turns.turn():
                pass
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "a process holds its turn to write for too long; going ahead of it"
    ]
    turns.close()
    holder.communicate("\n", timeout=60)


def drawn(turns: Turns) -> int:
    """Return how many tickets were drawn, over the descriptor in use: closing another would drop its locks."""
    assert turns._file is not None
    return int.from_bytes(os.pread(turns._file, 8, 0), "little")


def until_drawn(turns: Turns, count: int, processes: list[subprocess.Popen[str]]) -> None:
    """Wait until *count* tickets were drawn, as long as the processes live."""
    while drawn(turns) < count:
        assert all(process.poll() is None for process in processes)
        os.sched_yield()


SIGNER = """
import sys
from coatcheck.stores.sqlite.turns import Turns
turns = Turns(sys.argv[1], patience=60)
with turns.turn(), open(sys.argv[2], "a") as log:
    log.write(sys.argv[3])
"""


def test_turns_are_served_in_the_order_of_tickets(tmp_path: Path) -> None:
    """Four processes that wait behind one another get their turns in the order they drew."""
    path, log = str(tmp_path / "turns"), tmp_path / "log"
    first = Turns(path)
    first.take()
    waiting: list[subprocess.Popen[str]] = []
    for name in "abcd":
        waiting.append(python(SIGNER, path, str(log), name))
        until_drawn(first, 1 + len(waiting), waiting)
    first.release()
    for process in waiting:
        process.communicate(timeout=60)
    first.close()
    assert log.read_text() == "abcd"


@pytest.mark.parametrize("content", [b"", b"\x01", b"\xff" * 8, b"rubbish that is longer than a counter"])
def test_a_side_file_of_rubbish_does_no_harm(tmp_path: Path, content: bytes) -> None:
    """The counter may hold anything: turns start again from some number."""
    path = tmp_path / "turns"
    path.write_bytes(content)
    turns = Turns(str(path))
    for _ in range(2):
        with turns.turn():
            assert turns._ticket is not None
    turns.close()


def test_without_a_side_file_there_are_no_turns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the side file cannot be made the store works on, and says once that turns are missing."""
    file = tmp_path / "sessions.db"
    (tmp_path / "sessions.db-turns").mkdir()
    store = SqliteStore(file)
    with caplog.at_level(logging.WARNING, "coatcheck.stores.sqlite"):
        maker = Maker(finish(store.key()))
        for _ in range(3):
            finish(store.create(maker.record("ann"), now=NOW))
    assert finish(store.count(now=NOW)) == 3
    assert len([record for record in caplog.records if "no fair turns" in record.getMessage()]) == 1
    finish(store.close())


def test_threads_are_served_in_the_order_they_came() -> None:
    """Within a process the lock is a queue: no thread that comes later is served earlier."""
    lock, served, threads = FairLock(), [], []

    def work(number: int) -> None:
        with lock:
            served.append(number)

    with lock:
        for number in range(8):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            while len(lock._queue) <= number:
                os.sched_yield()
    for thread in threads:
        thread.join()
    assert served == list(range(8))


class InterruptedPlace:
    """A place in the queue whose owner is interrupted while it waits, before or just after it was served."""

    def __init__(self, lock: FairLock, *, served: bool) -> None:
        """Begin free, as a lock does."""
        self._lock, self._served, self._taken = lock, served, False

    def acquire(self) -> None:
        """Be taken once, then interrupted."""
        if self._taken:
            if self._served:
                self._lock.release()
            raise KeyboardInterrupt
        self._taken = True

    def release(self) -> None:
        """Be served."""


@pytest.mark.parametrize("served", [False, True])
def test_an_interrupted_thread_leaves_the_queue(monkeypatch: pytest.MonkeyPatch, served: bool) -> None:
    """A thread that is interrupted while it waits does not take the lock with it."""
    lock = FairLock()
    lock.__enter__()
    with monkeypatch.context() as patch:
        patch.setattr(threading, "Lock", lambda: InterruptedPlace(lock, served=served))
        with pytest.raises(KeyboardInterrupt), lock:
            pytest.fail("it was interrupted")
    if not served:
        lock.release()
    with lock:
        assert lock._held
    assert not lock._held
