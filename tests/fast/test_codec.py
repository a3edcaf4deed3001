"""Values become bytes and come back as what they were, or are refused where they are assigned."""

from __future__ import annotations

import ast
import enum
import inspect
import math
from collections import OrderedDict, UserDict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coatcheck import NotEncodable, codec

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")
"""Hypothesis notes each set that it had to draw again, and warns that nested strategies make a long note."""


def unfolded(moment: Any) -> Any:
    """Return a time that happens once; the second of two has a test of its own."""
    return moment.replace(fold=0)


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.binary(max_size=40),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.decimals(allow_nan=False), st.uuids(),
    st.dates(), st.timedeltas(), st.times().map(unfolded), st.datetimes().map(unfolded),
    st.datetimes(timezones=st.just(UTC)).map(unfolded),
)  # fmt: skip
hashable = st.recursive(scalars, lambda inner: st.one_of(st.tuples(inner, inner), st.frozensets(inner, max_size=3)))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=5), st.integers(-(2**63), 2**64 - 1)), inner, max_size=4),
        st.sets(hashable, max_size=4),
    ),
    max_leaves=12,
)


def alike(left: Any, right: Any) -> bool:
    """Whether two values are equal and of the same type all the way down, in the same order where there is one."""
    if type(left) is not type(right) or left != right:
        return False
    if isinstance(left, dict):
        pairs = zip(left.items(), right.items(), strict=True)
        return all(alike(mine[0], theirs[0]) and alike(mine[1], theirs[1]) for mine, theirs in pairs)
    if isinstance(left, (list, tuple)):
        return all(alike(mine, theirs) for mine, theirs in zip(left, right, strict=True))
    if isinstance(left, (set, frozenset)):
        return all(any(alike(mine, theirs) for theirs in right) for mine in left)
    return repr(left) == repr(right) if isinstance(left, (float, Decimal, datetime, time)) else True


@settings(max_examples=300, deadline=None)
@given(values)
@example(-0.0)
@example(Decimal("-0.00"))
@example([True, 1, 1.0])
def test_round_trip(value: Any) -> None:
    """S-04: every supported value comes back equal and with its type, at any depth."""
    assert alike(codec.decode(codec.encode(value)), value)


@settings(max_examples=200, deadline=None)
@given(values)
def test_reading_changes_nothing(value: Any) -> None:
    """Promise 6: what was read encodes to the bytes it was read from, so that reading is never taken for a change."""
    stored = codec.encode(value)
    assert codec.encode(codec.decode(stored)) == stored


def test_reading_a_set_of_sets_changes_nothing() -> None:
    """Promise 6: the order in which a set was filled does not show in its bytes."""
    assert codec.encode({frozenset([8, 0]), frozenset([5])}) == codec.encode({frozenset([5]), frozenset([0, 8])})


def test_not_a_number_stays_one() -> None:
    """S-04: floats without order round-trip too."""
    assert math.isnan(codec.decode(codec.encode(math.nan)))
    assert codec.decode(codec.encode(Decimal("NaN"))).is_nan()


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 1, 23, 0, tzinfo=timezone(timedelta(hours=2))),
        datetime(2026, 7, 1, 1, 0, tzinfo=ZoneInfo("Europe/Paris")),
        time(12, 0, tzinfo=timezone(timedelta(hours=-5))),
        time(12, 0, tzinfo=ZoneInfo("Europe/Paris")),
        datetime(2026, 10, 25, 2, 30, fold=1),  # noqa: DTZ001 - a naive moment on purpose
    ],
    ids=repr,
)
def test_time_zones_come_back_or_are_refused(value: Any) -> None:
    """S-04: a moment keeps its hour, its day, its offset and its fold, or is refused; never shifted in silence."""
    try:
        stored = codec.encode(value)
    except NotEncodable:
        return
    back = codec.decode(stored)
    assert (back.isoformat(), back.fold, back.utcoffset()) == (value.isoformat(), value.fold, value.utcoffset())
    assert (back.tzinfo is None) is (value.tzinfo is None)


class Colour(enum.Enum):
    """An enumeration, which is refused."""

    RED = "red"


class Text(str):
    """A subclass of text, which would come back as plain text."""

    __slots__ = ()


class Thing:
    """An object of the application's own."""


Pair = namedtuple("Pair", "left right")  # noqa: PYI024 - the untyped kind is the one to refuse

