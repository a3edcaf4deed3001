"""The package from outside: its names, what importing it costs, the direction of its imports, and the house rules."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import coatcheck
from tests.surface import source_rules as rules

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
SOURCES = {rules.module_name(path, SRC): path for path in sorted((SRC / "coatcheck").rglob("*.py"))}
TEST_FILES = sorted((ROOT / "tests").rglob("test_*.py"))
WITH_ALL = [name for name, path in SOURCES.items() if re.search(r"^__all__\b", path.read_text(), re.MULTILINE)]

IMPORT = """
import json, sys
before = set(sys.modules)
import {module}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def public_names(module: ModuleType) -> set[str]:
    """Return what a module shows: public names that are neither modules nor ``annotations`` and the like."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value) and type(value).__name__ != "_Feature"
    }


def loaded_by(module: str) -> set[str]:
    """Return the modules that importing *module* loads in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT.format(module=module)],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": str(SRC)},
        text=True,
    )
    return set(json.loads(done.stdout))


def foreign(modules: set[str]) -> set[str]:
    """Return the packages from neither the standard library nor the base installation.

    msgspec itself tries ``typing_extensions``, where somebody installed it.
    """
    tops = {name.partition(".")[0] for name in modules}
    return tops - sys.stdlib_module_names - {"coatcheck", "msgspec", "typing_extensions"}


def by_file(rule: Callable[[str], list[str]], files: list[Path]) -> str:
    """Apply a rule to files and lay out its faults."""
    return rules.faults({str(path.relative_to(ROOT)): rule(path.read_text()) for path in files})


# --- names


def test_all_is_sorted_and_complete() -> None:
    """``coatcheck.__all__`` is sorted and holds exactly the public names."""
    names = [name for name in coatcheck.__all__ if not name.startswith("__")]

    assert names == sorted(set(names))
    assert set(names) == public_names(coatcheck)


@pytest.mark.parametrize("name", WITH_ALL)
def test_every_all_names_what_exists(name: str) -> None:
    """Each module that declares ``__all__`` has every name in it, once."""
    module = importlib.import_module(name)

    assert len(module.__all__) == len(set(module.__all__))
    assert [entry for entry in module.__all__ if not hasattr(module, entry)] == []


def test_version_is_that_of_the_project() -> None:
    """``coatcheck.__version__`` and pyproject.toml name one version."""
    assert coatcheck.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


# --- what importing costs (DESIGN section 3)


def test_importing_the_package_loads_only_msgspec() -> None:
    """``import coatcheck`` loads no optional dependency, no asyncio, no engine and no web adapter."""
    loaded = loaded_by("coatcheck")

    assert "coatcheck.policy" in loaded
    assert foreign(loaded) == set()
    assert loaded & {"asyncio", "sqlite3", "ssl", "multiprocessing", "http.client", "importlib.metadata"} == set()
    assert {name for name in loaded if rules.ENGINES.match(name) or rules.below(name, "coatcheck.web")} == set()


def test_the_asgi_adapter_needs_no_framework() -> None:
    """The plain ASGI middleware imports no framework, so any ASGI application can use it."""
    assert foreign(loaded_by("coatcheck.web.asgi")) == set()


def test_the_cost_check_can_fail() -> None:
    """The fresh interpreter sees what an import brings in, also indirectly."""
    loaded = loaded_by("concurrent.futures, asyncio, pytest")

    assert "asyncio" in loaded
    assert "pytest" in foreign(loaded)


# --- the direction of imports (DESIGN section 3)


def test_imports_go_one_way() -> None:
    """Core imports the core alone; stores know no policy; web knows no engine; the manager no HTTP and no loop."""
    wrong = {name: rules.wrong_direction(name, path.read_text()) for name, path in SOURCES.items()}

    assert rules.faults(wrong) == ""


def test_every_core_module_is_there() -> None:
    """The list of core modules names files that exist, so that a renamed one cannot escape the rule."""
    assert sorted(rules.CORE - SOURCES.keys()) == []


