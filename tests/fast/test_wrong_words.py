"""Words of other libraries raise an `AttributeError` with the line to write, and are listed in the glossary."""

from __future__ import annotations

import asyncio
import copy
import re
from pathlib import Path
from typing import Any

import pytest

from coatcheck import AsyncSession, AsyncSessions, BlockingSession, Sessions
from coatcheck.wrong_words import FIXED, MANAGER, SESSION, instead

GLOSSARY = Path(__file__).resolve().parents[2] / "docs" / "glossary.md"
BOTH = {"aclose", "close"}
"""Words of one manager that are foreign to the other."""

MAPPING = ("clear", "copy", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values")
VERBS = ("load", "login", "logout", "reload", "rotate", "save", "transaction", "typed")


def of_asyncio() -> list[Any]:
    """Return a session and a manager for asyncio."""
    manager = AsyncSessions("memory://")
    return [asyncio.run(manager.load(None)), manager]


def of_threads() -> list[Any]:
    """Return a session and a manager for threads."""
    manager = Sessions("memory://")
    return [manager.load(None), manager]


HOLDERS = [*of_asyncio(), *of_threads()]


def table(holder: Any) -> dict[str, str]:
    """Return the words that *holder* does not have."""
    if isinstance(holder, (AsyncSession, BlockingSession)):
        return dict(SESSION)
    has = {"aclose"} if isinstance(holder, AsyncSessions) else {"close"}
    return {word: line for word, line in MANAGER.items() if word not in has}


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
def test_each_word_is_answered_with_the_line(holder: Any) -> None:
    """A foreign word names the right one; ``hasattr`` stays false, so that duck-typing works."""
    kind = type(holder).__name__
    for word, line in table(holder).items():
        assert not hasattr(holder, word), word
        assert getattr(holder, word, None) is None
        with pytest.raises(AttributeError) as caught:
            getattr(holder, word)
        written = line if kind.startswith("Async") else line.replace("await ", "")
        assert str(caught.value) == f"{kind} has no {word!r}: {written}"


@pytest.mark.parametrize(
    ("holder", "word", "message"),
    [
        (
            HOLDERS[0],
            "cycle_key",
            "write await session.rotate() where a privilege changed; login() gives a new ticket by itself",
        ),
        (
            HOLDERS[0],
            "create",
            "write nothing: a session is made by the first write, or by await session.login(user_id)",
        ),
        (HOLDERS[2], "create", "write nothing: a session is made by the first write, or by session.login(user_id)"),
        (HOLDERS[2], "flush", "write session.logout(): it ends the session and deletes its cookie"),
        (HOLDERS[1], "end_user", "write await sessions.revoke_user(user_id), with keep=session.id to keep one"),
        (HOLDERS[3], "aclose", "write sessions.close()"),
    ],
)
def test_what_a_developer_reads(holder: Any, word: str, message: str) -> None:
    """The whole message, for one word of each class: asyncio's with ``await``, the others' without."""
    with pytest.raises(AttributeError, match=f"^{type(holder).__name__} has no '{word}': {re.escape(message)}$"):
        getattr(holder, word)


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
def test_an_unknown_word_is_pythons_matter(holder: Any) -> None:
    """A word that nobody uses is refused as ever, and a slip of the pen gets Python's suggestion."""
    with pytest.raises(AttributeError, match=f"'{type(holder).__name__}' object has no attribute 'lgoin'") as caught:
        holder.lgoin  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("lgoin", holder)


@pytest.mark.parametrize("holder", [HOLDERS[0], HOLDERS[2]], ids=lambda holder: type(holder).__name__)
def test_a_foreign_word_cannot_be_assigned(holder: Any) -> None:
    """``session.permanent = True`` is refused with the line, not accepted in silence."""
    for word in table(holder):
        with pytest.raises(AttributeError, match=rf"^{type(holder).__name__}\.{word} cannot be assigned: write"):
            setattr(holder, word, True)


@pytest.mark.parametrize("holder", [HOLDERS[0], HOLDERS[2]], ids=["asyncio", "threads"])
def test_what_a_sign_in_decides_cannot_be_assigned(holder: Any) -> None:
    """``session.user_id = "eve"`` names the verb; any other new attribute of a session is refused too."""
    for word in FIXED:
        assert hasattr(type(holder), word)
        with pytest.raises(AttributeError, match=f"{word} cannot be assigned: write"):
            setattr(holder, word, "eve")
    with pytest.raises(AttributeError, match="nickname"):
        holder.nickname = "eve"


def test_a_double_may_replace_our_own_verbs() -> None:
    """A test that puts a double in a verb's place is not hindered, also where the other manager lacks the verb."""
    manager = Sessions("memory://")
    manager.close = lambda: None  # type: ignore[method-assign]
    manager.close()


@pytest.mark.parametrize("kind", [AsyncSessions, Sessions])
def test_an_application_may_extend_a_manager(kind: Any) -> None:
    """A manager of the application's own may keep what it likes, also under a word of another library."""

    class Ours(kind):  # type: ignore[misc]
        """Keeps the tenants it saw."""

        def __init__(self) -> None:
            """Begin with none."""
            super().__init__("memory://")
            self.all: list[str] = []

    manager = Ours()
    manager.all.append("a")
    manager.clear = "by hand"
    assert (manager.all, manager.clear) == (["a"], "by hand")


@pytest.mark.parametrize("kind", [AsyncSessions, Sessions])
def test_a_propertys_own_error_is_told(kind: Any) -> None:
    """What goes wrong inside a property of a subclass is not taken for a name that is missing."""

    class Ours(kind):  # type: ignore[misc]
        """Reads what is not there."""

        @property
        def region(self) -> Any:
            """Fail."""
            return self.policy.region

        @property
        def all(self) -> Any:
            """Fail, under a word of another library."""
            return {}.lenght  # type: ignore[attr-defined]

    with pytest.raises(AttributeError, match="'Policy' object has no attribute 'region'"):
        Ours("memory://").region  # noqa: B018
    with pytest.raises(AttributeError, match="'dict' object has no attribute 'lenght'"):
        Ours("memory://").all  # noqa: B018


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: type(holder).__name__)
def test_no_word_hides_one_of_ours(holder: Any) -> None:
    """What a session or a manager has is not in the table: the mapping's words and the verbs above all."""
    assert not set(table(holder)) & {name for kind in type(holder).__mro__ for name in vars(kind)}
    assert not BOTH & set(SESSION)
    if holder in (HOLDERS[0], HOLDERS[2]):
        assert all(callable(getattr(holder, name)) for name in (*MAPPING, *VERBS))


