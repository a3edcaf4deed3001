"""The PostgreSQL store under gunicorn's own prefork, with the application and its open store loaded beforehand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.servers.ports import HOST, free_port
from tests.servers.postgres import PostgresServer
from tests.servers.process import wait_for
from tests.stores._postgres import Place

APPLICATION = """
    import os
    from coatcheck.runtime import finish
    from coatcheck.stores.postgres import PostgresStore
    from coatcheck.stores.postgres.options import read_url
    from coatcheck.testing._make import NOW, Maker, put

    store = PostgresStore(read_url(os.environ["COATCHECK_STORE"]))
    record = Maker(finish(store.key())).record("ann")
    finish(store.create(record, now=NOW))

    def app(environ, start_response):
        change = put(**{environ["QUERY_STRING"]: b"1"})
        version = finish(store.commit(record.id, generation=1, change=change, now=NOW))
        [found] = finish(store.find([record.id]))
        assert environ["QUERY_STRING"] in found.data and found.version >= version
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]
"""
REQUESTS = 60


@contextmanager
def gunicorn(folder: Path, place: Place) -> Iterator[int]:
    """Serve the application by three workers of two threads each; give the port."""
    (folder / "application.py").write_text(textwrap.dedent(APPLICATION))
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "--preload", "--workers", "3", "--worker-class", "gthread"),
        *("--threads", "2", "--bind", f"{HOST}:{port}", "--log-file", str(folder / "log"), "application:app"),
    ]
    environment = os.environ | {"COATCHECK_STORE": place.url, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        try:
            wait_for(lambda: ask(port, "first") > 0, what="gunicorn")
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    assert "Traceback" not in (folder / "log").read_text()


def ask(port: int, key: str) -> int:
    """Have a key written and read back; answer the process that did it."""
    connection = HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", f"/?{key}")
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return int(body)
    finally:
        connection.close()


@pytest.fixture
def place(postgres15: PostgresServer) -> Place:
    """Give an empty schema."""
    place = Place(postgres15, "gunicorn")
    place.prepare()
    return place


def test_preloaded_workers_share_no_connection(place: Place, tmp_path: Path) -> None:
    """An open store in the parent: its workers answer at once, each on connections of its own, and lose no commit."""
    workers, asked = set[int](), 0
    with gunicorn(tmp_path, place) as port, ThreadPoolExecutor(8) as threads:
        while len(workers) < 2 and asked < 10 * REQUESTS:  # a worker may take all of them while the other begins
            workers.update(threads.map(lambda number: ask(port, f"key-{number}"), range(asked, asked + REQUESTS)))
            asked += REQUESTS
        connections = place.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'coatcheck'")
    assert len(workers) > 1
    assert connections[0][0] >= len(workers) + 1, "each worker's and the parent's"
    [(keys,)] = place.execute("SELECT cardinality(data_keys) FROM {s}.coatcheck_sessions")
    assert keys == asked + 1
