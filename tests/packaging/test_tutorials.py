"""The tutorials, followed literally: each file is written, each command is run, and each answer is the one shown.

What differs from a reader's terminal: ``pip install coatcheck`` takes the wheel that was just built, Python is this
one, servers listen on a free port, and ``python3 -m venv`` makes an environment that sees nothing of this checkout.

How a page is read: a line that ends in a file's name and a colon names the file of the block below it, which replaces
the file, or is added to its end if the line begins with "Append to". A block of ``sh`` is run; one that starts a
server runs until the next one or the end of the page. A block of ``text`` is what the commands above it print, where
``...`` stands for anything, and on a line of its own for any lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from tests.packaging.test_wheel import ROOT, Done, Gap, outside, reached, serving
from tests.packaging.test_wheel import wheel as wheel
from tests.surface import markdown

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
PORT = "localhost:8000"
ACTIVATE = ". .venv/bin/activate"
SERVERS = ("uvicorn main:app", "flask --app main run", "uvicorn shop.asgi:application")

_FILE = re.compile(r"(?P<append>Append to )?`(?P<name>[\w./-]+)`:\s*(?:<!--(?:(?!-->).)*-->\s*)?\Z", re.DOTALL)
_INSTALLED = re.compile(r"^pip install \"?coatcheck(?P<extras>\[[\w,]+\])?\"?(?= |$)", re.MULTILINE)


class Follower:
    """Somebody with an empty folder and a terminal, who does what the page says."""

    def __init__(self, folder: Path, wheel: Path, gap: Gap) -> None:
        """Begin in an empty folder."""
        self.folder, self._wheel, self._gap = folder, wheel, gap
        self._server = ExitStack()
        self._port = ""
        self._activated = False

    def follow(self, text: str) -> None:
        """Do what a page says, from its beginning to its end."""
        with self._server:
            for block, answer in pairs(markdown.blocks(text)):
                if named := file_of(block):
                    self._write(named["name"], block.text, appending=bool(named["append"]))
                elif block.info == ("sh",):
                    self._type(block, answer)

    def _write(self, name: str, text: str, *, appending: bool) -> None:
        """Save a file, or add to its end."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text().rstrip("\n") + "\n\n\n" if appending else ""
        file.write_text(before + text)

    def _type(self, block: markdown.Block, answer: str | None) -> None:
        """Run a block of commands, and compare what they print with what the page shows."""
        if block.text.startswith(SERVERS):
            self._serve(block.text.split())
            return
        done = self._run(block.text)
        if "pip install" in block.text:
            reached(done, self._gap)
        assert done.returncode == 0, f"line {block.line}: {done.stdout}{done.stderr}"
        if answer is not None:
            printed = self._as_shown(done.stdout)
            assert agrees(printed, answer), f"line {block.line} prints\n{printed}\nand the page shows\n{answer}"

    def _run(self, commands: str) -> Done:
        """Run commands in the terminal, where the environment is activated if the page has said so."""
        commands = commands.replace("python3 -m venv", f"{sys.executable} -m venv")
        commands = _INSTALLED.sub(lambda found: f'pip install "{self._wheel}{found["extras"] or ""}"', commands)
        if self._port:
            commands = commands.replace(PORT, f"localhost:{self._port}")
        activated = f"{ACTIVATE}\n{commands}" if self._activated else commands
        self._activated = self._activated or ACTIVATE in commands
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", activated],
            cwd=self.folder,
            env=elsewhere(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def _serve(self, command: list[str]) -> None:
        """Start the server on a free port, in place of the one that ran before; the first takes the terminal."""
        self._activated = self._activated and bool(self._port)
        self._server.close()
        started = [self.folder / ".venv" / "bin" / command[0], *command[1:], "--port", "0"]
        address, _ = self._server.enter_context(serving(*started, cwd=self.folder))
        self._port = address.rpartition(":")[2]

    def _as_shown(self, printed: str) -> str:
        """Return what was printed with the page's port."""
        return printed.replace(f"localhost:{self._port}", PORT) if self._port else printed


def pairs(blocks: list[markdown.Block]) -> Iterator[tuple[markdown.Block, str | None]]:
    """Return each block with what it prints according to the page: the text in the block below it."""
    for block, below in pairwise([*blocks, None]):
        assert block is not None
        yield block, below.text if below is not None and below.info == ("text",) else None


def file_of(block: markdown.Block) -> re.Match[str] | None:
    """Return the name of the file that a block is the text of, if the line above it names one."""
    return _FILE.search(block.before) if block.info[:1] not in ((), ("sh",), ("text",)) else None


def elsewhere() -> dict[str, str]:
    """Return the environment without this checkout, its programs too: what a page forgets to install is missing."""
    ours = str(Path(sys.executable).parent)
    kept = outside()
    kept["PATH"] = os.pathsep.join(place for place in kept["PATH"].split(os.pathsep) if place != ours)
    return kept


def agrees(printed: str, shown: str) -> bool:
    """Whether a page shows what was printed; ``...`` stands for anything in its line, alone for any lines."""
    lines = [
        "(?:.*\n)*?" if line == "..." else ".*?".join(re.escape(part) for part in line.split("...")) + "\n"
        for line in shown.rstrip("\n").split("\n")
    ]
    return re.fullmatch("".join(lines), printed.replace("\r\n", "\n").rstrip("\n") + "\n") is not None


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_newcomer_follows_the_tutorial(page: Path, wheel: Path, tmp_path: Path, gap: Gap) -> None:
    """From an empty folder to a tested application by the page's words alone, with the answers that it shows."""
    text = page.read_text()
    assert sum(text.count(f"```sh\n{server}") for server in SERVERS) >= 2, "the page no longer runs what it builds"
    assert text.count("```text") >= 8, "the page no longer shows what is answered"

    Follower(tmp_path, wheel, gap).follow(text)

    assert (tmp_path / "sessions.db").is_file()


# --- each check can fail


@pytest.mark.parametrize(
    ("printed", "shown", "expected"),
    [
        ('{"user":"ann"}', '{"user":"ann"}\n', True),
        ('{"user":"bob"}', '{"user":"ann"}\n', False),
        ('{"id":"abc","a":1}', '{"id":"...","a":1}\n', True),
        ('{"id":"abc","a":2}', '{"id":"...","a":1}\n', False),
        ("HTTP/1.1 303\r\ndate: now\r\nlocation: /me\r\n\r\n", "HTTP/1.1 303\n...\nlocation: /me\n", True),
        ("HTTP/1.1 303\r\ndate: now\r\n\r\n", "HTTP/1.1 303\n...\nlocation: /me\n", False),
        ("first\nsecond\n", "first\n", False),
        ("", "...\nsomething\n", False),
    ],
)
def test_answers_are_compared(printed: str, shown: str, expected: bool) -> None:
    """An answer that differs from the page's, lacks a line of it or has one more, is found."""
    assert agrees(printed, shown) is expected


def test_a_page_that_is_wrong_is_found(tmp_path: Path, gap: Gap) -> None:
    """A command that fails, an answer that differs and a file that is not named each stop the follower."""
    good = "`a/b.txt`:\n\n```html\none\n```\n\nAppend to `a/b.txt`:\n\n```html\ntwo\n```\n\n```sh\ncat a/b.txt\n```\n\n"
    follower = Follower(tmp_path, tmp_path / "no.whl", gap)
    follower.follow(good + "```text\none\n\n\ntwo\n```\n")

    with pytest.raises(AssertionError, match="line 14 prints"):
        follower.follow(good + "```text\none\nthree\n```\n")
    with pytest.raises(AssertionError, match="No such file"):
        follower.follow("```sh\ncat missing.txt\n```\n")
    (tmp_path / "a" / "b.txt").unlink()
    with pytest.raises(AssertionError, match="No such file"):
        follower.follow(good.replace("`a/b.txt`:", "The file:"))
