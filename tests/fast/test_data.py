"""Changes to a session's data are committed or refused loudly, and never lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coatcheck import AsyncSessions, DataError, NotEncodable
from coatcheck.codec import decode, encode
from coatcheck.data import Data
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing import FrozenClock, yielding
from coatcheck.transitions import merged
from tests.fast.conftest import Build


def stored(**values: Any) -> dict[str, bytes]:
    """Encode keys as a store has them."""
    return {key: encode(value) for key, value in values.items()}


def plain(raw: Any) -> dict[str, Any]:
    """Decode keys as a store has them."""
    return {key: decode(value) for key, value in raw.items()}


def test_reading_is_no_change() -> None:
    """Promise 6: reading, iterating and asking are no change."""
    data = Data(stored(a=[1], b=2))
    assert (data.get("a"), data.get("b"), list(data), len(data), "a" in data, "c" in data) == (
        [1], 2, ["a", "b"], 2, True, False
    )  # fmt: skip
    assert not data.delta()


def test_assignment_is_a_change_even_of_the_same_value() -> None:
    """Promise 3: an assigned key is written, also where it equals what was there; others are not."""
    data = Data(stored(a=1, b=2))
    data.set("a", 1)
    assert plain(data.delta().set) == {"a": 1}


def test_change_inside_a_value_is_found() -> None:
    """Promise 3: a change at any depth of a handed-out value is found; one that is taken back is none."""
    data = Data(stored(a={"deep": [{"n": 1}]}))
    data.get("a")["deep"][0]["n"] = 2
    assert plain(data.delta().set) == {"a": {"deep": [{"n": 2}]}}
    data.get("a")["deep"][0]["n"] = 1
    assert not data.delta()


def test_change_inside_after_it_was_settled_is_found() -> None:
    """Promise 3: what was handed out stays watched after an explicit save, read or assigned, again and again."""
    mine: list[int] = [1]
    data = Data(stored(read=[1]))
    data.set("mine", mine)
    theirs = data.get("read")
    raw: dict[str, bytes] = data._raw  # type: ignore[assignment]
    for number in range(2, 5):
        delta = data.delta()
        raw = merged(raw, delta)
        data.settled(raw, delta)
        assert not data.delta()
        mine.append(number)
        theirs.append(number)
        assert plain(data.delta().set) == {"mine": mine, "read": theirs}


def test_unencodable_is_refused_where_it_is_put_or_when_it_is_taken() -> None:
    """S-04: a bad value is refused at once, and one that was slipped inside a value at the latest when saving."""
    data = Data({})
    with pytest.raises(NotEncodable, match=r"session\['a'\]"):
        data.set("a", object())
    assert "a" not in data
    data.set("b", [])
    data.get("b").append(object())
    with pytest.raises(NotEncodable, match=r"session\['b'\]\[0\]"):
        data.delta()
    data.get("b").clear()
    assert plain(data.delta().set) == {"b": []}


def test_keys_are_text() -> None:
    """S-04: a key that is not text is refused, and is not there."""
    data = Data({})
    with pytest.raises(TypeError, match="session keys are str, not int"):
        data.set(1, "x")  # type: ignore[arg-type]
    for missing in ("nothing", 1):
        with pytest.raises(KeyError):
            data.get(missing)  # type: ignore[arg-type]
        with pytest.raises(KeyError):
            data.delete(missing)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["\ud800", "a\0b", "\0", "é\udfff"])
def test_keys_are_what_every_store_can_keep(key: str) -> None:
    """S-04: a key with a NUL or a lone surrogate is refused where it is assigned; it would fail in some stores only."""
    data = Data({})
    with pytest.raises(NotEncodable, match="no valid Unicode, or holds a NUL"):
        data.set(key, 1)
    assert (key in data, bool(data.delta())) == (False, False)


@pytest.mark.parametrize("key", ["", "é", "🗝", "a b", "\x01", "\u2028", "\ud7ff\ue000"])
def test_unusual_keys_are_kept(key: str) -> None:
    """S-04: any other text is a key."""
    data = Data({})
    data.set(key, 1)
    assert set(data.delta().set) == {key}


def test_delete_and_add_again() -> None:
    """Promise 3: deletion is written once, hides the key at once, and gives way to a later assignment."""
    data = Data(stored(a=1, b=2))
    data.delete("a")
    assert ("a" in data, list(data), len(data)) == (False, ["b"], 1)
    with pytest.raises(KeyError):
        data.delete("a")
    assert data.delta().unset == {"a"}
    data.set("a", 3)
    delta = data.delta()
    assert (plain(delta.set), delta.unset) == ({"a": 3}, frozenset())


def test_a_key_that_came_and_went_is_no_change() -> None:
    """Promise 1: what is added and deleted within one request needs no write."""
    data = Data({})
    data.set("a", 1)
    data.delete("a")
    assert not data.delta()
    assert (list(data), len(data)) == ([], 0)


def test_change_while_the_delta_flies_is_not_lost() -> None:
    """Promise 3: keys assigned, deleted and changed inside while a commit is on its way belong to the next delta."""
    data = Data(stored(gone=1, inside=[1]))
    data.set("again", 1)
    data.set("fresh", [1])
    inside, fresh = data.get("inside"), data.get("fresh")
    inside.append(2)
    taken = data.delta()
    raw = merged(data._raw, taken)
    data.set("again", 2)
    data.set("late", 3)
    data.delete("gone")
    inside.append(3)
    fresh.append(2)
    data.settled(raw, taken)
    delta = data.delta()
    assert plain(delta.set) == {"again": 2, "late": 3, "inside": [1, 2, 3], "fresh": [1, 2]}
    assert delta.unset == {"gone"}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from("abc"), st.integers(0, 3)),
        st.tuples(st.just("list"), st.sampled_from("abc"), st.integers(0, 3)),
        st.tuples(st.just("append"), st.sampled_from("abc"), st.integers(0, 3)),
        st.tuples(st.just("delete"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.sampled_from(["take", "settle", "fail"]), st.just(""), st.just(0)),
    ),
    max_size=30,
)


def apply(step: str, key: str, value: int, target: Any, held: dict[str, Any]) -> None:
    """Do one step of the application to a mapping; *held* are the values that it keeps between steps."""
    if step == "set":
        target[key] = value
    elif step == "list":
        target[key] = [value]
    elif step == "delete":
        target.pop(key, None)
        held.pop(key, None)
    elif key in target and isinstance(target[key], list):
        held[key] = target[key]
        held[key].append(value)


class Mapping(dict[str, Any]):
    """What `apply` needs of a session, over `Data`."""

    def __init__(self, data: Data) -> None:
        """Show *data*."""
        super().__init__()
        self.data = data

    def __setitem__(self, key: str, value: Any) -> None:
        """Assign."""
        self.data.set(key, value)

    def __getitem__(self, key: str) -> Any:
        """Read."""
        return self.data.get(key)

    def __contains__(self, key: object) -> bool:
        """Ask."""
        return key in self.data

    def pop(self, key: str, *_default: Any) -> Any:
        """Remove, if it is there."""
        if key in self.data:
            self.data.delete(key)


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_store_ends_with_what_the_application_sees(steps: list[tuple[str, str, int]]) -> None:
    """Promise 3: after any steps, saves in flight and failed saves among them, the store holds what was last seen."""
    raw: dict[str, bytes] = stored(a=[0], b=1)
    data, model = Data(raw), plain(raw)
    view, flying = Mapping(data), None
    held: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for step, key, value in steps:
        if step == "take" and flying is None:
            flying = data.delta()
        elif step == "settle" and flying is not None:
            raw = merged(raw, flying)
            data.settled(raw, flying)
            flying = None
        elif step == "fail":
            flying = None
        elif step not in {"take", "settle"}:
            apply(step, key, value, view, held[0])
            apply(step, key, value, model, held[1])
        assert {each: data.get(each) for each in data} == model
    if flying is not None:
        raw = merged(raw, flying)
        data.settled(raw, flying)
    raw = merged(raw, data.delta())
    assert plain(raw) == model


def test_nested_changes_reach_the_store(build: Build) -> None:
    """Promise 3: in a session, a change inside a value is found before and after save(), and after a sign-in."""
    world = build()
    session = world.load(world.visitor(cart=[1]))
    cart = session["cart"]
    cart.append(2)
    world.run(session.save())
    cart.append(3)
    world.run(session.login("ada"))
    cart.append(4)
    token = world.sent(session)
    assert world.data(token) == {"cart": [1, 2, 3, 4]}


def test_values_handed_out_before_a_transaction_are_not_orphaned(build: Build) -> None:
    """Promise 3: a change inside a value that was read before transaction() is kept, or refused loudly."""
    world = build()
    token = world.sign_in(data={"cart": [1], "count": 0})
    session = world.load(token)
    cart = session["cart"]
    world.run(session.transaction(lambda data: data.update(count=1)))
    assert session["count"] == 1
    try:
        cart.append(2)
        world.save(session)
    except DataError:
        return
    assert world.data(token) == {"cart": [1, 2], "count": 1}


def test_mapping_verbs(build: Build) -> None:
    """S-04: the whole of a mutable mapping's words work on a session and reach the store."""
    world = build()
    token = world.sign_in(data={"a": 1, "b": 2, "c": 3})
    session = world.load(token)
    assert (session.pop("a"), session.setdefault("b", 9), session.get("zz", 7)) == (1, 2, 7)
    session.setdefault("list", []).append(5)
    world.save(session)
    assert world.data(token).items() >= {"b": 2, "c": 3}.items()
    session = world.load(token)
    assert session["list"] == [5]
    session.clear()
    world.save(session)
    assert world.data(token) == {}