def test_the_core_reads_no_clock() -> None:
    """In the core the time is an argument."""
    assert by_file(rules.clock_readings, [SOURCES[name] for name in sorted(rules.CORE)]) == ""


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("coatcheck.policy", "import asyncio", ["asyncio"]),
        ("coatcheck.policy", "import starlette", ["starlette"]),
        ("coatcheck.tokens", "from secrets import token_bytes", ["secrets", "secrets.token_bytes"]),
        ("coatcheck.model", "def f():\n    from coatcheck.manager import core", None),
        ("coatcheck.lifecycle", "from . import runtime", None),
        ("coatcheck.manager.core", "from coatcheck.stores.sqlite import Store", None),
        ("coatcheck.manager.core", "import anyio.abc", ["anyio.abc"]),
        ("coatcheck.stores.redis.script", "from coatcheck.policy import Policy", None),
        ("coatcheck.stores.memory", "if TYPE_CHECKING:\n    from coatcheck import lifecycle", None),
        ("coatcheck.web.asgi", "import sqlite3", ["sqlite3"]),
        ("coatcheck.web.asgi", "from coatcheck.stores import redis", None),
        ("coatcheck.sessions", "from coatcheck.web.asgi import Middleware", None),
        ("coatcheck.session", "from coatcheck.testing import clock", None),
        ("coatcheck.policy", "from msgspec import Struct\nfrom coatcheck.model import Record\nimport re", []),
        ("coatcheck.stores.memory", "from coatcheck.model import Record\nimport asyncio", []),
    ],
)
def test_the_direction_rule_can_fail(module: str, source: str, wrong: list[str] | None) -> None:
    """The rule catches each forbidden import, at any depth and in any spelling, and lets the right ones pass."""
    found = rules.wrong_direction(module, source)

    assert found == wrong if wrong is not None else found


# --- the house rules


def test_files_and_functions_are_short() -> None:
    """Source files have under 350 lines and functions under 30, docstrings aside."""
    assert by_file(rules.too_long, list(SOURCES.values())) == ""


def test_everything_public_is_documented() -> None:
    """Every public module, class, function and method has a docstring."""
    assert by_file(rules.undocumented, list(SOURCES.values())) == ""


def test_every_test_says_what_it_proves() -> None:
    """Every test function has a docstring."""
    assert by_file(rules.undocumented_tests, TEST_FILES) == ""


def test_nothing_tells_a_secret() -> None:
    """Nothing prints, logs, warns or raises with a secret, digest, token or password in it (promise 7)."""
    assert by_file(rules.tells_secrets, list(SOURCES.values())) == ""


SAMPLE_LONG = "def f():\n" + "    x = 1\n" * 29
SAMPLE_JUST_RIGHT = 'def f():\n    """Say.\n\n    More.\n    """\n' + "    x = 1\n" * 28


@pytest.mark.parametrize(
    ("rule", "source", "count"),
    [
        (rules.too_long, SAMPLE_LONG, 1),
        (rules.too_long, SAMPLE_JUST_RIGHT, 0),
        (rules.too_long, "x = 1\n" * 350, 1),
        (rules.too_long, "x = 1\n" * 349, 0),
        (rules.undocumented, "class A:\n    def f(self): ...\n", 3),
        (rules.undocumented, '"""Doc."""\nclass _A:\n    def f(self): ...\n', 0),
        (rules.undocumented_tests, "class T:\n    async def test_a(self): ...\n", 1),
        (rules.undocumented_tests, 'def test_a():\n    """Say."""\n', 0),
        (rules.tells_secrets, 'print(f"{ticket.secret}")', 1),
        (rules.tells_secrets, "log.info('x %s', record.secret_digest)", 1),
        (rules.tells_secrets, "raise ValueError(f'bad {token!r}')", 1),
        (rules.tells_secrets, "warnings.warn(str(old_password), stacklevel=2)", 1),
        (rules.tells_secrets, "raise ValueError(f'{len(token)} characters')", 0),
        (rules.tells_secrets, "raise ValueError(f'{ticket.id}')", 0),
        (rules.clock_readings, "datetime.now(UTC)", 1),
        (rules.clock_readings, "time.time()", 1),
        (rules.clock_readings, "judge(record, now)", 0),
    ],
)
def test_each_rule_can_fail(rule: Callable[[str], list[str]], source: str, count: int) -> None:
    """Each rule finds the fault in a crafted sample, and none in its harmless twin."""
    assert len(rule(source)) == count
