"""The proof page in real Chromium: each button, the line for the terminal, and every size."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from coatcheck.demo.proof.experiments import EXPERIMENTS
from tests.browser.conftest import ON_SQLITE
from tests.browser.test_journeys import CONTRAST, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

OpenDevice = Callable[..., Any]

pytestmark = ON_SQLITE

OUTCOMES = {
    "two-tabs": ["Holds", "Does not hold", "Does not hold"],
    "slow-request": ["Holds", "Does not hold", "Does not hold"],
    "stolen-cookie": ["Holds", "Does not hold", "Holds"],
    "crowd": ["Holds", "Not offered", "Not offered"],
    "planted-cookie": ["Holds", "Holds", "Holds in part"],
}


SCROLLING = """() => [...document.querySelectorAll("details pre")]
  .filter((code) => code.scrollWidth > code.clientWidth).map((code) => code.ariaLabel)"""


def place(page: Page, key: str) -> Locator:
    """Return an experiment's part of the page."""
    question = next(each.question for each in EXPERIMENTS if each.key == key)
    return page.get_by_role("region", name=question)


def run(page: Page, key: str) -> list[str]:
    """Press the button of an experiment and read the verdicts' words."""
    place(page, key).get_by_role("button", name="Run it").click()
    place(page, key).locator(".verdict").first.wait_for()
    return [said.partition(" ")[2] for said in place(page, key).locator(".verdict").all_inner_texts()]


def test_every_button_shows_what_happened(device: OpenDevice) -> None:
    """A press puts the verdicts in place without another page; all results stay, and each is told to who listens."""
    page = device()
    page.goto("/proof")
    page.evaluate("window.same = true")

    assert {key: run(page, key) for key in OUTCOMES} == OUTCOMES
    assert page.evaluate("window.same") is True
    assert page.locator(".result").count() == len(OUTCOMES)
    assert page.locator("#told").inner_text() == "coatcheck: Holds. Starlette: Holds. starsessions: Holds in part."
    assert page.evaluate("document.activeElement.textContent") == "Run it again"


@pytest.mark.parametrize("javascript", [True, False], ids=["javascript", "plain"])
def test_the_line_works_in_a_terminal(
    device: OpenDevice, gap: Callable[[str, str], NoReturn], *, javascript: bool
) -> None:
    """The line on the page, run as it is, says signed in before the sign-out and signed out after it (promise 2)."""
    if not shutil.which("curl"):
        gap("curl", "apt-get install curl")
    page = device(java_script_enabled=javascript)
    page.goto("/proof")
    page.get_by_role("button", name="Make a throw-away session").click()
    line = page.locator("#line").inner_text()

    before = subprocess.check_output(["sh", "-c", line], text=True)
    page.get_by_role("group", name="Try it in your terminal").get_by_role("button", name="Sign out").click()
    page.locator("p.note").get_by_text("Run the same line again").wait_for()  # it is told to who listens too

    assert (before, subprocess.check_output(["sh", "-c", line], text=True)) == ("signed in\n", "signed out\n")


def test_the_line_is_copied(device: OpenDevice) -> None:
    """The button puts the line into the clipboard and says so."""
    page = device(permissions=["clipboard-read", "clipboard-write"])
    page.goto("/proof")
    page.get_by_role("button", name="Make a throw-away session").click()
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()

    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#line").inner_text()
    assert page.locator("#told").inner_text() == "Copied."


def test_without_javascript_the_result_is_on_the_next_page(device: OpenDevice) -> None:
    """The form leads to the page with the result in it, at the place of the experiment; its steps unfold."""
    page = device(java_script_enabled=False)
    page.goto("/proof")

    assert run(page, "crowd") == OUTCOMES["crowd"]
    assert page.url.endswith("/proof#crowd")
    assert not page.get_by_text("100 times POST /sign-in").first.is_visible()
    page.get_by_text("Step by step").click()
    assert page.get_by_text("100 times POST /sign-in").first.is_visible()
    assert page.get_by_role("button", name="Copy").count() == 0


def test_the_keyboard_is_enough(device: OpenDevice) -> None:
    """Tab reaches the button, Enter runs, and the focus is where it was."""
    page = device()
    page.goto("/proof")
    place(page, "two-tabs").get_by_role("button", name="Run it").focus()
    page.keyboard.press("Enter")
    place(page, "two-tabs").locator(".verdict").first.wait_for()
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.textContent").startswith("Step by step")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280, 2560])
def test_it_fits_and_can_be_read(device: OpenDevice, width: int, scheme: str) -> None:
    """Nothing is wider than the window, and all text has a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3, 1.4.10)."""
    page = device(viewport={"width": width, "height": 800}, color_scheme=scheme)
    sign_in(page)
    page.goto("/proof")
    run(page, "planted-cookie")
    run(page, "stolen-cookie")
    page.get_by_role("button", name="Make a throw-away session").click()
    page.locator("#line").wait_for()
    for fold in page.locator("details").all():
        fold.evaluate("fold => { fold.open = true }")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width >= 1280:
        assert page.evaluate(SCROLLING) == []
    assert page.evaluate(CONTRAST) == []
