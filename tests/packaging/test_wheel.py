"""The built wheel in a fresh environment: what is in it, what an absent extra says, the README's application, the demo.

One environment grows from stage to stage, as a user's would: the wheel alone, the README's line, the command, the demo.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from email.message import Message
from email.parser import Parser
from http.cookiejar import CookieJar
from pathlib import Path
from typing import IO, Any, NoReturn
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "coatcheck"
README = (ROOT / "README.md").read_text()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
QUICKSTART = re.compile(r"```python\n(.*?\bapp = .*?)```", re.DOTALL)
INSTALL = re.compile(r"pip install coatcheck (.+)")
NO_INDEX = re.compile(
    r"No matching distribution|Could not find a version|Failed to establish|resolution|ProxyError|SSLError"
)
SCRIPTS = "Scripts" if os.name == "nt" else "bin"

Gap = Callable[[str, str], NoReturn]
Done = subprocess.CompletedProcess[str]


def run(*command: str | Path, cwd: Path) -> Done:
    """Run a program as a user's shell does: nothing of this checkout is on its path."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=outside(),
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def outside() -> dict[str, str]:
    """Return the environment without what would lead Python back into the checkout, or the demo to another store."""
    hidden = {"PYTHONPATH", "VIRTUAL_ENV", "COATCHECK_STORE", "REDIS_URL", "DATABASE_URL"}
    return {name: value for name, value in os.environ.items() if name not in hidden}


class Environment:
    """A virtual environment and the wheel that goes into it."""

    def __init__(self, folder: Path, wheel: Path, gap: Gap) -> None:
        """Make it, empty."""
        self.folder, self.wheel, self._gap = folder, wheel, gap
        self.bin = folder / "venv" / SCRIPTS
        made = run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
        assert made.returncode == 0, made.stderr

    def install(self, *what: str) -> None:
        """Install with pip, from whatever index it is set up to use."""
        done = run(self.bin / "python", "-m", "pip", "install", "-q", *what, cwd=self.folder)
        reached(done, self._gap)

    def coatcheck(self, *arguments: str) -> Done:
        """Run the command."""
        return run(self.bin / "coatcheck", *arguments, cwd=self.folder)

    def python(self, code: str) -> Done:
        """Run Python code."""
        return run(self.bin / "python", "-c", code, cwd=self.folder)


def reached(done: Done, gap: Gap) -> None:
    """Fail if pip failed, or name the gap if that was because it has no index to take packages from."""
    if done.returncode and NO_INDEX.search(done.stderr):
        gap("a package index", "pip config set global.index-url https://pypi.org/simple")
    assert done.returncode == 0, done.stderr


Stage = tuple[Environment, Mapping[str, Done]]
"""An environment, and what it said before it grew further."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, gap: Gap) -> Path:
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    reached(run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT, cwd=folder), gap)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory, gap: Gap) -> Stage:
    """Install the wheel alone, and see what it says of what is not there before a later stage adds it."""
    environment = Environment(tmp_path_factory.mktemp("user"), wheel, gap)
    environment.install(str(wheel))
    seen = {
        "command": environment.coatcheck("--version"),
        "packages": environment.python("import importlib.metadata as m; print(*{d.name for d in m.distributions()})"),
        "place": environment.python("import coatcheck; print(coatcheck.__file__, coatcheck.__version__)"),
        **{name: environment.python(f"import coatcheck.web.{name}") for name in ("fastapi", "starlette", "asgi")},
    }
    return environment, seen


@pytest.fixture(scope="module")
def fastapi(alone: Stage) -> Environment:
    """Install what the README says."""
    found = INSTALL.search(README)
    assert found is not None
    alone[0].install(str(alone[0].wheel), *found[1].split())
    return alone[0]


@pytest.fixture(scope="module")
def cli(fastapi: Environment) -> Stage:
    """Install the command, and see what it says of the demo before that is added."""
    fastapi.install(f"{fastapi.wheel}[cli]")
    return fastapi, {"version": fastapi.coatcheck("--version"), "demo": fastapi.coatcheck("demo", "--port", "0")}


@pytest.fixture(scope="module")
def demo(cli: Stage) -> Environment:
    """Install the demo."""
    cli[0].install(f"{cli[0].wheel}[demo]")
    return cli[0]


# --- what is in it


def test_the_wheel_holds_the_package_and_no_more(wheel: Path) -> None:
    """Every file of the package is in the wheel: py.typed, templates, stylesheets; no test, no bytecode."""
    sources = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        [licence] = [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()

    assert {name for name in names if ".dist-info/" not in name} == sources
    assert {"coatcheck/py.typed"} <= sources
    assert {Path(name).suffix for name in sources} >= {".py", ".html", ".css"}


def metadata(wheel: Path) -> Message:
    """Return the wheel's METADATA."""
    with ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_the_metadata_names_every_extra(wheel: Path) -> None:
    """METADATA has the extras and what each brings, one base requirement, and the README as its text (design, 3)."""
    told = metadata(wheel)
    required = told.get_all("Requires-Dist", [])
    extras = set(told.get_all("Provides-Extra", []))

    assert extras == set(PROJECT["optional-dependencies"])
    assert [each for each in required if "extra ==" not in each] == PROJECT["dependencies"]
    assert {extra for extra in extras if not any(f"extra == '{extra}'" in each for each in required)} == set()
    assert (told["Name"], told["Version"]) == (PROJECT["name"], PROJECT["version"])
    assert (told["License-Expression"], told["Requires-Python"]) == ("Apache-2.0", ">=3.11")
    assert str(told.get_payload()).strip() == README.strip()


