"""How a session came to be: its bytes, what is shown of it, and what is not."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coatcheck.model import Record, describe, entomb
from coatcheck.origin import PLAIN, Origin, Pending, decode_origin, encode_origin
from coatcheck.testing._make import NOW, Maker

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
LEVEL = st.none() | st.integers(0, 3)
PENDING = st.builds(
    Pending,
    user_id=TEXT,
    epoch=st.integers(0, 2**63 - 1),
    amr=st.lists(TEXT, max_size=3).map(tuple),
    roles=st.none() | st.lists(TEXT, max_size=3).map(tuple),
    remember=st.none() | st.booleans(),
    aal=LEVEL,
)
ORIGINS = st.builds(
    Origin,
    carrier=st.sampled_from(["cookie", "bearer", "exchange"]),
    actor_id=st.none() | TEXT,
    actor_session=st.none() | TEXT,
    pending=st.none() | PENDING,
    label=st.none() | TEXT,
)
FULL = Origin(
    carrier="bearer", actor_id="carol", actor_session="s" * 26, pending=Pending(user_id="ann", epoch=3),
    label="my laptop",
)  # fmt: skip


@given(ORIGINS)
def test_every_origin_comes_back(origin: Origin) -> None:
    """Promise 3: what was encoded is decoded to the same, whatever the texts are."""
    assert decode_origin(encode_origin(origin)) == origin


@given(st.binary(max_size=60))
@example(b"\x81\xa5label\xa1\xff")
def test_no_bytes_make_reading_fail_otherwise(raw: bytes) -> None:
    """Promise 12: any bytes are an origin or a `msgspec.DecodeError`, which stores turn into damage."""
    with contextlib.suppress(msgspec.DecodeError):
        assert isinstance(decode_origin(raw), Origin)


def test_a_plain_origin_is_nothing() -> None:
    """S-87: a browser's session takes no byte for it, and of another one only what differs is written."""
    assert encode_origin(PLAIN) is encode_origin(Origin()) is None
    assert decode_origin(None) is PLAIN
    assert msgspec.msgpack.decode(encode_origin(Origin(label="x")) or b"") == {"label": "x"}
    written: Any = msgspec.msgpack.decode(encode_origin(FULL) or b"")
    assert written == {
        "carrier": "bearer", "actor_id": "carol", "actor_session": "s" * 26, "label": "my laptop",
        "pending": {"user_id": "ann", "epoch": 3},
    }  # fmt: skip


def test_fields_of_a_newer_release_are_passed_over() -> None:
    """Promise 12: a release reads what the next one adds, in the sign-in that is half done too."""
    raw = msgspec.msgpack.encode({"label": "x", "region": 1, "pending": {"user_id": "ann", "epoch": 1, "hint": "y"}})
    assert decode_origin(raw) == Origin(label="x", pending=Pending(user_id="ann", epoch=1))


@pytest.mark.parametrize(
    "written",
    [
        {"carrier": "url"}, {"carrier": None}, {"label": 1}, {"pending": {"epoch": 1}}, {"pending": []}, [],
        {"pending": {"user_id": "ann", "epoch": "1"}}, {"pending": {"user_id": "ann", "epoch": 1, "amr": "pwd"}},
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused(written: object) -> None:
    """Promise 12: nothing is guessed; a carrier that this release does not know opens nothing (S-12)."""
    with pytest.raises(msgspec.ValidationError):
        decode_origin(msgspec.msgpack.encode(written))


@pytest.mark.parametrize("origin", [Origin(label="\ud800"), Origin(pending=Pending(user_id="ann", epoch=2**70))])
def test_what_cannot_be_stored_is_a_value_error(origin: Origin) -> None:
    """Promise 3: a text without UTF-8 or a number without room is refused, and not stored as something else."""
    with pytest.raises(ValueError):
        encode_origin(origin)


def test_reprs_show_no_label() -> None:
    """Promise 7: logs and tracebacks show who acts and in whose name, not what a person called a token."""
    assert repr(FULL) == "Origin(carrier='bearer', actor_id='carol')"
    assert repr(FULL.pending) == "Pending(user_id='ann')"
    assert FULL.__rich_repr__() == [] == Pending(user_id="ann", epoch=3).__rich_repr__()


def test_lists_show_carrier_actor_and_label() -> None:
    """S-50: what is listed and sent as JSON says how a session came to be, and of an ended one nothing."""
    record: Record = Maker(b"key").record("ann", origin=FULL)
    info = describe(record, NOW)
    assert (info.carrier, info.actor_id, info.label) == ("bearer", "carol", "my laptop")
    shown = info.as_json()
    assert (shown["carrier"], shown["actor_id"], shown["label"]) == ("bearer", "carol", "my laptop")
    plain = describe(Maker(b"key").record(), NOW)
    assert (plain.carrier, plain.actor_id, plain.label) == ("cookie", None, None)
    ended = describe(entomb(record, "revoked", NOW), NOW)
    assert (ended.carrier, ended.actor_id, ended.label) == ("", None, None)
