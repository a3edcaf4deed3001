"""A fork waits for the threads that make or close a connection, and a worker begins with none of them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

PRELUDE = """
import os, signal, threading
from coatcheck.stores import _forking

def in_child(work):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        os._exit(0 if work() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def enter():
    with _forking.whole():
        return True

entered, leave = threading.Event(), threading.Event()
inside = []

def connect(linger):
    with _forking.whole():
        inside.append(1)
        entered.set()
        leave.wait()
        threading.Event().wait(linger)
        inside.clear()
"""


def run(code: str) -> str:
    """Run *code* in a Python of its own, which ends within half a minute, and return what it printed."""
    program = PRELUDE + textwrap.dedent(code)
    # Python 3.12 and later warn of every fork amid threads, which is what is tested.
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_fork_waits_for_a_connection_in_the_making() -> None:
    """The child is born when the other thread's work is whole."""
    code = """
        thread = threading.Thread(target=connect, args=(0.2,))
        thread.start()
        entered.wait()
        os.register_at_fork(before=leave.set)  # registered later, so run before: the fork is under way
        print(in_child(lambda: not inside))
        thread.join()
    """
    assert run(code) == "0"


def test_a_fork_does_not_wait_for_ever() -> None:
    """A thread that waits for a silent server delays a fork by a bounded time; the child can connect all the same."""
    code = """
        _forking.PATIENCE = 0.01
        thread = threading.Thread(target=connect, args=(0,))
        thread.start()
        entered.wait()
        print(in_child(lambda: inside and enter()), enter())
        leave.set()
        thread.join()
    """
    assert run(code) == "0 True"


def test_a_thread_does_not_wait_for_itself() -> None:
    """A fork by the thread whose coroutine is connecting goes ahead at once, and both processes can go on."""
    code = """
        _forking.PATIENCE = 60
        with _forking.whole():
            pid = os.fork()
        if pid == 0:
            os._exit(0 if enter() else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), enter())
    """
    assert run(code) == "0 True"


def test_nobody_connects_during_a_fork() -> None:
    """A thread that comes while a fork is under way is let in after it."""
    code = """
        late = threading.Thread(target=lambda: (entered.set(), enter(), inside.append(1)))
        _forking._before_fork()
        late.start()
        entered.wait()
        late.join(0.1)
        print(bool(inside))
        _forking._in_parent()
        late.join()
        print(bool(inside))
    """
    assert run(code).split() == ["False", "True"]
