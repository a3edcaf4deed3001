"""A built site, read from its files: its pages, the names it explains, its links, and what it would fetch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

_LOADED = {
    "script": ("src",),
    "link": ("href",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    **dict.fromkeys(("iframe", "embed", "audio", "video", "track", "input"), ("src",)),
    "object": ("data",),
}
"""What a browser fetches by itself when it meets an element."""

_IN_STYLE = re.compile(r"@import\s+(?:url\()?[\"']?([^\"')\s;]+)|url\(\s*[\"']?([^\"')]+)")
_ELSEWHERE = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


class Page(HTMLParser):
    """What one HTML page has: ``ids``, ``links`` to follow, and what it has a browser fetch."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of one element."""
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        self.fetched += [given[name] for name in _LOADED.get(tag, ()) if given.get(name)]
        self.fetched += in_style(given.get("style", ""))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        """Leave a style sheet."""
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        """Read a style sheet."""
        if self._in_style:
            self.fetched += in_style(data)


def in_style(text: str) -> list[str]:
    """Return what a style sheet fetches."""
    return [found[1] or found[2] for found in _IN_STYLE.finditer(text)]


def foreign(folder: Path) -> Iterator[str]:
    """Name what the files of a site would fetch from another host."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".html":
            fetched = Page(path.read_text()).fetched
        elif path.suffix == ".css":
            fetched = in_style(path.read_text())
        else:
            continue
        yield from (f"{path.relative_to(folder)}: {target}" for target in fetched if _ELSEWHERE.match(target))


def broken(folder: Path) -> Iterator[str]:
    """Name the links, files and anchors inside a site that lead nowhere."""
    pages = {path.resolve(): Page(path.read_text()) for path in folder.rglob("*.html")}
    for path, page in sorted(pages.items()):
        for target in [*page.links, *page.fetched]:
            if _SCHEME.match(target) or _ELSEWHERE.match(target):
                continue
            name, _, anchor = unquote(target).partition("#")
            file = (path.parent / name.partition("?")[0]).resolve() if name else path
            if not file.is_file() or (anchor and file in pages and anchor not in pages[file].ids):
                yield f"{path.relative_to(folder.resolve())}: {target}"


def holding(folder: Path, text: str) -> list[str]:
    """Name the files of a site that hold a text."""
    wanted = text.encode()
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [str(path.relative_to(folder)) for path in files if wanted in path.read_bytes()]
