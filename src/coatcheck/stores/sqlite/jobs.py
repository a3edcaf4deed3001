"""Changes that wait to be written, and the transaction that a group of them shares."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable


class Job:
    """One verb's change and, once its transaction is over, its outcome.

    Args:
        run: what to do inside the transaction.
        durable: whether the answer promises that a loss of power does not undo it.
    """

    __slots__ = ("durable", "error", "result", "run")

    def __init__(self, run: Callable[[sqlite3.Connection], object], *, durable: bool) -> None:
        """Start without an outcome."""
        self.run = run
        self.durable = durable
        self.result: object = None
        self.error: BaseException | None = None


def run_group(connection: sqlite3.Connection, group: list[Job]) -> None:
    """Run a group in one transaction, each job in a savepoint, so that one that fails does not spoil the others.

    Raises:
        sqlite3.Error: the transaction as a whole failed, and nothing of it is kept.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        for job in group:
            _run(connection, job)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _run(connection: sqlite3.Connection, job: Job) -> None:
    connection.execute("SAVEPOINT job")
    try:
        job.result = job.run(connection)
    except Exception as error:
        if not connection.in_transaction:
            raise  # SQLite gave up the whole transaction, as it may when the disk is full
        job.error = error
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")
