"""What an operator does with the console, in real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import ON_SQLITE
from tests.browser.test_journeys import ADA, GRACE, IPHONE, JOAN, headline, path_of, press, send, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenDevice = Callable[..., Any]


def operator(device: OpenDevice, **options: Any) -> Page:
    """Open a browser in which the operator is signed in."""
    page = device(**options)
    sign_in(page, example=JOAN, at="/sign-in?next=/operator/")
    return page


def test_the_page_moves_by_itself(device: OpenDevice) -> None:
    """While somebody signs in elsewhere the number of live sessions and the plot change, without a reload (S-86)."""
    page = operator(device)
    assert page.locator(".large").inner_text() == "1"
    page.evaluate("window.stayed = true")

    sign_in(device(), example=GRACE)

    page.locator(".large").get_by_text("2", exact=True).wait_for()
    page.locator("#figure-created .total").get_by_text("2", exact=True).wait_for()
    assert page.evaluate("window.stayed")


@ON_SQLITE
def test_it_can_be_paused(device: OpenDevice) -> None:
    """What moves by itself can be stopped, and goes on when wanted (WCAG 2.2, 2.2.2)."""
    page = operator(device)
    asked: list[str] = []
    page.clock.install()
    page.goto("/operator/")
    page.on("request", lambda request: asked.append(request.url) if "/live" in request.url else None)
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(60_000)
    assert asked == []

    with page.expect_response("**/operator/live?span=hour"):
        page.get_by_role("button", name="Resume").click()


@ON_SQLITE
def test_a_page_left_alone_keeps_nobody_signed_in(device: OpenDevice) -> None:
    """A page that nobody touched for ten minutes stops asking: asking counts as use of the operator's session."""
    page = operator(device)
    page.clock.install()
    page.goto("/operator/?span=day")
    for _ in range(62):
        page.clock.run_for(10_000)
        page.wait_for_timeout(1)
    page.get_by_role("button", name="Resume").wait_for()


def test_the_numbers_are_read_out_with_pointer_and_keys(device: OpenDevice) -> None:
    """Pointer and arrow keys choose a moment; its numbers are shown in every plot and told to screen readers."""
    page = operator(device)
    page.get_by_role("button", name="Pause").click()
    slider = page.get_by_role("slider", name="Created")
    slider.focus()
    assert "created 1" in (slider.get_attribute("aria-valuetext") or "")
    page.keyboard.press("ArrowLeft")
    assert "created 0" in (slider.get_attribute("aria-valuetext") or "")
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuenow") == "60"
    assert page.locator("#figure-live .readout").is_visible()
    assert page.locator("#figure-live .readout").inner_text().split()[-1] == "1"

    page.keyboard.press("Tab")
    page.mouse.move(0, 0)
    slider.hover(position={"x": 2, "y": 20})
    assert slider.get_attribute("aria-valuenow") == "1"


def test_a_session_is_revoked_and_the_other_browser_told(device: OpenDevice) -> None:
    """From the list to the story to the button: the other browser learns it at its next click (S-49)."""
    ada = device(user_agent=IPHONE)
    sign_in(ada)
    page = operator(device)
    press(page.get_by_role("link", name="Sessions", exact=True))
    row = page.get_by_role("row").filter(has_text="Mobile Safari")
    press(row.get_by_role("link", name="Revoke"))
    press(page.get_by_role("button", name="Revoke this session"))

    assert "1 session ended." in page.get_by_role("main").inner_text()
    assert page.get_by_role("heading", name="Ended").is_visible()
    ada.reload()
    assert path_of(ada) == "/sign-in?next=/&reason=revoked"


def test_new_roles_are_obeyed_at_the_next_request(device: OpenDevice) -> None:
    """Two browsers: the operator gives Grace a role, and her next click shows it (promise 5)."""
    grace, page = device(), operator(device)
    sign_in(grace, example=GRACE)
    assert grace.get_by_role("link", name="Operator").count() == 0
    page.goto(f"/operator/user?id={GRACE.account.id}")
    page.get_by_label("Roles in all sessions").fill("operator, user")
    press(page.get_by_role("button", name="Change the roles"))

    grace.reload()
    press(grace.get_by_role("link", name="Operator"))
    assert path_of(grace) == "/operator/"


def test_everything_works_without_javascript(device: OpenDevice) -> None:
    """Overview, search, rule with preview and confirmation, and its progress need no script."""
    sign_in(device())
    page = operator(device, java_script_enabled=False)
    assert page.locator("svg.plot").count() == 5
    press(page.get_by_role("link", name="Day"))
    page.get_by_text("The numbers, by 10 minutes").click()
    assert page.get_by_role("table").is_visible()

    page.goto("/operator/sessions")
    page.get_by_label("User, user id or session id").fill("lovelace")
    press(page.get_by_role("button", name="Find"))
    assert headline(page) == ADA.account.name

    page.goto("/operator/rule")
    page.get_by_label("User id").fill(ADA.account.id)
    press(page.get_by_role("button", name="Show what this means"))
    page.get_by_label("Type 1 to end it").fill("1")
    press(page.get_by_role("button", name="End 1 session"))
    assert page.locator("ol.progress li:visible").count() == 0
    assert page.get_by_role("status").inner_text() == (
        "Done: 1 session ended. Their browsers are signed out from their next request on."
    )


def test_the_keyboard_is_enough(device: OpenDevice) -> None:
    """One gets from the overview to a session's end with the keyboard alone, and sees the focus all the way."""
    sign_in(device(user_agent=IPHONE))
    page = operator(device)
    page.get_by_role("button", name="Pause").click()
    page.locator("body").click(position={"x": 1, "y": 300})
    for wanted in ("Sessions", "Mobile Safari 18 on iOS", "Revoke this session"):
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent").partition(",")[0] == wanted:
                break
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid", wanted
        if wanted == "Revoke this session":
            break
        send(page)
    send(page)

    assert "1 session ended." in page.get_by_role("main").inner_text()


@pytest.mark.parametrize("typed", ["everyone", "everybody"])
def test_everybody_is_ended_only_by_the_word(device: OpenDevice, typed: str) -> None:
    """The word ends every session, the operator's own too; another word none."""
    ada, page = device(), operator(device)
    sign_in(ada)
    page.goto("/operator/rule")
    page.get_by_label("Type everybody to confirm").fill(typed)
    press(page.get_by_role("button", name="End everybody's sessions"))
    ada.goto("/devices")
    page.goto("/operator/")

    if typed == "everybody":
        assert path_of(ada) == "/sign-in?next=/devices&reason=revoked"
        assert path_of(page) == "/sign-in?next=/operator/&reason=revoked"
    else:
        assert (path_of(ada), path_of(page)) == ("/devices", "/operator/")


@ON_SQLITE
def test_narrow_cards_are_low_and_wide_windows_are_used(device: OpenDevice) -> None:
    """At 360 pixels a session takes less than 190 of height; at 2,560 three plots stand side by side."""
    page = operator(device, viewport={"width": 360, "height": 800})
    page.goto("/operator/sessions")
    assert page.locator(".sessions tbody tr").first.evaluate("row => row.offsetHeight") < 190
    page.set_viewport_size({"width": 2560, "height": 1400})
    page.goto("/operator/")
    tops = page.locator(".figures figure").evaluate_all("all => all.map(each => each.offsetTop)")

    assert len(tops) == 5
    assert len(set(tops)) == 2