def test_every_line_names_words_that_exist() -> None:
    """Each ``session.x`` and ``sessions.x`` in a line is there in both worlds, but for the managers' ends."""
    lines = {*SESSION.values(), *MANAGER.values(), *FIXED.values()}
    for owner, word in re.findall(r"\b(sessions?)\.(\w+)", "\n".join(lines)):
        kinds = (AsyncSession, BlockingSession) if owner == "session" else (AsyncSessions, Sessions)
        enough = any if word in BOTH else all
        assert enough(hasattr(kind, word) for kind in kinds), word
    assert all(line.startswith("write ") for line in lines)


def test_instead_is_a_pure_table() -> None:
    """A word, a table and a world give the line; an unknown word gives none."""
    assert instead(SESSION, "touch", awaits=True) == SESSION["touch"]
    assert instead(SESSION, "login", awaits=True) is None
    assert "await" not in (instead(MANAGER, "kill", awaits=False) or "await")


def test_half_built_objects_do_not_recurse() -> None:
    """Copying looks up attributes before there are any."""
    with pytest.raises(AttributeError, match="_state"):
        AsyncSession.__new__(AsyncSession)._state  # noqa: B018
    assert copy.copy(HOLDERS[3]).policy is HOLDERS[3].policy


def test_the_glossary_lists_every_word() -> None:
    """S-102: whoever looks a foreign word up finds it on the page of words."""
    page = set(re.findall(r"`(\w+)`", GLOSSARY.read_text()))
    assert sorted({*SESSION, *MANAGER, *FIXED} - page) == []
