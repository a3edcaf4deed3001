"""Pages that promise more than that they run: the front page, the questions, and the page about tests."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from coatcheck import AsyncSession, AsyncSessions, Policy, Sessions
from tests.surface import markdown
from tests.surface.test_docs import ROOT

DOCS = ROOT / "docs"

QUESTIONS = (
    "What's the difference between session ID and JWT token?",
    "Can JavaScript access HttpOnly cookies?",
    "How long should a session last?",
    "What happens if a session expires?",
    "How do I handle sessions in Next.js?",
    "Why use HttpOnly cookies instead of storing the session ID in localStorage?",
    "How do I set a cookie from a Client Component?",
    "Can I store sensitive data (passwords, tokens) in cookies?",
    "How often should I refresh the session?",
    "Why use sessions instead of JWT tokens?",
    "Can I store user data directly in the cookie?",
    "How do I renew or extend a session?",
    "What happens if the session database goes down?",
)
"""What the articles ask, in their words."""


def unreached(front: Path, pages: Iterable[Path]) -> list[str]:
    """Return the pages that no chain of links leads to from a front page."""
    seen: set[Path] = set()
    waiting = [front.resolve()]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        targets = (target.partition("#")[0] for target in markdown.links(page.read_text()))
        waiting += [(page.parent / target).resolve() for target in targets if target and ":" not in target]
    return sorted(str(page) for page in pages if page.resolve() not in seen)


def unproven(text: str) -> list[str]:
    """Return the headings of a page below which no Python is run that asserts something."""
    sections = re.split(r"^## +", text, flags=re.MULTILINE)[1:]
    return [section.partition("\n")[0] for section in sections if not any(map(_proves, markdown.blocks(section)))]


def wrong_lines(text: str) -> list[str]:
    """Return what a page's last columns tell to write and does not exist: verbs, attributes, options of a policy."""
    cells = [line.rstrip("| \n").rpartition(" | ")[2] for line in text.splitlines() if line.startswith("|")]
    spans = " ".join(span for cell in cells for span in re.findall(r"`([^`]+)`", cell))
    options = inspect.signature(Policy).parameters
    wrong = [f"session.{name}" for name in re.findall(r"\bsession\.(\w+)", spans) if not hasattr(AsyncSession, name)]
    verbs = {*dir(AsyncSessions), *dir(Sessions)}
    wrong += [f"sessions.{name}" for name in re.findall(r"\bsessions\.(\w+)", spans) if name not in verbs]
    written = " ".join(re.findall(r"\bPolicy\(([^)]*)\)", spans))
    wrong += [f"Policy({name}=)" for name in re.findall(r"(\w+)=", written) if name not in options]
    return wrong


def _proves(block: markdown.Block) -> bool:
    return block.is_python and not block.is_excused and re.search(r"^\s*assert ", block.text, re.MULTILINE) is not None


def test_every_page_is_reachable_from_the_front_page() -> None:
    """From the index a chain of links leads to every page of the documentation."""
    assert unreached(DOCS / "index.md", DOCS.rglob("*.md")) == []


def test_the_readme_leads_to_the_front_page() -> None:
    """Whoever begins at the README finds every page, too."""
    assert unreached(ROOT / "README.md", DOCS.rglob("*.md")) == []


def test_every_question_is_answered_and_its_answer_is_run() -> None:
    """The thirteen questions of the articles are headings, each with Python that is run and asserts (S-101)."""
    text = (DOCS / "faq.md").read_text()

    assert set(QUESTIONS) <= set(re.findall(r"^## +(.+)$", markdown.prose(text), re.MULTILINE))
    assert unproven(text) == []


def test_the_glossary_tells_to_write_what_exists() -> None:
    """Verbs, attributes and options that the glossary tells to write instead of others' words exist (S-102)."""
    assert wrong_lines((DOCS / "glossary.md").read_text()) == []


def test_the_page_about_tests_shows_tests_that_pass(tmp_path: Path) -> None:
    """The tests on the page about testing are tests: pytest runs them as the page prints them, with the plugin."""
    [first, *_] = [block for block in markdown.blocks((DOCS / "howto" / "testing.md").read_text()) if block.is_python]
    (tmp_path / "test_page.py").write_text(first.text)
    count = first.text.count("\ndef test_")
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "test_page.py"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)

    assert count >= 3
    assert f"{count} passed" in done.stdout, done.stdout + done.stderr


# --- each check can fail


def test_an_unreachable_page_is_found(tmp_path: Path) -> None:
    """A page that only fenced code, another site or nobody links to is unreachable."""
    (tmp_path / "index.md").write_text("[a](a.md#part)\n```\n[c](c.md)\n```\n[x](https://example.org/d.md)\n")
    (tmp_path / "a.md").write_text("[b](b.md) [back](index.md)\n")
    for name in "bcd":
        (tmp_path / f"{name}.md").write_text("\n")

    found = unreached(tmp_path / "index.md", tmp_path.glob("*.md"))

    assert [Path(page).name for page in found] == ["c.md", "d.md"]


def test_a_wrong_line_is_found() -> None:
    """A verb, an attribute and an option that do not exist are found in the last column, and others' words are not."""
    text = (
        "| `session.cycle_key()` | Django | `await session.rotate()`, `Policy(max_sessions=1, persistent=False)` |\n"
        "| `x` | Flask | `session.turn()`, `sessions.list(user_id)` and `sessions.kick()`, `Policy(age=1)` |\n"
    )

    assert wrong_lines(text) == ["session.turn", "sessions.kick", "Policy(age=)"]


@pytest.mark.parametrize(
    ("answer", "proven"),
    [
        ("```python\nassert 1\n```", True),
        ("```python\nx = 1\n```", False),
        ("<!-- no-run: a reason -->\n```python no-run\nassert 1\n```", False),
        ("```text\nassert 1\n```", False),
        ("Words.", False),
    ],
)
def test_an_unproven_answer_is_found(answer: str, proven: bool) -> None:
    """An answer whose code is missing, is not run or asserts nothing, is found."""
    text = f"# Page\n\n```python\nassert 0\n```\n\n## Why?\n\n{answer}\n"

    assert unproven(text) == ([] if proven else ["Why?"])
