"""How every page looks and can be used: axe-core, narrow and wide windows, light and dark, keyboard, pictures.

With ``COATCHECK_SCREENSHOTS`` set to a folder, every page is written there in each width and scheme, for a person to
look at.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from coatcheck import AsyncSessions
from coatcheck.demo.clock import DemoClock
from tests.browser.conftest import Clock, Site
from tests.browser.test_journeys import ADA, FIREFOX, GRACE, IPHONE, JOAN, headline, path_of, press, sign_in
from tests.servers.ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenDevice = Callable[..., Any]

WIDTHS = (360, 1280, 2560)
DEMO = ("/", "/devices", "/proof", "/nowhere")
CONSOLE = (
    "/operator/",
    "/operator/?span=day",
    "/operator/sessions",
    "/operator/rule",
    "/operator/policy",
    f"/operator/user?id={ADA.account.id}",
    "/operator/nowhere",
)
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


class Ahead(DemoClock):
    """The demo's clock over a time of day that stands still."""

    def advance(self, *, minutes: int) -> None:
        """Move forward, as the tests' clocks do."""
        self.forward(f"{minutes}m")


class Ticking(Site):
    """The demo as it is started from a terminal, with the clock that every page offers to move."""

    def __init__(self, store_url: str) -> None:
        """Start."""
        self.clock: Any = Ahead(Clock())
        self._store_url = store_url
        self._port = free_port()
        self.start()

    def _sessions(self) -> AsyncSessions:
        self.sessions = super()._sessions()
        return self.sessions


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Serve the demo on SQLite alone: pages look the same on every store."""
    served = Ticking(f"sqlite:///{tmp_path}/demo.db")
    yield served
    served.stop()


@pytest.fixture
def busy(device: OpenDevice, site: Any) -> Any:
    """Let people sign in and out, some hours ago and now, so that pages have something to show."""
    for agent in (FIREFOX, IPHONE):
        sign_in(device(user_agent=agent), remember=True)
    gone = device(user_agent=IPHONE)
    sign_in(gone, example=GRACE)
    site.clock.advance(minutes=25)
    press(gone.get_by_role("button", name="Sign out"))
    visitor = device()
    visitor.goto("/")
    press(visitor.get_by_role("button", name="Desk lamp"))
    site.clock.advance(minutes=2)
    return site


def shown(page: Page, name: str, width: int, scheme: str) -> None:
    """Write a picture for a person to look at, if that was asked for."""
    folder = os.environ.get("COATCHECK_SCREENSHOTS", "")
    if folder not in ("", "1"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        word = re.sub(r"\W+", "-", name).strip("-") or "home"
        page.screenshot(path=Path(folder) / f"{word}-{width}-{scheme}.png", full_page=True, animations="disabled")


def barriers(page: Page) -> list[str]:
    """Return what axe-core finds serious or critical."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{page.url}: {each['id']}: {each['nodes'][0]['html'][:120]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