REFUSED: list[tuple[Any, str]] = [
    (2**64, r"^here is an integer of more than 64 bits; store it as text"),
    (-(2**63) - 1, "more than 64 bits"),
    ([0, {"a": (1, 2**70)}], r"^here\[1\]\['a'\]\[1\] is an integer"),
    (Colour.RED, r"^here has the type Colour, .*store value\.value"),
    ({"x": [Text("t")]}, r"^here\['x'\]\[0\] has the type Text, .*plain str; store str\(value\)"),
    (OrderedDict(a=1), r"type OrderedDict, .*plain dict; store dict\(value\)"),
    (Pair(1, 2), "type Pair"),
    (Thing(), "type Thing, .*store its id or its plain fields"),
    (UserDict(), "type UserDict"),
    (object(), "type object"),
    (1j, "type complex"),
    (bytearray(b"x"), "type bytearray"),
    (memoryview(b"x"), "type memoryview"),
    (range(3), "type range"),
    ({(1, 2): 3}, "^here has a key of type tuple; keys inside values must be str,? or int"),
    ({True: 1}, "key of type bool"),
    ({"k": "\ud800"}, "^here holds text that is not valid Unicode"),
    ("\udfff", "not valid Unicode"),
    ({"\ud800": 1}, "not valid Unicode"),
    ({2**70: 1}, "64 bits"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=lambda value: type(value).__name__)
def test_refusals_say_where_and_what_to_write(value: Any, message: str) -> None:
    """S-04: what could not be restored is refused with the path to it and the remedy."""
    with pytest.raises(NotEncodable, match=message) as caught:
        codec.encode(value, "here")
    assert isinstance(caught.value, TypeError)


def test_cycles_and_depth_are_refused() -> None:
    """S-04: a value that contains itself is refused, and one of 60 levels is not."""
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(NotEncodable, match="contains itself"):
        codec.encode(cycle)
    deep: Any = 1
    for _ in range(60):
        deep = [deep]
    assert codec.decode(codec.encode(deep)) == deep


def test_refusals_never_quote_the_value() -> None:
    """Promise 7: an error about a value names its place and type, never what it holds."""
    with pytest.raises(NotEncodable) as caught:
        codec.encode({"note": Text("the-password")})
    assert "the-password" not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=60), value=values, cut=st.integers(0, 60), flip=st.integers(0, 255))
def test_damaged_bytes(raw: bytes, value: Any, cut: int, flip: int) -> None:
    """Promise 12: whatever the bytes are, reading them gives a value or a DecodeError and nothing else."""
    stored = codec.encode(value)
    at = cut % len(stored)
    for damaged in (raw, stored[:cut], stored[:at] + bytes([flip]) + stored[at + 1 :]):
        try:
            codec.decode(damaged)
        except msgspec.DecodeError:
            continue


def tagged(code: int, value: object) -> bytes:
    """Make a tagged value that `codec.encode` would not make."""
    return msgspec.msgpack.encode(msgspec.msgpack.Ext(code, msgspec.msgpack.encode(value)))


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\xc1", b"\x91" * 20_000, b"\x81\xa1a" * 5000, tagged(0, 1), tagged(99, 1), tagged(1, 5),
        tagged(2, [[1]]),
        tagged(4, "pi"), tagged(5, b"short"), tagged(5, "x" * 16), tagged(5, [1] * 16), tagged(5, 7), tagged(6, "soon"),
        tagged(6, 5), tagged(7, [10**9, 0, 0]), tagged(7, 5), tagged(7, ["a", "b", "c"]), tagged(8, "25:00"),
        tagged(9, "2026-13-01T00:00:00"), tagged(9, None),
    ],
    ids=lambda raw: raw[:12].hex(),
)  # fmt: skip
def test_crafted_bytes(raw: bytes) -> None:
    """Promise 12: tags that do not hold what they say, and nesting without end, are a DecodeError."""
    with pytest.raises(msgspec.DecodeError):
        codec.decode(raw)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.binary()))
def test_pack(data: dict[str, bytes]) -> None:
    """S-04: a session's keys as one piece round-trip in order."""
    assert list(codec.unpack(codec.pack(data)).items()) == list(data.items())


@given(st.binary(max_size=40))
def test_damaged_pack(raw: bytes) -> None:
    """Promise 12: a damaged piece is a DecodeError and nothing else."""
    try:
        assert isinstance(codec.unpack(raw), dict)
    except msgspec.DecodeError:
        return


def test_nothing_is_executed_when_reading() -> None:
    """Promise 7: the codec imports no module that could run what it reads."""
    tree = ast.parse(inspect.getsource(codec))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {"pickle", "marshal", "shelve", "importlib", "builtins", "dill", "cloudpickle"}
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not called & {"eval", "exec", "compile", "__import__", "getattr"}


def test_dates_are_told_from_moments() -> None:
    """S-04: a date, a naive and an aware moment, and a time keep their kinds."""
    aware = datetime(2026, 1, 1, tzinfo=UTC)
    for value in (date(2026, 1, 1), aware.replace(tzinfo=None), aware, time(1, 2, 3, 4)):
        assert alike(codec.decode(codec.encode(value)), value)
    assert codec.decode(codec.encode(UUID(int=5))) == UUID(int=5)
