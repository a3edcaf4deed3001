"""The kinds of names that the reference documents: what there is of each, and what the pages tell of it."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import coatcheck
from coatcheck import errors, events, refusals, stores
from coatcheck.stores.postgres.options import Options as PostgresOptions
from coatcheck.stores.redis.options import TABLE as REDIS_OPTIONS
from coatcheck.web.console import Console
from coatcheck.web.csrf import Csrf
from coatcheck.web.entering import Entering
from coatcheck.web.flask import Coatcheck
from coatcheck.web.gate import Gate
from coatcheck.web.settings import MiddlewareOptions
from tests.surface import pages

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "coatcheck"
PUBLIC_MODULES = (
    "coatcheck",
    "coatcheck.moving",
    "coatcheck.stores.postgres",
    "coatcheck.stores.redis",
    "coatcheck.stores.sqlite",
    "coatcheck.testing",
    "coatcheck.web.asgi",
    "coatcheck.web.console",
    "coatcheck.web.csrf",
    "coatcheck.web.django",
    "coatcheck.web.entering",
    "coatcheck.web.fastapi",
    "coatcheck.web.flask",
    "coatcheck.web.gate",
    "coatcheck.web.litestar",
    "coatcheck.web.starlette",
    "coatcheck.web.wsgi",
)
_SCHEME = re.compile(r"([a-z+]+)://")
_PARTS_OF_AN_ERROR = ("**Why.**", "**What to do.**")
_ROOTS = frozenset({"coatcheck_error", "session_error", "data_error"})
"""Codes of errors that nothing raises as such, so that there is no message to show."""


@dataclass(frozen=True)
class Kind:
    """Names of one kind, and the page whose structure tells of them.

    Attributes:
        page: the page of the reference.
        there: returns what there is.
        told: returns what a page's text tells of.
        example: one of them, with which the tests prove that its absence would be seen.
        span: how the page spells the example, where that differs.
    """

    page: str
    there: Callable[[], Collection[str]]
    told: Callable[[str], Collection[str]]
    example: str
    span: str = ""

    def differences(self, text: str) -> list[str]:
        """Say what a page's text leaves out and what it makes up."""
        return pages.differences(self.there(), self.told(text))


def page(name: str) -> str:
    """Return the text of a page of the reference."""
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text()


def table(title: str) -> Callable[[str], list[str]]:
    """Return what reads the first column of the tables under a heading."""
    return lambda text: pages.first_cells(pages.section(text, title))


# --- what there is


def public_names() -> set[str]:
    """Return every public name behind the module it is imported from."""
    return {f"{module}.{name}" for module in PUBLIC_MODULES for name in importlib.import_module(module).__all__}


def parameters(function: Callable[..., object]) -> set[str]:
    """Return what a class or a function may be given, the application inside a middleware left out."""
    return {*inspect.signature(function).parameters} - {"app"}


def options_of_commands() -> dict[str, set[str]]:
    """Return each command's options, both spellings of a switch included; hidden ones are left out."""
    from typer.main import get_command

    from coatcheck.cli import app

    return dict(_walk(get_command(app)))


def _walk(command: object, prefix: str = "") -> Iterable[tuple[str, set[str]]]:
    for name, inner in getattr(command, "commands", {}).items():
        if getattr(inner, "hidden", False):
            continue
        if getattr(inner, "commands", None):
            yield from _walk(inner, f"{prefix}{name} ")
        else:
            shown = [each for each in inner.params if not getattr(each, "hidden", False)]
            spelt = {text for each in shown for text in (*each.opts, *each.secondary_opts)}
            yield f"{prefix}{name}", {text for text in spelt if text.startswith("--")}


def environment_variables() -> set[str]:
    """Return the variables that the source asks the environment for by name."""
    asked = {name for path in SRC.rglob("*.py") for name in asked_for(path.read_text())}
    return asked | set(stores.VARIABLES)


def asked_for(source: str) -> Iterable[str]:
    """Give the names in ``os.environ.get("X")``, ``os.environ["X"]`` and ``getenv("X")``, not WSGI's ``environ``."""
    for node in ast.walk(ast.parse(source)):
        key: ast.AST | None = None
        if isinstance(node, ast.Call) and re.search(r"(os\.environ\.(get|pop)|getenv)$", ast.unparse(node.func)):
            key = node.args[0]
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            key = node.slice
        if isinstance(key, ast.Constant):
            yield str(key.value)


def extras() -> set[str]:
    """Return the extras of pyproject.toml."""
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])


def fixtures() -> set[str]:
    """Return the pytest plugin's fixtures, read from its source."""
    tree = ast.parse((SRC / "testing" / "plugin.py").read_text())
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return {node.name for node in functions if any("fixture" in ast.unparse(each) for each in node.decorator_list)}