# --- an absent extra


def test_the_wheel_alone_brings_msgspec_alone(alone: Stage) -> None:
    """The base needs one package, and what is imported is the wheel, not this checkout (design, section 3)."""
    environment, seen = alone
    file, version = seen["place"].stdout.split()

    assert set(seen["packages"].stdout.split()) - {"pip", "setuptools"} == {"coatcheck", "msgspec"}
    assert (environment.folder in Path(file).parents, version) == (True, PROJECT["version"])


def test_the_command_without_its_extra_names_it(alone: Stage) -> None:
    """``coatcheck`` without Typer is exit code 2 with the command that adds it, no traceback (design, section 3)."""
    done = alone[1]["command"]

    assert done.returncode == 2
    assert 'pip install "coatcheck[cli]"' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["fastapi", "starlette"])
def test_an_adapter_without_its_framework_names_it(alone: Stage, name: str) -> None:
    """Importing an adapter without the framework is one error that names the command; plain ASGI needs none."""
    done = alone[1][name]

    assert done.returncode == 1
    assert done.stderr.splitlines()[-2].endswith(f"pip install {name}")
    assert done.stderr.splitlines()[-1].endswith("errors.md#missing_extra")
    assert "During handling" not in done.stderr
    assert (alone[1]["asgi"].returncode, alone[1]["asgi"].stderr) == (0, "")


def test_the_demo_without_its_extra_names_it(cli: Stage) -> None:
    """With ``[cli]`` the command works, and ``coatcheck demo`` is exit code 2 with the command that adds the demo."""
    seen = cli[1]

    assert (seen["version"].returncode, seen["version"].stdout) == (0, f"coatcheck {PROJECT['version']}\n")
    assert seen["demo"].returncode == 2
    assert 'pip install "coatcheck[demo]"' in seen["demo"].stderr
    assert "Traceback" not in seen["demo"].stderr


# --- the README's application


class Browser:
    """A client with a cookie jar, of the standard library alone."""

    def __init__(self) -> None:
        """Begin with an empty jar."""
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.base = ""

    def ask(self, path: str, body: object = None, method: str | None = None) -> tuple[int, str]:
        """Return the answer's status and text; a *body* is sent as JSON."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", "origin": self.base}
        request = urllib.request.Request(self.base + path, data, headers, method=method)  # noqa: S310 - our own server
        try:
            with self._opener.open(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()


def address_in(stream: IO[str]) -> str:
    """Read a server's output up to the line that says where it is."""
    for line in stream:
        found = re.search(r"http://[\w.]+:\d+", line)
        if found:
            return found[0]
    raise AssertionError("the server ended before it said where it is")


@contextmanager
def serving(*command: str | Path, cwd: Path) -> Generator[tuple[str, subprocess.Popen[str]]]:
    """Serve until the block ends, then interrupt; gives the address. What it said is checked for tracebacks."""
    with subprocess.Popen(
        command, cwd=cwd, env=outside(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield address_in(server.stdout), server
        finally:
            server.send_signal(signal.SIGINT)
            said = server.communicate(timeout=30)[0]
        assert "Traceback" not in said, said


def test_the_readme_application(fastapi: Environment, tmp_path: Path) -> None:
    """The README's first application, literally: sign in, read, restart, still signed in, sign out (S-10)."""
    found = QUICKSTART.search(README)
    assert found is not None
    (tmp_path / "main.py").write_text(found[1])
    browser = Browser()
    right = {"user_id": "ada", "password": "correct horse"}

    with serving(fastapi.bin / "uvicorn", "main:app", "--port", "0", cwd=tmp_path) as (browser.base, _):
        status, text = browser.ask("/me")
        assert (status, json.loads(text)["code"]) == (401, "sign_in_required")
        assert browser.ask("/login", {**right, "password": "wrong"})[0] == 401
        assert browser.ask("/login", right) == (200, '"Hello ada"')
        assert json.loads(browser.ask("/me")[1])["visits"] == 1

    assert (tmp_path / "sessions.db").is_file()
    with serving(fastapi.bin / "uvicorn", "main:app", "--port", "0", cwd=tmp_path) as (browser.base, _):
        assert json.loads(browser.ask("/me")[1])["visits"] == 2
        assert browser.ask("/sign-out-everywhere-else", method="POST") == (200, "0")
        assert browser.ask("/logout", method="POST")[0] == 200
        assert browser.ask("/me")[0] == 401


# --- the demo


def test_the_demo_from_the_wheel(demo: Environment, tmp_path: Path) -> None:
    """``coatcheck demo`` from the wheel serves its sign-in page with its style, and stops when told (design, 6)."""
    browser = Browser()
    with serving(demo.bin / "coatcheck", "demo", "--port", "0", cwd=tmp_path) as (browser.base, server):
        status, page = browser.ask("/sign-in")
        assert (status, "<form" in page, 'type="password"' in page) == (200, True, True)
        styles = re.findall(r'href="([^"]+\.css[^"]*)"', page)
        assert [browser.ask(style)[0] for style in styles] == [200] * len(styles) != []

    assert server.returncode == 0
