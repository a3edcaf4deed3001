"""Make a virtual environment that has pip, also where the system's Python lacks the means.

Debian and Ubuntu ship ``venv`` with Python but keep ``ensurepip`` in a package of its own, and pip in another. Each way
is tried in turn; what failed is told only when all did.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin

PIP = "pip-26.3-py3-none-any.whl"
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
INDEX = "https://pypi.org/simple"


class BootstrapError(Exception):
    """No way worked; the message says what a person can do."""


class NotThisWayError(Exception):
    """One way does not work here; another may."""


def run(*command: str | Path) -> None:
    """Run quietly; what it said becomes the reason of a failure."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotThisWayError(str(error)) from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit {done.returncode}").splitlines()
        raise NotThisWayError(said[-1])


def with_ensurepip(venv: Path) -> None:
    """Use the standard library's own way."""
    run(sys.executable, "-c", "import ensurepip")
    run(sys.executable, "-m", "venv", "--clear", venv)


def with_virtualenv(venv: Path) -> None:
    """Use virtualenv, which carries its own pip."""
    run(sys.executable, "-m", "virtualenv", "--clear", "--python", sys.executable, venv)


def with_uv(venv: Path) -> None:
    """Use uv."""
    if shutil.which("uv") is None:
        raise NotThisWayError("not installed")
    run("uv", "venv", "--quiet", "--clear", "--seed", "--python", sys.executable, venv)


def with_other_pip(venv: Path) -> None:
    """Let a pip from outside (22.3 or later) install pip into an environment without one."""
    run(sys.executable, "-m", "venv", "--clear", "--without-pip", venv)
    reasons = []
    for pip in ((sys.executable, "-m", "pip"), ("pip3",), ("pip",)):
        try:
            run(*pip, "--python", venv / "bin" / "python", "install", "--quiet", "pip")
        except NotThisWayError as reason:
            reasons.append(f"{Path(pip[0]).name}: {reason}")
        else:
            return
    raise NotThisWayError("; ".join(reasons))


def with_pip_wheel(venv: Path) -> None:
    """Fetch one pinned pip, check its hash, and let it install itself: a wheel of pip can be run as it is."""
    run(sys.executable, "-m", "venv", "--clear", "--without-pip", venv)
    with tempfile.TemporaryDirectory() as folder:
        wheel = Path(folder, PIP)
        wheel.write_bytes(fetched_pip())
        run(venv / "bin" / "python", "-I", wheel / "pip", "install", "--quiet", "--no-index", wheel)


def fetched_pip() -> bytes:
    """Return the pinned wheel from the package index (``PIP_INDEX_URL``, else PyPI), or refuse what differs from it."""
    page = os.environ.get("PIP_INDEX_URL", INDEX).rstrip("/") + "/pip/"
    if not page.startswith(("https://", "http://localhost", "http://127.0.0.1")):
        raise NotThisWayError(f"{page} is not an https address")
    asked = urllib.request.Request(page, headers={"Accept": "application/vnd.pypi.simple.v1+json"})  # noqa: S310 - checked
    trust = ssl.create_default_context(cafile=os.environ.get("PIP_CERT"))
    try:
        with urllib.request.urlopen(asked, timeout=30, context=trust) as answer:  # noqa: S310 - scheme checked above
            files = json.load(answer)["files"]
        address = next(urljoin(page, file["url"]) for file in files if file["filename"] == PIP)
        with urllib.request.urlopen(address, timeout=60, context=trust) as answer:  # noqa: S310 - its hash is checked
            wheel: bytes = answer.read()
    except (OSError, ValueError, KeyError, StopIteration) as error:
        raise NotThisWayError(f"{page}: {error or 'no such file'}") from error
    if hashlib.sha256(wheel).hexdigest() != PIP_SHA256:
        raise NotThisWayError(f"{PIP} from {page} is not the file that was pinned")
    return wheel


WAYS: tuple[Callable[[Path], None], ...] = (with_ensurepip, with_virtualenv, with_uv, with_other_pip, with_pip_wheel)


def make_venv(venv: Path) -> None:
    """Make *venv* in the first way that works.

    Raises:
        BootstrapError: none did.
    """
    failures = []
    for way in WAYS:
        try:
            way(venv)
            run(venv / "bin" / "python", "-I", "-m", "pip", "--version")
        except NotThisWayError as reason:
            failures.append(f"  {way.__name__.replace('_', ' ')}: {reason}")
        else:
            return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise BootstrapError(
        "No virtual environment could be made with this Python:\n"
        + "\n".join(failures)
        + f"\n\nInstall one of these and try again:\n"
        f"  Debian, Ubuntu:  apt-get install python{version}-venv   (or python3-venv)\n"
        f"  anywhere:        https://docs.astral.sh/uv/getting-started/installation/"
    )
