"""The PostgreSQL store keeps the contract: for threads and asyncio, on versions 15 and 18, and through PgBouncer."""

from __future__ import annotations

import pytest

from coatcheck.testing.contract import OpenStore, Plant, StoreContract
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import PostgresServer
from tests.stores._postgres import PATIENT, Place


class _PostgresContract(StoreContract):
    """The contract over a schema of its own, which a subclass places."""

    @pytest.fixture
    def plant(self, place: Place) -> Plant:
        """Meddle with a row."""
        return place.plant


class _Blocking(_PostgresContract):
    @pytest.fixture
    def open_store(self, place: Place) -> OpenStore:
        """Give stores for threads over the schema."""
        place.prepare()
        return lambda tenant="": place.blocking(tenant)


class _Async(_PostgresContract):
    @pytest.fixture
    def open_store(self, place: Place) -> OpenStore:
        """Give stores for asyncio over the schema."""
        place.prepare()
        return lambda tenant="": place.asynchronous(tenant)


class _On15:
    @pytest.fixture
    def place(self, postgres15: PostgresServer) -> Place:
        """Use PostgreSQL 15 directly."""
        return Place(postgres15, "contract", timeout=PATIENT)


class _On18:
    @pytest.fixture
    def place(self, postgres18: PostgresServer) -> Place:
        """Use PostgreSQL 18 directly."""
        return Place(postgres18, "contract", timeout=PATIENT)


class _Through:
    @pytest.fixture
    def place(self, postgres15: PostgresServer, pgbouncer: PgBouncer) -> Place:
        """Use PostgreSQL 15 through PgBouncer, which pools transactions."""
        return Place(postgres15, "contract", through=pgbouncer.url, timeout=PATIENT)


class TestPostgres15(_On15, _Blocking):
    """PostgreSQL 15, for threads."""


class TestAsyncPostgres15(_On15, _Async):
    """PostgreSQL 15, for asyncio."""


class TestPostgres18(_On18, _Blocking):
    """PostgreSQL 18, for threads."""


class TestAsyncPostgres18(_On18, _Async):
    """PostgreSQL 18, for asyncio."""


class TestPgBouncer(_Through, _Blocking):
    """PostgreSQL 15 through PgBouncer in transaction mode, for threads."""


class TestAsyncPgBouncer(_Through, _Async):
    """PostgreSQL 15 through PgBouncer in transaction mode, for asyncio."""
