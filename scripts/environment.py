"""Build ``.venv`` and keep it current, with the standard library alone: ``environment.py demo|test``.

A stamp for each purpose holds a hash of what was installed from, so a second call costs nothing and a changed
``pyproject.toml`` installs again. ``test`` contains ``demo``.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from bootstrap import BootstrapError, make_venv

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYPROJECT = ROOT / "pyproject.toml"
PIP = (VENV / "bin" / "python", "-I", "-m", "pip")  # isolated: what PYTHONPATH names must not count as installed
PURPOSES = ("demo", "test")
STEPS = ("Collecting", "Downloading", "Installing collected", "Building", "Preparing")


def requirements(purpose: str) -> list[str]:
    """Return pip's arguments. The groups are read here because pip before 25.1 knows no ``--group``."""
    if purpose == "demo":
        return ["-e", f"{ROOT}[demo]"]
    groups = tomllib.loads(PYPROJECT.read_text())["dependency-groups"]
    return ["-e", f"{ROOT}[all]", *groups["dev"], *groups["docs"]]


def fingerprint() -> str:
    """Return what the installation depends on: the project's file, the place and the interpreter."""
    parts = (PYPROJECT.read_text(), str(ROOT), sys.version, str(Path(sys.executable).resolve()))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def stamp(purpose: str) -> Path:
    """Return where the purpose's fingerprint is kept."""
    return VENV / f"coatcheck-{purpose}.stamp"


def current(purpose: str) -> bool:
    """Whether nothing needs to be done, which includes that the environment's Python still runs."""
    wider = PURPOSES[PURPOSES.index(purpose) :]
    if not any(stamp(name).is_file() and stamp(name).read_text() == fingerprint() for name in wider):
        return False
    return runs(VENV / "bin" / "python")


def runs(python: Path) -> bool:
    """Whether an interpreter starts: an upgrade of the system's Python leaves a broken link behind."""
    try:
        return subprocess.run([python, "-c", "import sys"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def install(purpose: str) -> None:
    """Install and show one short line a step; the whole log only when it fails."""
    command = [*PIP, "install", "--disable-pip-version-check", *requirements(purpose)]
    tty = sys.stdout.isatty()
    log: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            log.append(line)
            if tty and line.strip().startswith(STEPS):
                print(f"\r\033[K  {line.strip()[:70]}", end="", flush=True)
    if tty:
        print("\r\033[K", end="", flush=True)
    if pip.returncode:
        sys.stderr.write("".join(log[-40:]))
        raise BootstrapError("pip could not install what coatcheck needs; its last lines are above.")


def main() -> int:
    """Bring the environment to what the named purpose needs."""
    purpose = sys.argv[1] if len(sys.argv) > 1 else "demo"
    if purpose not in PURPOSES:
        print(f"usage: environment.py {'|'.join(PURPOSES)}", file=sys.stderr)
        return 2
    if current(purpose):
        return 0
    length = {"demo": "half a minute", "test": "a minute or two"}[purpose]
    python = sys.version.split()[0]
    print(f"Building the environment in .venv with Python {python} (once, about {length}) ...", flush=True)
    try:
        if not runs(VENV / "bin" / "python") or not pip_works():
            make_venv(VENV)
        install(purpose)
    except BootstrapError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    stamp(purpose).write_text(fingerprint())
    print("The environment is ready.", flush=True)
    return 0


def pip_works() -> bool:
    """Whether the environment has a usable pip; a build that was interrupted may have left none."""
    return subprocess.run([*PIP, "--version"], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    os.environ.pop("PYTHONHOME", None)
    sys.exit(main())
