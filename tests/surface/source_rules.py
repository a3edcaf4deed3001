"""The rules of the source, each a function from a file's text to its faults.

They read the syntax tree and import nothing, so that a crafted sample proves each of them able to fail.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

MAX_FILE: Final = 350
MAX_FUNCTION: Final = 30

CORE: Final = frozenset(
    f"coatcheck.{name}"
    for name in (
        *(
            "account",
            "cookies",
            "counting",
            "csrf_tokens",
            "durations",
            "errors",
            "events",
            "lifecycle",
            "model",
            "moving.marks",
            "origin",
            "policy",
            "policy_faults",
            "policy_looser",
            "policy_mark",
            "policy_report",
            "policy_values",
            "policy_words",
            "profiles",
            "refusals",
        ),
        *("discreet", "issued", "selection", "tokens", "transitions", "verbs", "wrong_words"),
        *(f"web.gate.{name}" for name in ("backtracking", "headers", "judging", "matcher", "paths", "rules")),
        "web.origins",
    )
)
ENGINES: Final = re.compile(r"coatcheck\.stores\.(_?memory|_?sqlite|_?redis|_?postgres)")
IMPURE: Final = frozenset(
    {"asyncio", "io", "logging", "os", "pathlib", "random", "secrets", "select", "signal", "socket", "sqlite3", "ssl"}
    | {"subprocess", "tempfile", "threading", "time", "uuid"}
)
"""What the core must not import: clock, randomness and I/O are arguments there."""
OUTER: Final = ("coatcheck.cli", "coatcheck.demo", "coatcheck.service", "coatcheck.testing", "coatcheck.watch")
"""What stands around the house: it may use any layer and no layer may use it."""

_SECRET: Final = re.compile(r"(^|_)(secret|digest|token|password|ticket|nonce)s?$")
_HARMLESS: Final = frozenset({"len", "type", "bool", "isinstance"})
_LOGGING: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log", "warn"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


def module_name(path: Path, root: Path) -> str:
    """Return the dotted name of a file below *root*."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str, module: str = "", *, lazy: bool = True) -> set[str]:
    """Return the absolute names a file imports; ``lazy=False`` leaves out imports inside functions."""
    tree = ast.parse(source)
    found: set[str] = set()
    for node in ast.walk(tree) if lazy else _eager(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(module.split(".")[: -node.level]) if node.level else ""
            name = ".".join(part for part in (base, node.module or "") if part)
            found |= {f"{name}.{alias.name}" for alias in node.names} | {name}
    return found - {"__future__"} - {name for name in found if name.startswith("__future__.")}


def _eager(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs at import."""
    yield node
    if not isinstance(node, Function):
        for child in ast.iter_child_nodes(node):
            yield from _eager(child)


def below(name: str, *packages: str) -> bool:
    """Whether a dotted name is one of *packages* or inside one."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def wrong_direction(module: str, source: str) -> list[str]:
    """Name the imports that go against the house's stairs: web, manager, core; stores beside them."""
    named = imports(source, module)
    if module in CORE:
        return sorted(name for name in named if not _fits_core(name))
    if below(module, *OUTER):
        return []
    wrong = {name for name in named if below(name, *OUTER)}
    if below(module, "coatcheck.stores"):
        forbidden = ("coatcheck.policy", "coatcheck.lifecycle", "coatcheck.manager", "coatcheck.web")
        wrong |= {name for name in named if below(name, *forbidden)}
    elif below(module, "coatcheck.web"):
        wrong |= {name for name in named if ENGINES.match(name) or below(name, "sqlite3", "redis", "psycopg")}
    elif below(module, "coatcheck.manager"):
        wrong |= {name for name in named if ENGINES.match(name) or below(name, "coatcheck.web", "asyncio", "anyio")}
    else:
        wrong |= {name for name in named if below(name, "coatcheck.web")}
    return sorted(wrong)


def _fits_core(name: str) -> bool:
    """Whether the core may import *name*: pure parts of the standard library, msgspec, and the core."""
    top = name.partition(".")[0]
    if top == "coatcheck":
        return name == "coatcheck" or below(name, *CORE)
    return top == "msgspec" or (top in sys.stdlib_module_names and top not in IMPURE)


def clock_readings(source: str) -> list[str]:
    """Name calls that read the clock: in the core the time is an argument."""
    clocks = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter"}
    return [
        f"line {node.lineno}: {ast.unparse(node.func)}()"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in clocks
    ]


def too_long(source: str) -> list[str]:
    """Name the file if it is too long, and its functions that are; signatures and docstrings do not count there."""
    faults = []
    lines = source.count("\n") + (not source.endswith("\n"))
    if lines >= MAX_FILE:
        faults.append(f"{lines} lines in the file; it should have under {MAX_FILE}")
    return faults + [
        f"line {node.lineno}: {node.name} has {length} lines; it should have under {MAX_FUNCTION}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, Function) and (length := _length(node)) >= MAX_FUNCTION
    ]


def _length(node: Function) -> int:
    """Count the lines of a function's body without docstrings: a signature states terms, one a line."""
    total = (node.end_lineno or node.lineno) - node.body[0].lineno + 2
    for inner in ast.walk(node):
        if isinstance(inner, (Function, ast.ClassDef)) and ast.get_docstring(inner, clean=False) is not None:
            text = inner.body[0]
            total -= (text.end_lineno or text.lineno) - text.lineno + 1
    return total


def undocumented(source: str) -> list[str]:
    """Name the public module, classes, functions and methods without a docstring."""
    tree = ast.parse(source)
    faults = [] if ast.get_docstring(tree) or not tree.body else ["the module"]
    return faults + [name for name, node in _public(tree) if ast.get_docstring(node) is None]


def _public(tree: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Yield public definitions by dotted name; an overload's docstring is that of its implementation."""
    for node in tree.body:
        if not isinstance(node, (Function, ast.ClassDef)) or node.name.startswith("_"):
            continue
        if any(ast.unparse(decorator).endswith(("overload", ".setter")) for decorator in node.decorator_list):
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from _public(node, f"{prefix}{node.name}.")


def undocumented_tests(source: str) -> list[str]:
    """Name the tests without a docstring."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, Function) and node.name.startswith("test_") and not ast.get_docstring(node)
    ]


def tells_secrets(source: str) -> list[str]:
    """Name what prints, logs, warns or raises with a value whose name is that of a secret."""
    faults = []
    for node in ast.walk(ast.parse(source)):
        call = node.exc if isinstance(node, ast.Raise) else node
        if not isinstance(call, ast.Call) or not (isinstance(node, ast.Raise) or _speaks(call)):
            continue
        told = [name for argument in (*call.args, *call.keywords) for name in _names(argument) if _SECRET.search(name)]
        faults += [f"line {call.lineno}: {ast.unparse(call.func)} tells {name}" for name in told]
    return faults


def _speaks(call: ast.Call) -> bool:
    """Whether a call prints, logs or warns."""
    if isinstance(call.func, ast.Name):
        return call.func.id == "print"
    return isinstance(call.func, ast.Attribute) and call.func.attr in _LOGGING


def _names(node: ast.AST) -> Iterator[str]:
    """Yield names whose value gets into a text; that of ``len(secret)`` does not."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _HARMLESS:
        return
    if isinstance(node, ast.Attribute):
        yield node.attr
        return
    if isinstance(node, ast.Name):
        yield node.id
    for child in ast.iter_child_nodes(node):
        yield from _names(child)


def faults(rule_answers: Mapping[str, list[str]]) -> str:
    """Lay out the faults by file for an assertion's message; empty when there are none."""
    return "\n".join(f"{name}: {fault}" for name, answers in rule_answers.items() for fault in answers)
