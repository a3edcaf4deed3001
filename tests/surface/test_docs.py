"""The documentation is true: its Python runs, its links lead somewhere, its names exist, and none is missing."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote

import pytest

import coatcheck
from coatcheck import errors, refusals
from tests.surface import markdown
from tests.surface.kinds import PUBLIC_MODULES

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted(path for path in (ROOT / "README.md", *ROOT.glob("docs/**/*.md")) if path.is_file())
LINKED = sorted({*PAGES, *ROOT.glob("*.md"), *ROOT.glob("bench/**/*.md")})
WITH_PYTHON = [page for page in PAGES if any(block.is_python for block in markdown.blocks(page.read_text()))]

_DOTTED = re.compile(r"(?<![\w./@:-])coatcheck(?:\.[A-Za-z_]\w*)+(?![\w-])")
_FILES = frozenset({"conf", "css", "db", "html", "json", "log", "md", "py", "service", "sql", "toml", "yaml", "yml"})


def page_id(path: Path) -> str:
    """Name a page in a test's id."""
    return str(path.relative_to(ROOT))


def run_page(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a page's blocks in a process and a folder of their own, without the store settings of this machine."""
    settings = ("COATCHECK", "REDIS_URL", "DATABASE_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    return subprocess.run(
        [sys.executable, Path(__file__).with_name("run_page.py"), page],
        capture_output=True,
        check=False,
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT / "src")},
        text=True,
        timeout=120,
    )


def missing_names(text: str) -> list[str]:
    """Return the dotted names below ``coatcheck`` in a page that do not exist."""
    named = {name for name in _DOTTED.findall(text) if name.rpartition(".")[2] not in _FILES}
    return sorted(name for name in named if not exists(name))


def exists(dotted: str) -> bool:
    """Whether a dotted name leads to a module or to something inside one."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError as error:
            if not ".".join(parts[:count]).startswith(error.name or dotted):
                raise
            continue
        for part in parts[count:]:
            fields = getattr(value, "__struct_fields__", ()) or getattr(value, "__annotations__", ())
            if not hasattr(value, part) and part not in fields:
                return False
            value = getattr(value, part, None)
        return True
    return False


def unmentioned(names: Iterable[str]) -> list[str]:
    """Return the names that no page of the reference has as a word of its own."""
    text = "\n".join(page.read_text() for page in sorted(REFERENCE.rglob("*.md")))
    return sorted(name for name in names if not re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text))


def broken_links(page: Path) -> list[str]:
    """Return a page's links to files or headings that do not exist; other sites are not asked."""
    broken = []
    for target in markdown.links(page.read_text()):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = (page.parent / name) if name else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in markdown.anchors(file.read_text())):
            broken.append(target)
    return broken


def command_names() -> list[str]:
    """Return the command line's commands, those inside groups as ``group command``."""
    from typer.main import get_command

    from coatcheck.cli import app

    return sorted(_commands(get_command(app)))


