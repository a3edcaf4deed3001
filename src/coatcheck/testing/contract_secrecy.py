"""Conformance: a store keeps digests and shows none (promise 7)."""

from __future__ import annotations

import base64
import logging
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager

from coatcheck.model import Record, Tombstone, describe
from coatcheck.stores.contract import Capability
from coatcheck.testing._make import NO_CHANGE, NOW, active, put
from coatcheck.testing.contract_bench import Bench, ContractBase, on_loop
from coatcheck.verbs import Created, Rotation

MARK = b"a datum that belongs to the application"


class Secrecy(ContractBase):
    """No digest and no datum shows in a repr, a list, an error or a log."""

    @on_loop
    async def test_reprs_of_the_store_and_its_answers_hold_no_digest(self, bench: Bench) -> None:
        """The store, what it finds, and what its verbs answer show ids and no digest (promise 7)."""
        record, ended, rotation, shown = await _story(bench)
        shown += [repr(bench.store), str(bench.store)]
        shown += [repr(await bench.store.find([record.id, ended.id]))]
        _assert_silent(shown, _secrets_of(record, ended, rotation))

    @on_loop
    async def test_lists_hold_no_digest(self, bench: Bench) -> None:
        """Neither an entry of a list nor its description for APIs shows a digest (promise 7)."""
        lists = bench.lists
        record, ended, rotation, _ = await _story(bench)
        entries: list[Record | Tombstone] = [*await lists.list_user("alice", now=NOW)]
        entries += await lists.list_ended("alice", limit=9)
        assert {entry.id for entry in entries} == {record.id, ended.id}
        shown = [repr(entry) for entry in entries]
        shown += [repr(describe(entry, NOW).as_json()) for entry in entries]
        _assert_silent(shown, _secrets_of(record, ended, rotation))

    @on_loop
    async def test_pages_and_cursors_hold_no_digest(self, bench: Bench) -> None:
        """A cursor travels in URLs: it holds no digest, nor does a page (promise 7, SM-4)."""
        browses = bench.browses
        record, ended, rotation, _ = await _story(bench)
        page = await browses.browse(limit=1)
        assert page.next is not None
        shown = [repr(page), page.next, *(repr(describe(item, NOW).as_json()) for item in page.items)]
        _assert_silent(shown, _secrets_of(record, ended, rotation))

    @on_loop
    async def test_errors_hold_no_digest(self, bench: Bench) -> None:
        """What a store raises over wrong arguments shows no digest, nor do the causes of it (promise 7)."""
        record, ended, rotation, _ = await _story(bench)
        shown: list[str] = []
        for wrong in ("", "nonsense", record.id, "9" * 400):
            shown += await _error_of(bench, wrong)
        _assert_silent(shown, _secrets_of(record, ended, rotation))

    @on_loop
    async def test_logs_hold_no_digest(self, bench: Bench) -> None:
        """At its most talkative a store logs no digest (promise 7, SM-23)."""
        with _everything_logged() as lines:
            record, ended, rotation, _ = await _story(bench)
            await bench.store.find([record.id, ended.id])
        _assert_silent(lines, _secrets_of(record, ended, rotation))


async def _story(bench: Bench) -> tuple[Record, Record, Rotation, list[str]]:
    """Live through every required verb; return two sessions, a rotation, and the reprs of all answers."""
    previous, store = bench.make.digest(), bench.store
    made = [
        await store.create(bench.make.record("alice", previous_digest=previous, data={"mark": MARK}), now=NOW)
        for _ in range(2)
    ]
    record, ended = [answer.record for answer in made if isinstance(answer, Created)]
    rotation = bench.make.rotation(record)
    answers = [
        *made,
        await store.commit(record.id, generation=1, change=put(more=MARK), now=NOW),
        await store.touch(record.id, generation=1, seen=active(NOW, confirms=record.secret_digest), now=NOW),
        await store.rotate(record.id, generation=1, rotation=rotation, change=NO_CHANGE, now=NOW),
        await store.rotate(record.id, generation=1, rotation=rotation, change=NO_CHANGE, now=NOW),
        await store.create(record, now=NOW),
        await store.end(ended.id, reason="revoked", now=NOW),
    ]
    return record, ended, rotation, [repr(answer) for answer in answers]


def _secrets_of(record: Record, ended: Record, rotation: Rotation) -> list[bytes]:
    """Return the bytes that must not show."""
    digests = (record.secret_digest, record.previous_digest, ended.secret_digest, rotation.secret_digest)
    return [*(digest for digest in digests if digest), *((rotation.nonce,) if rotation.nonce else ()), MARK]


def _spellings(secret: bytes) -> Iterator[str]:
    """Yield how bytes are usually written; the ends are cut off, where padding and a version byte would differ."""
    for raw in (secret, secret[1:]):
        yield raw.hex()[:24]
        yield raw.hex().upper()[:24]
        yield base64.b64encode(raw).decode()[:16]
        yield base64.urlsafe_b64encode(raw).decode()[:16]
        yield repr(raw)[2:26]
        yield ", ".join(map(str, raw[:8]))


def _assert_silent(shown: Iterable[str], secrets: Iterable[bytes]) -> None:
    """Fail if any spelling of a secret is in what was shown, without showing it again."""
    needles = {needle for secret in secrets for needle in _spellings(secret)}
    for text in shown:
        leaks = sum(needle in text for needle in needles)
        assert not leaks, f"{leaks} spellings of a digest or a datum in a text of {len(text)} characters"


async def _error_of(bench: Bench, wrong: str) -> list[str]:
    """Return the texts of what the store raises over a made-up cursor, or over a change to a made-up id."""
    texts: list[str] = []
    try:
        if Capability.BROWSE in bench.store.traits.capabilities:
            await bench.browses.browse(limit=1, after=wrong)
        await bench.store.commit(wrong, generation=-1, change=put(a=b"1"), now=NOW, expect_version=-1)
    except Exception as error:  # noqa: BLE001  (whatever it is, its text is what is looked at)
        cause: BaseException | None = error
        while cause is not None:
            texts += [str(cause), repr(cause), repr(cause.args)]
            cause = cause.__cause__ or cause.__context__
    return texts


@contextmanager
def _everything_logged() -> Generator[list[str], None, None]:
    """Collect every log line of every logger."""
    lines: list[str] = []

    class Collector(logging.Handler):
        """Keeps formatted lines."""

        def emit(self, record: logging.LogRecord) -> None:
            """Keep one."""
            lines.append(self.format(record))

    root, collector = logging.getLogger(), Collector(logging.DEBUG)
    level = root.level
    root.addHandler(collector)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(level)
        root.removeHandler(collector)
