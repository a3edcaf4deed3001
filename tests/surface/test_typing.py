"""Types as users meet them: complete modules pass ``mypy --strict`` and strict pyright, and mistakes do not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = Path(__file__).parent / "typed_examples"
QUICKSTART = re.compile(r"```python\n(.*?\bapp = .*?)```", re.DOTALL)
GOOD = ["asynchronous.py", "endpoints.py", "quickstart.py", "shop.py", "threads.py"]
CHECKERS = ["mypy", "pyright"]

Faults = Mapping[str, Mapping[int, str]]
"""For each file the faulty lines with what the checker says of them."""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the examples and the README's first application."""
    folder = tmp_path_factory.mktemp("typed")
    for example in EXAMPLES.glob("[a-z]*.py"):
        (folder / example.name).write_text(example.read_text())
    found = QUICKSTART.search((ROOT / "README.md").read_text())
    assert found is not None
    (folder / "quickstart.py").write_text(found[1])
    return folder


@pytest.fixture(scope="module")
def faults(modules: Path) -> dict[str, Faults]:
    """Run each checker once over all modules, both at the same time."""
    mypy = _start(
        modules, "mypy", "--strict", "--output=json", "--config-file=", f"--cache-dir={ROOT}/.mypy_cache/examples", "."
    )
    (modules / "pyrightconfig.json").write_text(
        json.dumps({"include": ["."], "extraPaths": [str(ROOT / "src")], "typeCheckingMode": "strict"})
    )
    pyright = _start(modules, "pyright", "--outputjson", "--pythonpath", sys.executable, "--project", ".")
    return {"mypy": _mypy_faults(_finish(mypy)), "pyright": _pyright_faults(_finish(pyright))}


def _start(folder: Path, module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(checker: subprocess.Popen[str]) -> str:
    """Return what a checker found; 1 is its word for faults, anything else means that it did not run."""
    out, err = checker.communicate(timeout=120)
    assert checker.returncode == 1, f"{out}\n{err}"
    return out


def _mypy_faults(out: str) -> Faults:
    found: dict[str, dict[int, str]] = {}
    for each in map(json.loads, out.splitlines()):
        if each["severity"] == "error":
            found.setdefault(Path(each["file"]).name, {})[each["line"]] = each["message"]
    return found


def _pyright_faults(out: str) -> Faults:
    found: dict[str, dict[int, str]] = {}
    for each in json.loads(out)["generalDiagnostics"]:
        if each["severity"] == "error":
            line = each["range"]["start"]["line"] + 1
            found.setdefault(Path(each["file"]).name, {})[line] = each["message"]
    return found


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("checker", CHECKERS)
def test_what_users_write_is_typed(faults: dict[str, Faults], modules: Path, checker: str, name: str) -> None:
    """A whole application passes the strictest setting, and each answer has the type it promises (DESIGN section 4)."""
    assert (modules / name).is_file()
    assert faults[checker].get(name, {}) == {}


@pytest.mark.parametrize("checker", CHECKERS)
def test_mistakes_are_found_before_they_run(faults: dict[str, Faults], checker: str) -> None:
    """Each marked line is refused and no other: a forgotten await, a bare number for a time, a wrong key or option."""
    lines = (EXAMPLES / "wrong.py").read_text().splitlines()
    marked = {number: line.strip() for number, line in enumerate(lines, 1) if "# wrong:" in line}
    found = faults[checker]["wrong.py"]

    assert len(marked) > 20
    assert {number: line for number, line in marked.items() if number not in found} == {}
    assert {number: message for number, message in found.items() if number not in marked} == {}


def test_every_example_is_checked(modules: Path) -> None:
    """No module of the examples is left out of the tables above."""
    assert sorted(path.name for path in modules.glob("*.py")) == sorted([*GOOD, "wrong.py"])