def error_classes() -> dict[str, type[coatcheck.CoatcheckError]]:
    """Return each class of error by its name."""
    known = {**vars(errors), **vars(refusals)}
    found = {name: each for name, each in known.items() if inspect.isclass(each)}
    return {name: each for name, each in found.items() if issubclass(each, coatcheck.CoatcheckError)}


# --- what the pages tell


def told_names(text: str) -> list[str]:
    """Return the names in the table of public names, each behind its module."""
    rows = pages.rows(pages.section(text, "Every public name"))
    return [f"{module}.{name}" for row in rows for module in pages.spans(row[1]) for name in pages.spans(row[0])]


def told_schemes(text: str) -> set[str]:
    """Return the schemes in the table of URLs."""
    return {scheme for cell in table("URLs")(text) for scheme in _SCHEME.findall(cell)}


def told_errors(text: str) -> list[str]:
    """Return the rows of the tree of errors as ``class code status``."""
    rows = pages.rows(pages.section(text, "The tree"))
    return [f"{pages.spans(row[0])[0]} {pages.spans(row[1])[0]} {row[2]}" for row in rows]


def told_manager_options(text: str) -> list[str]:
    """Return the first column of the first table of the managers."""
    both = pages.section(text, "AsyncSessions and Sessions")
    return pages.first_cells(both.partition("Nothing is opened until")[0])


def unexplained_errors(text: str) -> list[str]:
    """Return the codes whose headings are not followed by the class, the reason, the remedy and an example."""
    classes = {each.code: name for name, each in error_classes().items()}
    found = []
    for code in pages.headings(text):
        body = pages.section(text, code, fenced=True).strip()
        whole = all(part in body for part in _PARTS_OF_AN_ERROR) and ("```text\n" in body or code in _ROOTS)
        if not whole or not body.startswith(f"`{classes.get(code)}`"):
            found.append(code)
    return found


KINDS = {
    "public name": Kind("api", public_names, told_names, "coatcheck.testing.freeze", "freeze"),
    "policy option": Kind("policy", lambda: parameters(coatcheck.Policy), table("Options"), "max_sessions"),
    "option of AsyncSessions": Kind(
        "api", lambda: parameters(coatcheck.AsyncSessions), told_manager_options, "listeners"
    ),
    "option of Sessions": Kind("api", lambda: parameters(coatcheck.Sessions), told_manager_options, "listeners"),
    "middleware option": Kind(
        "api", lambda: {"sessions", *MiddlewareOptions.__annotations__}, table("ASGI: coatcheck.web.asgi"), "same_site"
    ),
    "option of the console": Kind(
        "api", lambda: parameters(Console), table("The operator's page: coatcheck.web.console"), "guard"
    ),
    "option of Flask's extension": Kind(
        "api", lambda: parameters(Coatcheck) - {"options"}, table("Flask: coatcheck.web.flask"), "fresh_for"
    ),
    "option of Csrf": Kind(
        "api", lambda: Csrf.__struct_fields__, table("Requests of other sites: coatcheck.web.csrf"), "exempt"
    ),
    "option of Entering": Kind(
        "api", lambda: Entering.__struct_fields__, table("Exchange tickets: coatcheck.web.entering"), "parameter"
    ),
    "option of the gate": Kind("api", lambda: parameters(Gate), table("The gate: coatcheck.web.gate"), "skip"),
    "scheme of a store": Kind("stores", lambda: stores.SCHEMES, told_schemes, "memory", "memory://"),
    "option of Redis": Kind("stores", REDIS_OPTIONS.keys, table("Options of Redis"), "confirm_disk"),
    "option of PostgreSQL": Kind(
        "stores",
        lambda: set(PostgresOptions.__struct_fields__) - {"conninfo", "place"},
        table("Options of PostgreSQL"),
        "prepare",
    ),
    "event": Kind("events", events.EVENTS.keys, pages.first_cells, "login.refused"),
    "error": Kind(
        "errors",
        lambda: {f"{name} {each.code} {each.status}" for name, each in error_classes().items()},
        told_errors,
        "TooLate too_late 500",
        "TooLate",
    ),
    "command": Kind(
        "cli",
        lambda: [f"coatcheck {name}" for name in options_of_commands()] + ["coatcheck --version"],
        lambda text: pages.first_cells(text.partition("\n## ")[0]),
        "coatcheck sweep",
    ),
    "environment variable": Kind(
        "installation", environment_variables, table("Environment variables"), "COATCHECK_STORE"
    ),
    "extra": Kind("installation", extras, table("Extras"), "devices"),
    "fixture": Kind("testing", fixtures, table("The pytest plugin"), "frozen_clock"),
}
"""Every kind that one table of a page tells of. SQLite and memory have no options, which `test_completeness` holds."""