def _commands(command: object, prefix: str = "") -> Iterable[str]:
    """Walk a tree of commands, hidden ones left out."""
    for name, inner in getattr(command, "commands", {}).items():
        if getattr(inner, "hidden", False):
            continue
        if getattr(inner, "commands", None):
            yield from _commands(inner, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"


def event_names() -> set[str]:
    """Return the event names, read from the source so that no arrangement of it can hide one."""
    tree = ast.parse(Path(inspect.getfile(importlib.import_module("coatcheck.events"))).read_text())
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {text for text in texts if re.fullmatch(r"[a-z]+\.[a-z_]+", text)}


def error_names() -> set[str]:
    """Return the error classes."""
    classes = {**vars(errors), **vars(refusals)}
    found = {name: value for name, value in classes.items() if inspect.isclass(value)}
    return {name for name, value in found.items() if issubclass(value, coatcheck.CoatcheckError)}


# --- pages are true


def test_the_project_has_pages() -> None:
    """There is a README and a reference, so that the tests of pages have something to read."""
    assert ROOT / "README.md" in PAGES
    assert [page for page in PAGES if page.is_relative_to(REFERENCE)]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_blocks_are_marked_so_that_they_run(page: Path) -> None:
    """Python is fenced as ``python``, and a block that is not run says why."""
    assert [fault for block in markdown.blocks(page.read_text()) if (fault := block.fault())] == []


@pytest.mark.parametrize("page", WITH_PYTHON, ids=page_id)
def test_python_blocks_run(page: Path, tmp_path: Path) -> None:
    """A page's Python blocks run in their order."""
    done = run_page(page, tmp_path)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_names_on_pages_exist(page: Path) -> None:
    """Every ``coatcheck.something`` on a page exists."""
    assert missing_names(page.read_text()) == []


@pytest.mark.parametrize("page", LINKED, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    """Links between pages, and to headings, resolve."""
    assert broken_links(page) == []


# --- the reference is whole


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_public_names_are_in_the_reference(module: str) -> None:
    """The reference mentions every public name."""
    names = importlib.import_module(module).__all__

    assert unmentioned(names) == []


def test_errors_are_in_the_reference() -> None:
    """The reference mentions every error class."""
    assert unmentioned(error_names()) == []


def test_events_are_in_the_reference() -> None:
    """The reference mentions every event by its fixed name (ruling 16)."""
    named = event_names()

    assert {"session.created", "session.ended", "session.theft_suspected"} <= named
    assert unmentioned(named) == []


def test_policy_options_are_in_the_reference() -> None:
    """The reference mentions every option of ``Policy``."""
    assert unmentioned(inspect.signature(coatcheck.Policy).parameters) == []


def test_commands_are_in_the_reference() -> None:
    """The reference mentions every command as it is typed."""
    assert unmentioned(f"coatcheck {name}" for name in command_names()) == []


# --- each check can fail


def test_running_can_fail_and_names_the_line(tmp_path: Path) -> None:
    """A block that raises fails the page, with the page's own line; blocks share names; ``await`` works."""
    page = tmp_path / "page.md"
    good = "```python\nx = 1\n```\n\n```python\nimport asyncio\nawait asyncio.sleep(0)\nassert x == 1\n```\n"
    page.write_text(good)
    assert run_page(page, tmp_path).returncode == 0

    page.write_text(good + "\n```python\n1 / 0\n```\n")
    done = run_page(page, tmp_path)
    assert done.returncode != 0
    assert "line 12" in done.stderr


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("```py\nx\n```\n", 1),
        ("```pycon\n>>> x\n```\n", 1),
        ("```python no-run\nx\n```\n", 1),
        ("```python maybe\nx\n```\n", 1),
        ("<!-- no-run: needs a server -->\n```python no-run\nx\n```\n", 0),
        ("```python\nx\n```\n", 0),
        ("```sh\nx\n```\n", 0),
    ],
)
def test_marking_can_fail(text: str, count: int) -> None:
    """A block that would escape being run is found."""
    assert len([fault for block in markdown.blocks(text) if (fault := block.fault())]) == count


def test_names_can_be_missing() -> None:
    """A name that does not exist is found; files and addresses are no names."""
    text = (
        "coatcheck.Policy coatcheck.Polizei coatcheck.web.nowhere coatcheck.toml https://coatcheck.org a@coatcheck.org"
    )

    assert missing_names(text) == ["coatcheck.Polizei", "coatcheck.web.nowhere"]


def test_links_can_be_broken(tmp_path: Path) -> None:
    """A link to a missing file or heading is found."""
    (tmp_path / "other.md").write_text("# A heading: `x`\n\n## Again\n\n## Again\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md) [b](other.md#a-heading-x) [c](other.md#again-1) [d](https://example.org/x)\n"
        "[e](missing.md) [f](other.md#nothing) [g](#nowhere) `[h](code.md)`\n```\n[i](fenced.md)\n```\n"
    )

    assert broken_links(page) == ["missing.md", "other.md#nothing", "#nowhere"]


def test_names_can_be_unmentioned() -> None:
    """A name that no page has is found, also where a longer name contains it."""
    assert unmentioned(["NoSuchNameAnywhere"]) == ["NoSuchNameAnywhere"]
