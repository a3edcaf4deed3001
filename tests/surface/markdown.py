"""Just enough Markdown for the documentation's tests: fenced blocks, links and headings."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```+|~~~+)(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"(?<!\!)\[[^\]\n]*\]\((?P<target>[^)\s]+)(?:\s+\"[^\"]*\")?\)")
_IMAGE = re.compile(r"!\[[^\]\n]*\]\((?P<target>[^)\s]+)(?:\s+\"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *#*$", re.MULTILINE)
_REASON = re.compile(r"<!-- *no-run: *\S.*?-->\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its info string's words, its text, the line its text begins at, and what stands before it."""

    info: tuple[str, ...]
    text: str
    line: int
    before: str

    @property
    def is_python(self) -> bool:
        """Whether it holds Python, by any of its names."""
        return bool(self.info) and self.info[0].lower() in {"python", "py", "python3", "pycon"}

    @property
    def is_excused(self) -> bool:
        """Whether it says not to be run."""
        return "no-run" in self.info

    def fault(self) -> str | None:
        """Say what is wrong with how the block is marked."""
        if not self.is_python:
            return None
        if self.info[0] != "python":
            return f"line {self.line}: write ```python, not ```{self.info[0]}: only that is run"
        if self.info[1:] not in {(), ("no-run",)}:
            return f"line {self.line}: unknown mark {' '.join(self.info[1:])!r}"
        if self.is_excused and not _REASON.search(self.before):
            return f"line {self.line}: no-run needs `<!-- no-run: the reason -->` on the line before"
        return None


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a page, indentation removed."""
    found = []
    for match in _FENCE.finditer(text):
        indent = len(match["indent"])
        body = "".join(line[indent:] if line[:indent].isspace() else line for line in match["body"].splitlines(True))
        line = text.count("\n", 0, match.start("body")) + 1
        found.append(Block(tuple(match["info"].split()), body, line, text[: match.start()]))
    return found


def prose(text: str) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", text)


def links(text: str) -> list[str]:
    """Return the targets of links and images, outside fenced blocks and code spans."""
    plain = re.sub(r"`[^`\n]*`", "``", prose(text))
    return [match["target"] for pattern in (_LINK, _IMAGE) for match in pattern.finditer(plain)]


def anchors(text: str) -> set[str]:
    """Return the headings' anchors, spelt as GitHub spells them."""
    found: set[str] = set()
    for match in _HEADING.finditer(prose(text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match["text"])
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 0
        while (spelt := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(spelt)
    return found
