"""What the operator's page says when its numbers stop moving, in real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import ON_SQLITE
from tests.browser.test_console import operator
from tests.browser.test_journeys import path_of, press

OpenDevice = Callable[..., Any]
LIVE = "**/operator/live?span=hour"


@ON_SQLITE
@pytest.mark.parametrize("status", [500, 503, None])
def test_numbers_that_stand_still_say_so(device: OpenDevice, status: int | None) -> None:
    """No good answer is said, with the time of the numbers that are shown; the next good one takes the words away."""
    page = operator(device)
    time = page.locator(".asof time").inner_text()
    page.route(LIVE, lambda route: route.fulfill(status=status, body="") if status else route.abort())
    said = page.locator(".stale")
    said.wait_for()

    assert said.get_attribute("role") == "status"
    assert said.inner_text().startswith(f"Not updated since {time}")
    assert page.locator("#live.moving").count() == 0
    page.unroute(LIVE)
    said.wait_for(state="detached")
    assert page.locator("#live.moving").count() == 1


@ON_SQLITE
@pytest.mark.parametrize("status", [401, 403])
def test_who_may_see_it_no_more_sees_it_no_more(device: OpenDevice, status: int) -> None:
    """A refusal of the numbers loads the whole page anew, so that the server says what is the matter."""
    page = operator(device)
    with page.expect_navigation():
        page.route(LIVE, lambda route: route.fulfill(status=status, body=""))
    page.unroute_all()

    assert path_of(page) == "/operator/"


def test_who_was_signed_out_is_led_to_the_sign_in(device: OpenDevice) -> None:
    """An open page whose operator was signed out elsewhere shows no old numbers: it leads to the sign-in by itself."""
    watching, acting = operator(device), operator(device)
    acting.goto("/operator/rule")
    acting.get_by_label("Type everybody to confirm").fill("everybody")
    press(acting.get_by_role("button", name="End everybody's sessions"))

    watching.wait_for_url("**/sign-in?**")
    assert path_of(watching) == "/sign-in?next=/operator/"
