"""The SQLite store among processes: one key, forks, and processes that are killed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from coatcheck.model import Record
from coatcheck.runtime import finish
from coatcheck.stores.sqlite import SqliteStore
from coatcheck.testing._make import NOW, Maker

PRELUDE = """
import asyncio, os, signal, sys, threading
from coatcheck.runtime import finish
from coatcheck.stores.sqlite import SqliteStore, AsyncSqliteStore
from coatcheck.stores.sqlite.database import database
from coatcheck.testing._make import NOW, Maker, put
file = sys.argv[1]
"""


def start(code: str, file: Path, *, stdin: int | None = None) -> subprocess.Popen[str]:
    """Start a Python of its own with *code*."""
    program = PRELUDE + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", program, str(file)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code: str, file: Path) -> str:
    """Run *code* in a Python of its own and return what it printed."""
    process = start(code, file)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def test_ten_processes_on_a_fresh_file_get_one_key(tmp_path: Path) -> None:
    """The store's key is made once, and the tables too, when ten processes open a fresh file at the same time."""
    code = """
        sys.stdin.read()
        print(finish(SqliteStore(file).key()).hex())
    """
    processes = [start(code, tmp_path / "sessions.db", stdin=subprocess.PIPE) for _ in range(10)]
    answers = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        answers.append(out)
    assert len(set(answers)) == 1
    assert len(answers[0].strip()) == 64


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize("kind", ["SqliteStore", "AsyncSqliteStore"])
def test_an_acknowledged_sign_in_survives_a_kill(tmp_path: Path, kind: str) -> None:
    """S-10: a process that is killed right after `create` answered leaves the session in the file."""
    file = tmp_path / "sessions.db"
    code = f"""
        async def sign_in():
            store = {kind}(file)
            record = Maker(await store.key()).record("ann", data={{"key": b"value"}})
            await store.create(record, now=NOW)
            print(record.id, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(sign_in())
    """
    process = start(code, file)
    out, _ = process.communicate(timeout=60)
    store = SqliteStore(file)
    (found,) = finish(store.find([out.strip()]))
    assert isinstance(found, Record)
    assert found.data == {"key": b"value"}
    finish(store.close())


FORK = """
def open_files():
    paths = (f"/proc/self/fd/{number}" for number in range(256))
    return [os.readlink(path) for path in paths if os.path.lexists(path)]

store = SqliteStore(file)
record = Maker(finish(store.key())).record("ann")
finish(store.create(record, now=NOW))
parents = store._database
stop, reading = threading.Event(), threading.Event()
def read():
    while not stop.is_set():
        finish(store.find([record.id]))
        reading.set()
reader = threading.Thread(target=read)
reader.start()
reading.wait()
child = os.fork()
if child == 0:
    carried = [name for name in open_files() if name.startswith(os.path.realpath(file))]
    found = finish(store.find([record.id])) == [record]
    finish(store.commit(record.id, generation=1, change=put(child=b"1"), now=NOW))
    apart = store._database is not parents and parents._writer.connection is None
    finish(store.close())
    os._exit(0 if found and apart and not carried else 1)
stop.set()
reader.join()
_, status = os.waitpid(child, 0)
finish(store.commit(record.id, generation=1, change=put(parent=b"1"), now=NOW))
(last,) = finish(store.find([record.id]))
print(os.waitstatus_to_exitcode(status), sorted(last.data), last.version, store._database is parents)
finish(store.close())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_a_fork_carries_no_connection(tmp_path: Path) -> None:
    """After `fork` both sides open their own: the child inherits no open file of the database, also under threads."""
    assert run(FORK, tmp_path / "sessions.db").strip() == "0 ['child', 'parent'] 3 True"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_the_asyncio_store_starts_its_own_writer_after_a_fork(tmp_path: Path) -> None:
    """A thread does not survive a fork: the child starts one, and the parent keeps its own."""
    out = run(
        """
        import warnings
        warnings.simplefilter("ignore")
        store = AsyncSqliteStore(file)
        async def add(seed):
            await store.create(Maker(await store.key(), seed=seed).record("ann"), now=NOW)
        asyncio.run(add(1))
        child = os.fork()
        if child == 0:
            asyncio.run(add(2))
            asyncio.run(store.close())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        asyncio.run(add(3))
        print(os.waitstatus_to_exitcode(status), asyncio.run(store.count(now=NOW)))
        asyncio.run(store.close())
        """,
        tmp_path / "sessions.db",
    )
    assert out.strip() == "0 3"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_what_an_unnoticed_fork_inherits_is_left_alone(tmp_path: Path) -> None:
    """A fork without hooks, as in a C program: the process id tells, and what was inherited stays untouched."""
    out = run(
        """
        from coatcheck.stores.sqlite import database as module
        store = SqliteStore(file)
        finish(store.key())
        before = store._database
        connection = before._writer.connection
        pid = os.getpid()
        os.getpid = lambda: pid + 1  # what the child of such a fork finds
        finish(store.key())
        untouched = before._writer.connection is connection is not None
        print(store._database is not before, untouched, module._inherited == [before])
        """,
        tmp_path / "sessions.db",
    )
    assert out.strip() == "True True True"


def test_a_record_made_by_one_process_is_found_by_another(tmp_path: Path) -> None:
    """S-66: processes share the file."""
    file = tmp_path / "sessions.db"
    store = SqliteStore(file)
    record = Maker(finish(store.key())).record("ann")
    finish(store.create(record, now=NOW))
    code = f"print(finish(SqliteStore(file).find([{record.id!r}])))"
    assert run(code, file).strip() == repr([record])
    finish(store.close())