async def _saving_while_assigning(seed: int) -> dict[str, Any]:
    """Save a session in one task and change it in another, over a store that gives way."""
    sessions = AsyncSessions(yielding(MemoryStore(), seed=seed), clock=FrozenClock())
    session = await sessions.load(None)
    session["first"], session["list"] = 0, [0]
    inside = session["list"]

    async def meddle() -> None:
        for number in range(1, 12):
            session["first"] = number
            session[f"key{number}"] = number
            inside.append(number)
            if number > 1:
                del session[f"key{number - 1}"]
            await asyncio.sleep(0)

    task = asyncio.create_task(meddle())
    while not task.done():
        await session.save()
        await asyncio.sleep(0)
    await task
    token = (await sessions.save(session)).token
    return dict(await sessions.load(token))


@pytest.mark.parametrize("seed", range(8))
def test_changes_during_a_save_are_not_lost(seed: int) -> None:
    """Promise 3: keys assigned, deleted and changed inside during ``await session.save()`` are all committed."""
    found = asyncio.run(_saving_while_assigning(seed))
    assert found == {"first": 11, "key11": 11, "list": list(range(12))}


async def _saving_twice_at_once(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Change and save one session from several tasks at once."""
    sessions = AsyncSessions(yielding(MemoryStore(), seed=seed), clock=FrozenClock())
    session = await sessions.load(None)
    await session.login("ada")

    async def work(name: str) -> None:
        for number in range(4):
            session[name] = number
            session.setdefault("shared", []).append(f"{name}{number}")
            await session.save()
            session.pop(f"{name} gone", None)
            await asyncio.sleep(0)
            session[f"{name} gone"] = number
            await session.save()
        del session[f"{name} gone"]

    await asyncio.gather(*(work(name) for name in "abc"))
    seen = dict(session)
    token = (await sessions.save(session)).token
    return seen, dict(await sessions.load(token))


@pytest.mark.parametrize("seed", range(12))
def test_saves_at_once_lose_nothing(seed: int) -> None:
    """Promise 3: several tasks of one request may change and save its session at once, and nothing is lost."""
    seen, found = asyncio.run(_saving_twice_at_once(seed))
    assert {name: found.get(name) for name in "abc"} == dict.fromkeys("abc", 3)
    assert sorted(found["shared"]) == sorted(f"{name}{number}" for name in "abc" for number in range(4))
    assert found == seen
    assert set(found) == {"a", "b", "c", "shared"}
