"""The documentation site in Chromium: on a phone and a desktop, in light and dark, searched, and offline."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import DESKTOP, PATIENCE, PHONE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
WIDE = ("index", "readme", "reference/policy", "reference/errors", "reference/api/coatcheck", "reliability", "scale")
"""Pages with wide tables, long code or long names."""

BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site."""
    out = tmp_path_factory.mktemp("documentation") / "site"
    subprocess.run([sys.executable, ROOT / "scripts" / "docs.py", "--out", out], check=True, timeout=300)
    return out


def opened(chromium: Browser, site: Path, name: str, *, width: int, dark: bool = False) -> Page:
    """Open a page of the site in a fresh profile."""
    size = {"width": width, "height": 740}
    context = chromium.new_context(viewport=size, color_scheme="dark" if dark else "light")  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto((site / f"{name}.html").as_uri())
    return page


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("width", [PHONE["width"], DESKTOP["width"]])
def test_no_page_scrolls_sideways(chromium: Browser, site: Path, name: str, width: int) -> None:
    """Tables and code scroll inside themselves, and the page stays as wide as the screen."""
    page = opened(chromium, site, name, width=width)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_it_follows_the_systems_colours(chromium: Browser, site: Path) -> None:
    """Light where the system is light, dark where it is dark."""
    light = opened(chromium, site, "index", width=DESKTOP["width"])
    dark = opened(chromium, site, "index", width=DESKTOP["width"], dark=True)
    shades = [max(map(int, page.evaluate(BACKGROUND)[4:-1].split(","))) for page in (light, dark)]

    assert shades[0] > 200
    assert shades[1] < 60
    light.context.close()
    dark.context.close()


def test_it_is_searched_offline(chromium: Browser, site: Path) -> None:
    """A search finds a function and a page that explains it, without a request to any host."""
    page = opened(chromium, site, "index", width=PHONE["width"])
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto((site / "search.html").as_uri() + "?q=revoke_user")
    page.wait_for_selector("#search-results a[href*='coatcheck.Sessions.revoke_user']")

    assert asked
    assert [url for url in asked if not url.startswith(("file://", "data:"))] == []
    page.context.close()
