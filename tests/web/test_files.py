"""Static files: what a browser may keep for a year, and what it asks for again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from coatcheck.web.files import Files, fingerprint
from tests.web._demo import Demo, browser

YEAR = "public, max-age=31536000, immutable"


def asked(folder: Path, query: str) -> str:
    """Return the caching terms of a file that is asked for with *query*."""
    with TestClient(Starlette(routes=[Mount("/", Files(directory=folder))])) as client:
        return str(client.get(f"/app.css?{query}").headers["cache-control"])


def test_only_the_files_own_fingerprint_is_kept(tmp_path: Path) -> None:
    """During a deployment an old worker answers a new page's address: what it sends is not kept as the new (K-5)."""
    (tmp_path / "app.css").write_text("body { margin: 0 }")
    old = fingerprint(tmp_path)
    assert asked(tmp_path, f"v={old}") == YEAR

    (tmp_path / "app.css").write_text("body { margin: 1rem }")

    assert asked(tmp_path, f"v={old}") == "no-cache"
    assert asked(tmp_path, f"v={fingerprint(tmp_path)}") == YEAR


@pytest.mark.parametrize("query", ["", "v=", "v=1", "v={own}0", "v={own}&w=1", "w={own}"])
def test_another_address_is_asked_for_again(tmp_path: Path, query: str) -> None:
    """An address that somebody made up is not kept for a year by any cache (K-5)."""
    (tmp_path / "app.css").write_text("body { margin: 0 }")

    assert asked(tmp_path, query.format(own=fingerprint(tmp_path))) == "no-cache"


def test_every_file_of_the_demos_pages_is_kept() -> None:
    """The pages name their files by the fingerprint that the files are served under (K-5)."""
    demo = Demo()
    with demo.serving() as client:
        here = browser(client)
        links = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', here.get("/").text + here.get("/proof").text))
        terms = {here.get(link).headers["cache-control"] for link in links if "?" in link}

    assert len(links) >= 4
    assert terms == {YEAR}
