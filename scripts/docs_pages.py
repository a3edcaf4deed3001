"""Lay out the documentation site's sources in one folder: ``docs/``, the pages beside it, and the reference's pages.

The pages are written for the repository, where a link may lead to a test or to the README. Here each link is turned to
where its target is in the site. Nothing in ``docs/`` needs to know of the site.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
BESIDE = ("README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md")
"""Pages outside ``docs/`` that the site shows too."""

MODULES = (
    "coatcheck",
    "coatcheck.web.asgi",
    "coatcheck.web.starlette",
    "coatcheck.web.fastapi",
    "coatcheck.web.litestar",
    "coatcheck.web.flask",
    "coatcheck.web.django",
    "coatcheck.web.wsgi",
    "coatcheck.web.gate",
    "coatcheck.web.csrf",
    "coatcheck.web.entering",
    "coatcheck.moving",
    "coatcheck.web.console",
    "coatcheck.web.redirects",
    "coatcheck.testing",
    "coatcheck.events",
    "coatcheck.errors",
    "coatcheck.refusals",
    "coatcheck.counting",
    "coatcheck.selection",
    "coatcheck.profiles",
    "coatcheck.stores",
    "coatcheck.stores.contract",
    "coatcheck.stores.sqlite",
    "coatcheck.stores.memory",
    "coatcheck.stores.redis",
    "coatcheck.stores.postgres",
    "coatcheck.model",
    "coatcheck.verbs",
    "coatcheck.transitions",
)
"""Modules with a page of their own, in the order of the navigation."""

HIDDEN = ("__init__", "__new__", "add_note", "with_traceback")
"""Members that are part of a class's own line, or Python's."""

NOT_INHERITED = ("Exception", "Struct", "MutableMapping", "Mapping", "Protocol", "Enum", "str", "int", "list", "dict")
"""Classes whose members are not repeated for each class below them."""

OWN_MEMBERS_ONLY = frozenset({"coatcheck.testing"})
"""Modules whose classes inherit what nobody looks up: the conformance suite's hundred tests."""

NAVIGATION = {
    "Tutorials": ("quickstart", "tutorials/*"),
    "How to": ("howto/*",),
    "Explanation": (
        *("concepts", "guarantees", "reliability", "scenarios", "scale", "choosing-a-store", "architecture"),
        "decisions/index",
    ),
    "Reference": (
        *("reference/api", "reference/policy", "reference/stores", "reference/cli", "reference/events"),
        *("reference/errors", "reference/testing", "reference/requirements", "reference/*"),
        "Index of names <genindex>",
    ),
    "Questions and words": ("faq", "glossary"),
    "Project": ("readme", "changelog", "security", "contributing"),
}
"""What the sidebar shows. A page that is not in it fails the build."""

_LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s]+)(?P<after>(?:\s+\"[^\"]*\")?\))")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|#")


@dataclass(frozen=True)
class Module:
    """A module of the reference, and the name of its page."""

    name: str
    summary: str

    @property
    def page(self) -> str:
        """Return the page's name without its ending."""
        return f"reference/api/{self.name}"

    def text(self) -> str:
        """Return the page: a heading, and the directive that reads the docstrings."""
        options = {"members": "", "show-inheritance": "", "member-order": "bysource"}
        if self.name not in OWN_MEMBERS_ONLY:
            options["inherited-members"] = ", ".join(NOT_INHERITED)
        options["exclude-members"] = ", ".join([*HIDDEN, *self.elsewhere()])
        lines = "".join(f"   :{name}: {value}\n" for name, value in options.items())
        aliases = "".join(f"\n.. py:data:: {name}\n\n   {text}\n" for name, text in self.aliases().items())
        return f"# `{self.name}`\n\n```{{eval-rst}}\n.. automodule:: {self.name}\n{lines}{aliases}```\n"

    def aliases(self) -> dict[str, str]:
        """Return the docstrings of types and constants that it takes from a module beside it: Sphinx finds none."""
        here = importlib.import_module(self.name)
        folder = Path(here.__file__ or "").parent
        own = _constants(Path(here.__file__ or "").read_text())
        found = {name: text for path in folder.glob("*.py") for name, text in _constants(path.read_text()).items()}
        return {name: found[name] for name in getattr(here, "__all__", ()) if name in found and name not in own}

    def elsewhere(self) -> list[str]:
        """Return what the page of the package itself tells already: a module that defines a name does not repeat it."""
        here, package = importlib.import_module(self.name), importlib.import_module("coatcheck")
        if here is package or hasattr(here, "__all__"):
            return []
        return [name for name in package.__all__ if getattr(here, name, None) is getattr(package, name)]


def _constants(source: str) -> dict[str, str]:
    """Return the names that a module assigns, each with the docstring below it on one line."""
    found = {}
    for node, below in pairwise(ast.parse(source).body):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(below, ast.Expr):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
                found[ast.unparse(target)] = " ".join(below.value.value.split())
    return found


def modules() -> list[Module]:
    """Return the modules of `MODULES`, each with its docstring's first line."""
    return [Module(name, (_whole(name).__doc__ or name).partition("\n")[0]) for name in MODULES]


def _whole(name: str) -> ModuleType:
    """Import a module with the names that it would import when they are asked for: Sphinx does not ask."""
    module = importlib.import_module(name)
    for each in getattr(module, "__all__", ()):
        setattr(module, each, getattr(module, each))
    return module


def lay_out(folder: Path) -> list[str]:
    """Write every source of the site into *folder*, which is emptied; return the pages' names."""
    shutil.rmtree(folder, ignore_errors=True)
    originals = sorted(path for path in (ROOT / "docs").rglob("*") if path.is_file())
    for path in [*originals, *(ROOT / name for name in BESIDE)]:
        place = folder / staged(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            place.write_text(mended(path, folder))
        else:
            shutil.copyfile(path, place)
    _add_reference(folder)
    names = sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.md"))
    _append(folder / "decisions/index.md", "# Decisions\n", _toctree("", _matching(("decisions/0*",), names)))
    trees = (_toctree(caption, _matching(patterns, names)) for caption, patterns in NAVIGATION.items())
    _append(folder / "index.md", *trees)
    return [*names, "decisions/index"]


def staged(path: Path) -> PurePosixPath:
    """Return where a file of the repository is among the site's sources."""
    relative = PurePosixPath(path.relative_to(ROOT).as_posix())
    if relative.parts[0] == "docs":
        return relative.relative_to("docs")
    if str(relative) in BESIDE:
        return PurePosixPath(relative.name.lower())
    return PurePosixPath("files") / relative


def mended(page: Path, folder: Path) -> str:
    """Return a page's text with its links turned; a file that only the repository has is copied into *folder*."""
    here = staged(page).parent

    def turned(link: re.Match[str]) -> str:
        name, mark, anchor = link["target"].partition("#")
        if _ELSEWHERE.match(link["target"]):
            return link[0]
        target = (page.parent / name).resolve()
        if not target.is_file() or not target.is_relative_to(ROOT):
            return link[0]  # a link that leads nowhere is the build's to report
        place = staged(target)
        if place.parts[0] == "files":
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(target, folder / place)
        return f"{link['before']}{os.path.relpath(place, here)}{mark}{anchor}{link['after']}"

    return "".join(line if fenced else _LINK.sub(turned, line) for line, fenced in _lines(page.read_text()))


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Give each line, and whether it is in a fenced block."""
    fenced = False
    for line in text.splitlines(keepends=True):
        edge = line.lstrip().startswith(("```", "~~~"))
        yield line, fenced or edge
        fenced ^= edge


def _add_reference(folder: Path) -> None:
    """Write a page for each module, and list them on the overview."""
    (folder / "reference/api").mkdir(parents=True, exist_ok=True)
    found = modules()
    for module in found:
        (folder / f"{module.page}.md").write_text(module.text())
    table = "".join(f"| [`{each.name}`](api/{each.name}.md) | {_plain(each.summary)} |\n" for each in found)
    tree = _toctree("", [f"api/{each.name}" for each in found])
    head = "## Every name, from its docstring\n\n| module | is |\n|---|---|\n"
    _append(folder / "reference/api.md", head + table, tree)


def _plain(docstring: str) -> str:
    return docstring.replace("``", "`").replace("|", "\\|")


def _matching(patterns: Iterable[str], names: list[str]) -> list[str]:
    """Return the pages that the patterns name, each once; those of a reference's module are under its overview."""
    found: dict[str, None] = {}
    for pattern in patterns:
        if pattern.endswith(">"):
            found[pattern] = None  # a page that Sphinx makes
        shape = re.compile(re.escape(pattern).replace(r"\*", "[^/]*"))
        found.update(dict.fromkeys(name for name in [*names, "decisions/index"] if shape.fullmatch(name)))
    return list(found)


def _toctree(caption: str, pages: Iterable[str]) -> str:
    lines = "\n".join(f"/{page}" if "decisions/0" in page else page for page in pages)
    option = f":caption: {caption}\n" if caption else ""
    return f"```{{toctree}}\n:hidden:\n:maxdepth: 1\n{option}\n{lines}\n```\n" if lines else ""


def _append(page: Path, *parts: str) -> None:
    """Add parts at the end of a page, or begin one with them."""
    before = [page.read_text().rstrip() + "\n"] if page.exists() else []
    page.write_text("\n".join([*before, *parts]))
