"""A server's process: started in a group of its own, watched while it starts, and dead when this process is.

Two nets catch a server that nobody stopped: one at this process's exit, and the kernel's parent-death signal (Linux,
through ``setpriv``) when this process is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.servers import descendants
from tests.servers.users import Account

START_TIMEOUT: Final = 30.0
"""Seconds that a server gets to answer for the first time; crash recovery and a busy machine included."""
POLL: Final = 0.02
"""Seconds between two looks at a server that is starting, stopping or failing over."""


class ServerError(Exception):
    """A server did not start, answer or stop; the message ends with the tail of its own log."""


class _Launcher:
    """One thread that starts every server, and lives as long as this process.

    The parent-death signal comes when the *thread* that forked ends, not the process (prctl(2)), so a test's own
    short-lived thread must not be the one that starts a server. A forked child makes a launcher of its own.
    """

    def __init__(self) -> None:
        self._owner = 0
        self._pool: ThreadPoolExecutor | None = None

    def run(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        """Run *start* in the launching thread."""
        if self._pool is None or self._owner != os.getpid():
            self._pool, self._owner = ThreadPoolExecutor(1, thread_name_prefix="servers"), os.getpid()
        return self._pool.submit(start).result()


_launcher = _Launcher()
_running: weakref.WeakSet[ServerProcess] = weakref.WeakSet()


class ServerProcess:
    """One process and whatever it forks, with its output in a log file."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        account: Account | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a process.

        Args:
            command: program and arguments; it must stay in the foreground.
            log: where its output goes; appended to, so that a restart keeps the story.
            account: the user it runs as, when this process is root and the server refuses to be.
            environment: added to this process's own.
        """
        self.log = log
        self._command = [str(part) for part in command]
        self._account = account
        self._environment = {**os.environ, **(environment or {})}
        self._popen: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()

    @property
    def pid(self) -> int:
        """The process id of the last start.

        Raises:
            ServerError: it was never started.
        """
        if self._popen is None:
            raise ServerError(f"{self._command[0]} was not started")
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether the process is there; a frozen one is."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def frozen(self) -> bool:
        """Whether it was stopped by `freeze`; never where there is no ``/proc``."""
        return self.running and descendants.state(self.pid) in "tT"

    def start(self) -> None:
        """Start the process; starting one that runs does nothing."""
        if self.running:
            return
        self._popen = _launcher.run(self._spawn)
        self._owner = os.getpid()
        _running.add(self)

    def _spawn(self) -> subprocess.Popen[bytes]:
        account = self._account
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*_dies_with_parent(), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,  # Ctrl-C in the terminal is for the test run, which then stops its servers
                cwd=self.log.parent,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )

    def wait_until(self, ready: Callable[[], bool], *, timeout: float = START_TIMEOUT, what: str = "answer") -> None:
        """Poll *ready* until it is true; what it raises counts as false and is told in the end.

        Raises:
            ServerError: the process ended, or *timeout* seconds passed.
        """
        try:
            wait_for(ready, timeout=timeout, what=what, alive=lambda: self.running)
        except ServerError as error:
            raise ServerError(f"{Path(self._command[0]).name}: {error}\n{self.tail()}") from error.__cause__

    def kill(self) -> None:
        """End it and all it forked with SIGKILL, as a crash of the machine would, and wait until they are gone.

        Raises:
            ServerError: one was there 10 s later.
        """
        if self._popen is None:
            return
        reached = self._signal(signal.SIGKILL)
        self._popen.wait(10)
        # A backend that still holds the shared memory would keep the server from starting again.
        wait_for(lambda: descendants.all_gone(reached), timeout=10, what="end of all processes")

    def freeze(self) -> None:
        """Stop it and all it forked with SIGSTOP: connections stay open and nothing answers.

        Raises:
            ServerError: not all of them stopped within 5 s.
        """
        reached = self._signal(signal.SIGSTOP)
        # The signal is delivered when each is next scheduled, and one may be answering until then.
        wait_for(lambda: descendants.all_stopped({self.pid} | reached), timeout=5, what="standstill")

    def thaw(self) -> None:
        """Let a frozen process go on."""
        self._signal(signal.SIGCONT)

    def stop(self, how: signal.Signals = signal.SIGTERM, *, timeout: float = 10.0) -> None:
        """End it in order; after *timeout* seconds, or when frozen, with SIGKILL. Stopping twice is harmless."""
        if self._popen is None or self._owner != os.getpid():  # a forked child leaves its parent's servers alone
            return
        if self.running:
            self.thaw()
            self._popen.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout)
        self.kill()
        _running.discard(self)

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of its log."""
        if not self.log.is_file():
            return "(no log)"
        return "\n".join(f"  {line}" for line in self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number: signal.Signals) -> set[int]:
        """Signal the process first, so that it forks no more, then what it forked; return the latter's ids."""
        if self._popen is None or self._popen.poll() is not None:
            return set()
        children = descendants.of(self._popen.pid)
        self._popen.send_signal(number)
        children |= descendants.of(self._popen.pid)
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return children


def wait_for(
    ready: Callable[[], bool],
    *,
    timeout: float = START_TIMEOUT,
    what: str = "answer",
    alive: Callable[[], bool] = lambda: True,
) -> None:
    """Poll *ready* until it is true; what it raises counts as false.

    Raises:
        ServerError: *alive* became false, or *timeout* seconds passed.
    """
    deadline = time.monotonic() + timeout
    last: Exception | None = None
    while time.monotonic() < deadline:
        if not alive():
            raise ServerError("it ended by itself") from last
        try:
            if ready():
                return
            last = None
        except Exception as error:  # noqa: BLE001 - a server that is not ready fails in any way it likes
            last = error
        time.sleep(POLL)
    raise ServerError(f"no {what} within {timeout:.0f} s" + (f" ({last})" if last else "")) from last


def _dies_with_parent() -> list[str]:
    """Return the words before a command that make the kernel kill it when its parent dies."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


@atexit.register
def _stop_all() -> None:
    """Leave nothing behind, however the run ended."""
    for process in list(_running):
        with contextlib.suppress(Exception):
            process.stop(timeout=2.0)
