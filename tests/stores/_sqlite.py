"""What the SQLite store's tests share: a store over a file, and a way to meddle with that file behind its back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path

from coatcheck.model import Record
from coatcheck.runtime import finish
from coatcheck.stores.sqlite import SqliteStore
from coatcheck.testing._make import NOW
from coatcheck.verbs import Created

Execute = Callable[..., None]
"""Runs one statement on the file."""


@contextmanager
def opened(file: Path) -> Generator[SqliteStore]:
    """Give a store over *file*, closed at the end."""
    store = SqliteStore(file)
    yield store
    finish(store.close())


def executing(file: Path) -> Execute:
    """Return what runs a statement on *file*, past the store."""

    def run(statement: str, *terms: object) -> None:
        with closing(sqlite3.connect(file)) as other, other:
            other.execute(statement, terms)

    return run


def found(store: SqliteStore, id: str) -> object:
    """Return what the store knows of one id."""
    return finish(store.find([id]))[0]


def add(store: SqliteStore, record: Record) -> Record:
    """Insert a record that must be accepted."""
    answer = finish(store.create(record, now=NOW))
    assert isinstance(answer, Created)
    return answer.record
