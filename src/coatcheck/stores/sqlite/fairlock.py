"""A lock for threads that serves them in the order they came; Python's own lets the quickest win."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class FairLock:
    """First come, first served. Released by handing it to the next in the queue."""

    def __init__(self) -> None:
        """Start free."""
        self._guard = threading.Lock()
        self._held = False
        self._queue: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        """Wait for the lock."""
        with self._guard:
            if not self._held:
                self._held = True
                return
            place = threading.Lock()
            place.acquire()
            self._queue.append(place)
        try:
            place.acquire()
        except BaseException:  # an interrupt: leave the queue, or pass on what was handed over meanwhile
            with self._guard:
                waiting = place in self._queue
                if waiting:
                    self._queue.remove(place)
            if not waiting:
                self.release()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hand the lock on."""
        self.release()

    def release(self) -> None:
        """Hand the lock to the next in the queue, or set it free."""
        with self._guard:
            if self._queue:
                self._queue.popleft().release()
            else:
                self._held = False
