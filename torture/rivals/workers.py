"""The torture's side of the pipes: starting workers, and one request through one of them."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

import msgspec

from torture.rivals.contenders import Contender
from torture.rivals.wire import Answer, Ask, Ready, frame, read_frame

ROOT = Path(__file__).resolve().parents[2]
RIVALS_PYTHON = ROOT / ".venv-rivals" / "bin" / "python"


class CannotRun(Exception):
    """A contender cannot run here; the message says why."""


def python_of(contender: Contender) -> str:
    """Return the Python that has the contender's package: the rivals' environment if it is built, else this one."""
    if contender.package != "coatcheck" and RIVALS_PYTHON.exists():
        return str(RIVALS_PYTHON)
    return sys.executable


class Worker:
    """One worker process. Requests overlap: each waits for the answer with its own number."""

    def __init__(self) -> None:
        """Begin without a process."""
        self._process: Any = None
        self._log: IO[bytes] | None = None
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._number = 0

    async def start(self, contender: Contender, url: str) -> dict[str, str]:
        """Start the process and return the versions it runs.

        Raises:
            CannotRun: the library is not installed, or its store does not suit it.
        """
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self._process = await asyncio.create_subprocess_exec(
            python_of(contender), "-m", "torture.rivals.worker", contender.name, url, cwd=ROOT,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=self._log,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        packed = await asyncio.wait_for(read_frame(self._process.stdout), 60)
        if packed is None:
            raise CannotRun(self.log_tail() or "the worker ended without a word")
        ready = msgspec.msgpack.decode(packed, type=Ready)
        if ready.problem:
            raise CannotRun(ready.problem)
        self._reading = asyncio.ensure_future(self._read())
        return ready.versions

    def log_tail(self) -> str:
        """Return the end of what the worker wrote to its error output."""
        if self._log is None:
            return ""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-2000:]

    async def __call__(self, method: str, path: str, cookie: str) -> Answer:
        """Make one request and wait for its answer."""
        self._number += 1
        number = self._number
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._process.stdin.write(frame(Ask(number, method, path, cookie)))
        return await asyncio.wait_for(future, 60)

    async def _read(self) -> None:
        while (packed := await read_frame(self._process.stdout)) is not None:
            answer = msgspec.msgpack.decode(packed, type=Answer)
            self._waiting.pop(answer.number).set_result(answer)
        for future in self._waiting.values():
            future.set_exception(CannotRun(self.log_tail()))

    async def stop(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            await self._reading
        if self._log is not None:
            self._log.close()
