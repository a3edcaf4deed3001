"""A worker: one process that holds a contender's application and answers requests from a pipe.

`python -m torture.rivals.worker NAME URL`, started by `workers.py`, perhaps with another environment's Python. It ends
when its input does, so nothing is left behind when the torture dies.
"""

from __future__ import annotations

import asyncio
import os
import sys
from importlib.metadata import PackageNotFoundError, version

import msgspec

from torture.rivals.contenders import BY_NAME, Contender
from torture.rivals.drivers import Caller, open_driver
from torture.rivals.wire import Ask, Ready, frame, read_frame


async def main(name: str, url: str) -> None:
    """Answer until the input ends."""
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not get among the frames
    contender = BY_NAME[name]
    try:
        caller = await asyncio.to_thread(open_driver, contender, url)  # Django refuses its database on an event loop
        await caller.open()
    except Exception as error:
        os.write(out, frame(Ready({}, f"{type(error).__name__}: {error}")))
        raise
    os.write(out, frame(Ready(_versions(contender))))
    await _serve(caller, out)
    await caller.close()


async def _serve(caller: Caller, out: int) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running: set[asyncio.Task[None]] = set()

    async def answer(packed: bytes) -> None:
        reply = frame(await caller(msgspec.msgpack.decode(packed, type=Ask)))
        sent = 0
        while sent < len(reply):
            sent += os.write(out, reply[sent:])

    while (packed := await read_frame(reader)) is not None:
        task = asyncio.ensure_future(answer(packed))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running, return_exceptions=True)


def _versions(contender: Contender) -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    try:
        found[contender.package] = version(contender.package)
    except PackageNotFoundError:
        found[contender.package] = "from the checkout"
    return found


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