def stories(page: Page) -> list[str]:
    """Return the addresses of a live and an ended session's story."""
    page.goto("/operator/sessions")
    found = [
        page.get_by_role("row").filter(has_text=state).first.get_by_role("link").first.get_attribute("href")
        for state in ("live", "ended")
    ]
    return [f"/operator/{address}" for address in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_barriers(device: OpenDevice, busy: Any, scheme: str) -> None:
    """Axe-core finds nothing serious on any page of the demo and the console, in either scheme (WCAG 2.2 AA)."""
    page = device(color_scheme=scheme, viewport={"width": 1280, "height": 800})
    page.goto("/sign-in?reason=idle")
    found = barriers(page)
    busy.sessions._core.emit("session.theft_suspected", session_id="one")
    sign_in(page, example=JOAN, at=None)
    for path in (*DEMO, *CONSOLE, *stories(page)):
        page.goto(path)
        found += barriers(page)
    page.goto("/operator/")
    assert "Something needs a look" in page.get_by_role("main").inner_text()
    page.get_by_text("The numbers, by minute").click()
    page.get_by_role("slider").first.focus()
    found += barriers(page)
    page.goto("/operator/rule")
    page.get_by_label("Device name contains").fill("o")
    press(page.get_by_role("button", name="Show what this means"))
    found += barriers(page)
    page.goto("/operator/rule")
    page.get_by_label("Device name contains").fill("iOS")
    press(page.get_by_role("button", name="Show what this means"))
    count = page.locator("input[name=count]").get_attribute("value") or ""
    page.get_by_label(f"Type {count} to end").fill(count)
    press(page.get_by_role("button", name=f"End {count} session"))
    assert page.get_by_role("status").inner_text().startswith(f"Done: {count} session")
    found += barriers(page)

    assert found == []


def test_axe_can_find_a_barrier(device: OpenDevice) -> None:
    """A button without a name is found, so that an empty answer means something."""
    page = device()
    page.goto("/sign-in")
    page.evaluate("document.querySelector('main').append(document.createElement('button'))")

    assert any("button-name" in found for found in barriers(page))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_fits_every_window(device: OpenDevice, busy: Any, width: int, scheme: str) -> None:
    """From 360 to 2,560 pixels nothing scrolls sideways, targets are 24 pixels at least, and lines can be read."""
    page = device(color_scheme=scheme, viewport={"width": width, "height": 800})
    faults: list[str] = []
    page.goto("/sign-in")
    shown(page, "sign-in", width, scheme)
    sign_in(page, example=JOAN, at=None)
    for path in (*DEMO, *CONSOLE, *stories(page)):
        page.goto(path)
        shown(page, path.partition("=0")[0], width, scheme)
        faults += page.evaluate(FITS)

    assert faults == []


FITS = """() => {
  const faults = [];
  const where = location.pathname + location.search;
  if (document.documentElement.scrollWidth > innerWidth) faults.push(`${where}: wider than the window`);
  for (const target of document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")) {
    if (!target.checkVisibility() || target.closest(".skip, p, dd, footer")) continue;
    const box = target.getBoundingClientRect();
    const name = `${where}: ${target.outerHTML.slice(0, 80)}`;
    if (box.height < 24 || box.width < 24) faults.push(`${name} is ${box.height} high`);
    if (box.right > innerWidth + 1) faults.push(`${name} lies outside`);
  }
  for (const text of document.querySelectorAll("main p")) {
    const size = parseFloat(getComputedStyle(text).fontSize);
    if (text.textContent.length > 200 && text.clientWidth / size > 60) faults.push(`${where}: long lines`);
  }
  return faults;
}"""


def test_what_stands_above_a_page_leaves_room_for_it(device: OpenDevice) -> None:
    """On a phone an operator's header and clock take under 220 of 740 pixels; no word of it stands alone."""
    page = device(viewport={"width": 360, "height": 740}, user_agent=IPHONE, has_touch=True)
    sign_in(page, example=JOAN)
    press(page.get_by_role("button", name="+10 min"))
    rows = page.evaluate(
        "[...new Set([...document.querySelectorAll('nav a, nav button')].filter(e => "
        "e.checkVisibility()).map(e => Math.round(e.getBoundingClientRect().bottom)))].length"
    )

    assert page.evaluate("document.querySelector('main').getBoundingClientRect().top") < 220
    assert rows == 1


def test_wide_windows_are_used(device: OpenDevice) -> None:
    """Where there are tables and code the page is up to 1,280 pixels wide; forms and reading stay narrow."""
    page = device(viewport={"width": 2560, "height": 900})
    sign_in(page)
    widths = {}
    for path in ("/", "/devices", "/proof"):
        page.goto(path)
        widths[path] = page.evaluate("document.querySelector('main').offsetWidth")

    assert widths == {"/": 960, "/devices": 1280, "/proof": 1280}


def test_the_fitting_check_can_fail(device: OpenDevice) -> None:
    """A target that is too small and a page that is too wide are found."""
    page = device(viewport={"width": 360, "height": 700})
    page.goto("/sign-in")
    spoilt = f'<a href="/">x</a><h2>{"x" * 200}</h2>'
    page.evaluate("html => document.querySelector('main').insertAdjacentHTML('beforeend', html)", spoilt)

    found = page.evaluate(FITS)
    assert any("wider" in fault for fault in found)
    assert any("high" in fault for fault in found)


def test_both_time_outs_are_a_few_clicks_away(device: OpenDevice) -> None:
    """A week passes with a click, and the session is over with its true reason (S-33, S-39)."""
    page = device()
    sign_in(page, remember=False)
    press(page.get_by_role("button", name="+1 day"))
    assert headline(page) == "Signed in as Ada Lovelace"
    assert "1 day ahead" in page.get_by_role("complementary", name="The demo's clock").inner_text()
    press(page.get_by_role("button", name="+1 week"))
    assert path_of(page) == "/sign-in?next=/&reason=idle"
