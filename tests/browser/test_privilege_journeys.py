"""What a person sees of the gate, of confirming, of roles that change and of acting for somebody, in real Chromium."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import ON_SQLITE
from tests.browser.test_journeys import ADA, CONTRAST, GRACE, IPHONE, JOAN, headline, path_of, press, sign_in
from tests.browser.test_looks import FITS, barriers

if TYPE_CHECKING:
    from playwright.sync_api import Page

OpenDevice = Callable[..., Any]


def said(page: Page) -> str:
    """Return what stands in the page's main part."""
    return page.get_by_role("main").inner_text()


def give_roles(operator: Page, roles: str, *, to: Any = ADA) -> None:
    """Set somebody's roles on the operator's page."""
    operator.goto(f"/operator/user?id={to.account.id}")
    operator.get_by_label("Roles in all sessions").fill(roles)
    press(operator.get_by_role("button", name="Change the roles"))


@ON_SQLITE
def test_the_gate_page_tells_who_may_go_where(device: OpenDevice) -> None:
    """The same page answers a visitor and an editor differently, and a question by its rule (S-56)."""
    page = device()
    page.goto("/gate")
    newsroom = page.get_by_role("row").filter(has_text="GET /newsroom")
    assert "Asks to sign in" in newsroom.inner_text()
    sign_in(page, at="/sign-in?next=/gate")
    assert "Opens" in newsroom.inner_text()

    page.get_by_label("Method").select_option("POST")
    page.get_by_label("Path").fill("/support/act")
    press(page.get_by_role("button", name="Ask"))
    assert "has no role operator" in page.get_by_role("status").inner_text()
    assert page.locator(".decides").inner_text().startswith("rule 4 /support/act decides")
    press(newsroom.get_by_role("link"))
    assert headline(page) == "The newsroom"


def test_signing_out_a_phone_asks_for_the_password(device: OpenDevice, site: Any) -> None:
    """Ten minutes on, the laptop confirms first and sees that nothing was done; then one click does it (ASVS 7.5.2)."""
    laptop, phone = device(), device(user_agent=IPHONE)
    sign_in(phone)
    sign_in(laptop)
    site.clock.advance(minutes=10)
    laptop.goto("/devices")
    assert "You gave it 10 minutes ago: you will be asked." in said(laptop)
    sign_out = laptop.get_by_role("button", name="Sign out Mobile Safari 18 on iOS")
    press(sign_out)
    assert (headline(laptop), path_of(laptop)) == ("Confirm that it is you", "/confirm?next=/devices&reason=step_up")
    laptop.get_by_label("Password of Ada Lovelace").fill(ADA.passphrase)
    press(laptop.get_by_role("button", name="Confirm"))

    assert "Nothing was done yet: do it now." in said(laptop)
    phone.reload()
    assert headline(phone) == "Signed in as Ada Lovelace"
    press(sign_out)
    phone.reload()
    assert path_of(phone) == "/sign-in?next=/&reason=revoked"


def test_the_next_click_obeys_new_roles(device: OpenDevice) -> None:
    """Joan gives Grace the newsroom and takes it away: each next click obeys, and she stays signed in (promise 5)."""
    grace, joan = device(), device()
    sign_in(grace, example=GRACE)
    sign_in(joan, example=JOAN)
    grace.goto("/newsroom")
    assert headline(grace) == "This page is not open to you"
    (before,) = grace.context.cookies()

    give_roles(joan, "editor, user", to=GRACE)
    grace.reload()
    (after,) = grace.context.cookies()
    assert headline(grace) == "The newsroom"
    assert "Your roles were changed elsewhere just now." in said(grace)
    assert after["value"] != before["value"]

    give_roles(joan, "user", to=GRACE)
    press(grace.get_by_role("button", name="Desk lamp"))
    assert headline(grace) == "This page is not open to you"
    grace.goto("/")
    assert headline(grace) == "Signed in as Grace Hopper"
    assert "recommends" not in said(grace)


def test_acting_for_somebody_and_back(device: OpenDevice, site: Any) -> None:
    """Joan confirms, sees the shop as Ada under both names, and is herself again with one click (ASVS 7.5.1)."""
    joan = device()
    sign_in(joan, example=JOAN, at="/sign-in?next=/support")
    site.clock.advance(minutes=6)
    act = joan.get_by_role("button", name="See the shop as Ada Lovelace")
    press(act)
    joan.get_by_label("Password of Joan Clarke").fill(JOAN.passphrase)
    press(joan.get_by_role("button", name="Confirm"))
    press(act)
    banner = joan.get_by_role("complementary", name="You act for somebody else")
    for path in ("/", "/devices", "/newsroom", "/operator/", "/nowhere"):
        joan.goto(path)
        assert "Joan Clarke acts as Ada Lovelace" in banner.inner_text()

    press(banner.get_by_role("button", name="Back to your own account"))
    assert path_of(joan) == "/support"
    assert "You are Joan Clarke again." in said(joan)
    assert banner.count() == 0


@ON_SQLITE
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_new_pages_can_be_read_and_fit(device: OpenDevice, scheme: str) -> None:
    """On a laptop and a phone nothing scrolls sideways, and axe-core finds no barrier in any scheme (WCAG 2.2 AA)."""
    faults: list[str] = []
    for options in ({}, {"viewport": {"width": 360, "height": 740}, "user_agent": IPHONE, "has_touch": True}):
        page = device(color_scheme=scheme, **options)
        sign_in(page, example=JOAN)
        for path in ("/gate?path=/newsroom", "/support", "/newsroom", "/confirm?next=/devices"):
            page.goto(path)
            faults += [*page.evaluate(FITS), *page.evaluate(CONTRAST), *barriers(page)]
        page.goto("/support")
        press(page.get_by_role("button", name="See the shop as Ada Lovelace"))
        for path in ("/", "/devices", "/newsroom", "/confirm"):
            page.goto(path)
            faults += [*page.evaluate(FITS), *page.evaluate(CONTRAST), *barriers(page)]

    assert faults == []
