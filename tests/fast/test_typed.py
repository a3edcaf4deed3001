"""The data as a typed object, beside the mapping."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pytest

from coatcheck import DataError, DataMismatch, NotEncodable
from coatcheck.typed import field_types
from tests.fast.conftest import Build


@dataclass
class Line:
    """A line of a cart."""

    name: str
    price: Decimal = Decimal(0)


@dataclass
class Cart:
    """A dataclass whose fields are the keys."""

    lines: list[Line] = field(default_factory=list)
    note: str = ""
    at: datetime | None = None
    size: int = dataclasses.field(default=0, init=False)


class Basket(msgspec.Struct):
    """A struct of the same keys."""

    lines: list[Line] = []
    note: str = ""


class Strict(msgspec.Struct):
    """A struct that an empty session does not fit."""

    owner: str
    note: str = ""


class NotTyped(NamedTuple):
    """Neither a dataclass nor a struct."""

    note: str = ""


@pytest.mark.parametrize("kind", [Cart, Basket])
def test_round_trip(build: Build, kind: Any) -> None:
    """S-04: what is changed in a typed object is stored under its fields' names and comes back typed."""
    world = build()
    session = world.load(None)
    cart = session.typed(kind)
    assert (cart.lines, cart.note) == ([], "")
    cart.lines.append(Line("apple", Decimal("1.50")))
    cart.note = "ripe"
    token = world.save(session).token
    again = world.load(token)
    assert again.typed(kind) == kind(lines=[Line("apple", Decimal("1.50"))], note="ripe")
    assert again["note"] == "ripe"
    assert again["lines"] == [{"name": "apple", "price": Decimal("1.50")}]


def test_reading_writes_nothing(build: Build) -> None:
    """Promise 6: asking for a typed object, also on an empty session, is no change and makes no row."""
    world = build()
    session = world.load(None)
    assert session.typed(Cart) is session.typed(Cart)
    world.save(session)
    token = world.sign_in(data={"note": "x", "at": datetime(2026, 1, 1, tzinfo=UTC)})
    world.store.calls.clear()
    session = world.load(token)
    assert session.typed(Cart).at == datetime(2026, 1, 1, tzinfo=UTC)
    world.save(session)
    assert world.store.writes == []


def test_only_changed_fields_are_written(build: Build) -> None:
    """Promise 3: two requests that change different fields of one typed object both win."""
    world = build()
    token = world.sign_in(data={"note": "old"})
    left, right = world.load(token), world.load(token)
    left.typed(Cart).note = "left"
    right.typed(Cart).lines.append(Line("pear"))
    world.save(left)
    world.save(right)
    assert world.data(token) == {"note": "left", "lines": [{"name": "pear", "price": Decimal(0)}]}


def test_changes_after_save_and_login_are_found(build: Build) -> None:
    """Promise 3: a typed object stays watched after an explicit save and after a sign-in that carries the data."""
    world = build()
    session = world.load(world.visitor(note="a"))
    cart = session.typed(Cart)
    cart.note = "b"
    world.run(session.save())
    cart.lines.append(Line("fig"))
    world.run(session.login("ada"))
    cart.note = "c"
    token = world.save(session).token
    found = world.load(token).typed(Cart)
    assert (found.note, found.lines) == ("c", [Line("fig")])


def test_typed_object_outlives_a_transaction_or_says_so(build: Build) -> None:
    """Promise 3: a change in a typed object that was made before transaction() is kept, or refused loudly."""
    world = build()
    token = world.sign_in(data={"note": "a"})
    session = world.load(token)
    cart = session.typed(Cart)
    world.run(session.transaction(lambda data: data.update(other=1)))
    try:
        cart.note = "b"
        world.save(session)
    except DataError:
        return
    assert world.data(token) == {"note": "b", "other": 1}


def test_last_assignment_of_a_key_wins_over_the_typed_object(build: Build) -> None:
    """Promise 3: a key assigned after its field was changed is what is stored, or the conflict is refused loudly."""
    world = build()
    token = world.sign_in(data={"note": "a"})
    session = world.load(token)
    session.typed(Cart).note = "typed"
    session["note"] = "mapping"
    try:
        world.save(session)
    except DataError:
        return
    assert world.data(token) == {"note": "mapping"}


def test_mapping_changes_under_an_unchanged_typed_object_are_kept(build: Build) -> None:
    """Promise 3: where the typed object was not changed, the mapping's assignment, deletion and nested change count."""
    world = build()
    token = world.sign_in(data={"note": "a", "lines": [], "other": 1})
    session = world.load(token)
    session.typed(Cart)
    session["note"] = "b"
    session["lines"].append({"name": "fig", "price": Decimal(1)})
    del session["other"]
    world.save(session)
    assert world.data(token) == {"note": "b", "lines": [{"name": "fig", "price": Decimal(1)}]}


def test_field_set_back_after_the_mapping_changed_it(build: Build) -> None:
    """Promise 3: a field assigned after the mapping's save is stored, also where it is what it was at first."""
    world = build()
    token = world.sign_in(data={"note": "first"})
    session = world.load(token)
    cart = session.typed(Cart)
    session["note"] = "second"
    world.run(session.save())
    cart.note = "third"
    world.run(session.save())
    cart.note = "first"
    world.save(session)
    assert world.data(token) == {"note": "first"}


def test_mismatch_names_the_field_and_never_the_value(build: Build) -> None:
    """Promise 7: stored data that does not fit is refused with the field and its type, without the datum."""
    world = build()
    session = world.load(world.sign_in(data={"note": ["s3cret"]}))
    with pytest.raises(DataMismatch, match=r"session\['note'\] does not fit Cart.note: str") as caught:
        session.typed(Cart)
    assert "s3cret" not in str(caught.value)


def test_field_without_default(build: Build) -> None:
    """S-04: a type that an empty session cannot fill says which field needs a default."""
    world = build()
    with pytest.raises(DataMismatch, match="Strict needs a default for owner"):
        world.load(None).typed(Strict)
    assert world.load(world.sign_in(data={"owner": "ada"})).typed(Strict).owner == "ada"


@pytest.mark.parametrize("kind", [NotTyped, dict, int])
def test_other_types_are_refused(build: Build, kind: Any) -> None:
    """S-04: what is neither a dataclass nor a struct is refused by name."""
    with pytest.raises(TypeError, match=f"{kind.__name__} is neither a dataclass nor a msgspec.Struct"):
        build().load(None).typed(kind)


def test_unencodable_field_is_refused(build: Build) -> None:
    """Promise 3: a field that cannot be restored is refused when saving, with its path."""
    world = build()
    session = world.load(None)
    session.typed(Cart).note = 2**70
    with pytest.raises(NotEncodable, match=r"Cart\.note"):
        world.save(session)


def test_fields_that_are_not_arguments_are_no_keys() -> None:
    """S-04: a dataclass field with init=False is the object's own business."""
    assert list(field_types(Cart)) == ["lines", "note", "at"]
