"""Makes the README's pictures and its short animation from the demo itself, in the machine's own Chromium.

Run it from a checkout whose environment is built: ``.venv/bin/python scripts/demo_pictures.py``. It serves the demo in
memory on a free port, lets two people use it, and writes ``docs/images``.
"""

from __future__ import annotations

import asyncio
import io
import shutil
import sys
import threading
from pathlib import Path
from random import Random
from time import time
from typing import TYPE_CHECKING, Final

import uvicorn
from PIL import Image
from playwright.sync_api import sync_playwright

from coatcheck import AsyncSessions
from coatcheck.counting import LENGTH
from coatcheck.demo.accounts import EXAMPLES
from coatcheck.demo.app import POLICY, create_app
from coatcheck.demo.clock import DemoClock
from coatcheck.demo.server import listen
from coatcheck.state import Visit
from coatcheck.verbs import Tally

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT: Final = Path(__file__).resolve().parents[1]
IMAGES: Final = ROOT / "docs" / "images"
ADA, GRACE, JOAN = EXAMPLES
HALF: Final = {"width": 720, "height": 620}
SCALE: Final = 0.75
LARGEST: Final = 2_000_000
AGENTS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.5 Mobile/15E148 Safari/604.1"
    ),
)


class Site:
    """The demo in memory, with an hour behind it in which people came and went."""

    def __init__(self) -> None:
        """Serve in a thread."""
        self.clock = DemoClock()
        self.sessions = AsyncSessions("memory://", policy=POLICY, clock=self.clock)
        self._sockets = listen("localhost", 0, print)
        self.url = f"http://localhost:{self._sockets[0].getsockname()[1]}"
        app = create_app(self.sessions, clock=self.clock)
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on", proxy_headers=False))
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._ready.wait(20)

    async def _serve(self) -> None:
        await self.sessions.open()
        await self._past()
        self._ready.set()
        await self._server.serve(self._sockets)

    async def _past(self) -> None:
        """Count an hour of sign-ins, and sign forty people in."""
        chance, now = Random(7), int(time() * 1000)  # noqa: S311 - an invented past needs no secret
        tallies: list[Tally] = []
        live = 31
        for minute in range(59, 0, -1):
            counts = {
                "created": chance.randint(1, 6),
                "signed_out": chance.randint(0, 3),
                "abandoned": chance.randint(0, 2),
                "expired": chance.randint(0, 1),
                "revoked": int(chance.random() < 0.1),
                "rejected": int(chance.random() < 0.15),
            }
            live = max(12, live + counts["created"] - sum(list(counts.values())[1:5]) - chance.randint(0, 1))
            times = {f"read.{chance.randint(0, 2)}": 40, "read.4": 1, f"write.{chance.randint(3, 5)}": 20, "write.7": 1}
            sampled = {"live.sum": live, "live.samples": 1}
            counted = {name: count for name, count in (counts | times | sampled).items() if count}
            at = now - minute * LENGTH["minute"]
            tallies.append(Tally(at - at % LENGTH["minute"], counted))
        await self.sessions.store.add_counts(tallies, now=now)  # type: ignore[attr-defined]
        for number in range(live):
            visit = Visit(user_agent=chance.choice(AGENTS), address=f"192.0.2.{number + 10}")
            session = await self.sessions.load(None, visit)
            await session.login(f"u-{2000 + number}", roles=["user"])
            await self.sessions.save(session)
        if self.sessions._core.counter is not None:  # noqa: SLF001
            self.sessions._core.counter.take()  # noqa: SLF001 - forty sign-ins in one second are not of that past

    def stop(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(10)
        for listening in self._sockets:
            listening.close()


class Film:
    """Two windows side by side, frame by frame."""

    def __init__(self, left: Page, right: Page) -> None:
        """Begin with no frame."""
        self._pages = (left, right)
        self._frames: list[Image.Image] = []
        self._lengths: list[int] = []

    def frame(self, millis: int) -> None:
        """Take both windows as they are, to be shown for so long."""
        shots = [Image.open(io.BytesIO(page.screenshot(animations="disabled"))) for page in self._pages]
        wide = sum(shot.width for shot in shots) + 12
        whole = Image.new("RGB", (wide, shots[0].height), "#8a949b")
        whole.paste(shots[0], (0, 0))
        whole.paste(shots[1], (shots[0].width + 12, 0))
        self._frames.append(whole.resize((int(wide * SCALE), int(whole.height * SCALE)), Image.Resampling.LANCZOS))
        self._lengths.append(millis)

    def save(self, path: Path) -> None:
        """Write an animated WebP, and refuse one that a README should not carry."""
        first, *others = self._frames
        first.save(path, save_all=True, append_images=others, duration=self._lengths, loop=0, quality=72, method=6)
        if path.stat().st_size > LARGEST:
            sys.exit(f"{path.name} has {path.stat().st_size:,} bytes; it should have under {LARGEST:,}")


def sign_in(page: Page, who: object, at: str = "/sign-in") -> None:
    """Sign one of the demo's people in."""
    example = who if who in EXAMPLES else ADA
    page.goto(at)
    page.get_by_label("User name").fill(example.account.username)  # type: ignore[attr-defined]
    page.get_by_label("Password").fill(example.passphrase)  # type: ignore[attr-defined]
    go(page, "Sign in")


def go(page: Page, button: str) -> None:
    """Press a button and wait for the page that it leads to."""
    with page.expect_navigation():
        page.get_by_role("button", name=button).click()


def window(browser: Browser, site: Site, *, agent: str = AGENTS[0], **options: object) -> Page:
    """Open a browser with cookies of its own."""
    chosen: dict[str, object] = {"viewport": HALF, "user_agent": agent, "locale": "en-GB", **options}
    page = browser.new_context(base_url=site.url, **chosen).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(15_000)
    return page


def film(browser: Browser, site: Site) -> None:
    """Grace on the left, the operator on the right: revoked, roles obeyed, and a week that passes in a second."""
    grace, joan = window(browser, site), window(browser, site, agent=AGENTS[1])
    told = Film(grace, joan)
    grace.goto("/sign-in")
    sign_in(joan, JOAN, "/sign-in?next=/operator/")
    told.frame(1200)
    _moved(joan, lambda: sign_in(grace, GRACE))
    told.frame(1600)
    _revoked(told, grace, joan)
    _roles(told, grace, joan)
    for _ in range(7):
        go(grace, "+1 day")
        told.frame(350)
    grace.goto("/")
    joan.goto("/sign-in")
    told.frame(2600)
    told.save(IMAGES / "demo.webp")


def _moved(joan: Page, act: object) -> None:
    """Do something, and wait until the operator's page has seen it by itself."""
    before = joan.locator(".large").inner_text()
    act()  # type: ignore[operator]
    joan.locator(".large").filter(has_not_text=before).wait_for()


def _revoked(told: Film, grace: Page, joan: Page) -> None:
    """End Grace's session: her next click leads to the sign-in page with the reason."""
    joan.goto(f"/operator/user?id={GRACE.account.id}")
    told.frame(1300)
    with joan.expect_navigation():
        joan.locator("td.act a").first.click()
    go(joan, "Revoke this session")
    joan.evaluate("scrollTo(0, 0)")
    told.frame(1400)
    grace.goto("/")
    told.frame(2200)


def _roles(told: Film, grace: Page, joan: Page) -> None:
    """Make Grace an operator: her next click shows it."""
    sign_in(grace, GRACE)
    joan.goto(f"/operator/user?id={GRACE.account.id}")
    joan.get_by_label("Roles in all sessions").fill("operator, user")
    joan.get_by_label("Roles in all sessions").scroll_into_view_if_needed()
    told.frame(1400)
    go(joan, "Change the roles")
    grace.goto("/")
    told.frame(2000)


def still(page: Page, name: str) -> None:
    """Write a picture of the whole page, in 256 colours, which is all that such a page has."""
    taken = Image.open(io.BytesIO(page.screenshot(full_page=True, animations="disabled"))).convert("RGB")
    taken.quantize(256, dither=Image.Dither.NONE).save(IMAGES / f"{name}.png", optimize=True)


def stills(browser: Browser, site: Site) -> None:
    """Take the operator's page, light and dark, its story of a session, and the gate's page."""
    for name, options in (
        ("operator", {"viewport": {"width": 1280, "height": 800}}),
        ("operator-dark", {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"}),
    ):
        page = window(browser, site, agent=AGENTS[1], **options)
        sign_in(page, JOAN, "/sign-in?next=/operator/")
        page.get_by_role("slider", name="Created").hover(position={"x": 120, "y": 30})
        still(page, name)
        if name == "operator":
            page.goto("/operator/sessions?show=live")
            page.get_by_role("row").nth(3).get_by_role("link").first.click()
            page.wait_for_url("**/session?id=*")
            still(page, "story")
            page.goto("/gate?method=GET&path=/newsroom")
            still(page, "gate")
        page.context.close()


def main() -> None:
    """Make them all."""
    path = shutil.which("chromium") or "/usr/bin/chromium"
    flags = ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=flags)
        for make in (stills, film):
            site = Site()
            make(browser, site)
            site.stop()
        browser.close()


if __name__ == "__main__":
    main()
