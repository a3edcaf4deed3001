"""What a person does with the demo, in real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from coatcheck.demo.accounts import EXAMPLES
from tests.browser.conftest import ON_SQLITE

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ADA, GRACE, JOAN = EXAMPLES
OpenDevice = Callable[..., Any]
Shoot = Callable[[Any, str], None]

TIMES = "\N{MULTIPLICATION SIGN}"
FIREFOX = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:153.0) Gecko/20100101 Firefox/153.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)


def sign_in(page: Page, *, remember: bool = False, example: Any = ADA, at: str | None = "/sign-in") -> None:
    """Fill in the form and send it; *at* is the page to open first."""
    if at:
        page.goto(at)
    page.get_by_label("User name").fill(example.account.username)
    page.get_by_label("Password").fill(example.passphrase)
    page.get_by_label("Remember me").set_checked(remember)
    press(page.get_by_role("button", name="Sign in"))


def press(target: Locator) -> None:
    """Click what leads to another page, and wait until that page is there."""
    with target.page.expect_navigation():
        target.click()


def headline(page: Page) -> str:
    """Return the page's first heading."""
    return page.get_by_role("heading", level=1).inner_text()


def path_of(page: Page) -> str:
    """Return the address without its origin."""
    return re.sub(r"^https?://[^/]+", "", page.url)


def test_one_device_signs_out_another(device: OpenDevice, shoot: Shoot) -> None:
    """The other device learns the true reason at its next click, and signing in leads back there (S-11, S-39)."""
    laptop, phone = device(), device(user_agent=IPHONE)
    sign_in(laptop)
    sign_in(phone)
    phone.goto("/devices")
    laptop.goto("/devices")

    row = laptop.get_by_role("row").filter(has_text="Mobile Safari 18 on iOS")
    press(row.get_by_role("button", name="Sign out"))
    assert "That device is signed out." in laptop.get_by_role("main").inner_text()
    assert "Ended from another device, by an operator" in laptop.get_by_role("main").inner_text()

    phone.reload()
    assert path_of(phone) == "/sign-in?next=/devices&reason=revoked"
    assert "ended on another device" in phone.get_by_role("status").inner_text()
    shoot(phone, "ended.png")
    sign_in(phone, at=None)
    assert path_of(phone) == "/devices"


def test_everybody_is_signed_in_after_a_restart(device: OpenDevice, site: Any) -> None:
    """A restart of the server on the same file signs nobody out, remembered or not, nor empties a cart (S-10)."""
    first, second = device(), device()
    sign_in(first, remember=True)
    press(first.get_by_role("button", name="Desk lamp"))
    sign_in(second, example=GRACE)

    site.restart()

    first.reload()
    second.reload()
    assert headline(first) == "Signed in as Ada Lovelace"
    assert f"Desk lamp {TIMES} 1" in first.get_by_role("region", name="Your cart").inner_text()
    assert headline(second) == "Signed in as Grace Hopper"


@pytest.mark.parametrize(
    ("steps", "reason", "words"),
    [([7], "idle", "was not used for a while"), ([6, 6, 6, 6, 6], "expired", "reached its maximum length")],
)
def test_both_clocks_run_out_with_their_reason(
    device: OpenDevice, site: Any, steps: list[int], reason: str, words: str
) -> None:
    """A week unused, or a month however busy, ends on the sign-in page with the true reason (promise 8, S-33)."""
    page = device()
    sign_in(page)
    for days in steps:
        site.clock.advance(days=days)
        page.goto("/")

    assert path_of(page) == f"/sign-in?next=/&reason={reason}"
    assert words in page.get_by_role("status").inner_text()
    sign_in(page, at=None)
    assert headline(page) == "Signed in as Ada Lovelace"


@ON_SQLITE
def test_the_clocks_count_down(device: OpenDevice) -> None:
    """Both clocks run on the page without another request (S-40)."""
    page = device()
    page.clock.install()
    sign_in(page)
    timers = page.get_by_role("timer")
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 10)
    page.clock.run_for(2_000)
    before = [seconds_left(text) for text in timers.all_inner_texts()]
    page.clock.run_for(90_000)

    assert [seconds_left(text) for text in timers.all_inner_texts()] == [left - 90 for left in before]


def seconds_left(text: str) -> int:
    """Read a clock such as ``6 days 23:59:48``."""
    days, hours, minutes, seconds = re.fullmatch(r"(\d+) days (\d\d):(\d\d):(\d\d)", text).groups()
    return ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds)


@pytest.mark.parametrize("garbage", ["x", "0" + "A" * 25 + "." + "A" * 43])
def test_a_garbage_cookie_is_no_obstacle(device: OpenDevice, site: Any, garbage: str) -> None:
    """With a cookie that nobody minted, pages work, nothing loops, and signing in replaces it (S-52, S-57)."""
    page = device()
    page.context.add_cookies([{"name": "session", "value": garbage, "url": site.url}])

    page.goto("/devices")
    assert path_of(page) == "/sign-in?next=/devices"
    sign_in(page, at=None)
    assert path_of(page) == "/devices"
    assert garbage not in [cookie["value"] for cookie in page.context.cookies()]


def test_scripts_see_nothing_of_the_session(device: OpenDevice) -> None:
    """Neither document.cookie nor web storage holds anything after a whole visit (S-20, S-22)."""
    page = device()
    page.goto("/")
    press(page.get_by_role("button", name="Notebook"))
    sign_in(page, remember=True)
    page.goto("/devices")

    cookies = page.context.cookies()
    assert [(cookie["name"], cookie["httpOnly"], cookie["sameSite"]) for cookie in cookies] == [
        ("session", True, "Lax")
    ]
    seen = page.evaluate("[document.cookie, {...localStorage}, {...sessionStorage}]")
    assert seen == ["", {}, {}]
    assert page.evaluate("indexedDB.databases().then(all => all.length)") == 0
    assert cookies[0]["value"].partition(".")[2] not in page.content()


@pytest.mark.parametrize("remember", [True, False])
def test_remember_me_survives_the_browser(device: OpenDevice, remember: bool) -> None:
    """With the box the cookie has a date; without it ends with the browser (ruling 2, S-09)."""
    page = device()
    sign_in(page, remember=remember)

    (cookie,) = page.context.cookies()

    assert (cookie["expires"] > 0) is remember


@ON_SQLITE
def test_a_phone_shows_every_page_whole(device: OpenDevice, site: Any, shoot: Shoot) -> None:
    """At 360 px no page scrolls sideways and what one touches is at least 36 px high."""
    phone = device(viewport={"width": 360, "height": 740}, user_agent=IPHONE, has_touch=True)
    with_others(device, site)
    wide: list[str] = []
    for path in ("/", "/sign-in", "/nowhere"):
        phone.goto(path)
        wide += sideways(phone)
    sign_in(phone, at="/sign-in?reason=revoked")
    wide += sideways(phone)
    phone.goto("/devices")
    wide += sideways(phone)
    assert phone.evaluate("document.querySelector('.bar').offsetHeight") <= 100
    shoot(phone, "devices-phone.png")

    assert wide == []
    heights = [box["height"] for button in phone.get_by_role("button").all() if (box := button.bounding_box())]
    assert min(heights) >= 36


def sideways(page: Page) -> list[str]:
    """Name the page if it is wider than the window."""
    too_wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    return [page.url] if too_wide else []


def with_others(device: OpenDevice, site: Any) -> None:
    """Sign Ada in on two further devices, hours ago, and out of one."""
    elsewhere, gone = device(user_agent=FIREFOX), device(user_agent=IPHONE)
    sign_in(elsewhere, remember=True)
    site.clock.advance(minutes=190)
    sign_in(gone)
    site.clock.advance(minutes=25)
    press(gone.get_by_role("button", name="Sign out"))


def test_without_javascript_everything_works(device: OpenDevice, shoot: Shoot) -> None:
    """Cart, sign-in, clocks in words, devices and sign-out need no script (S-16)."""
    page = device(java_script_enabled=False)
    page.goto("/")
    press(page.get_by_role("button", name="Coffee beans"))
    press(page.get_by_role("link", name="Sign in").first)
    shoot(page, "signin.png")
    sign_in(page, at=None)

    assert page.get_by_role("timer").all_inner_texts() == ["7 days", "30 days"]
    assert f"Coffee beans {TIMES} 1" in page.get_by_role("region", name="Your cart").inner_text()
    press(page.get_by_role("button", name="Remove one Coffee beans"))
    assert "Nothing in it yet" in page.get_by_role("region", name="Your cart").inner_text()
    press(page.get_by_role("link", name="Your devices"))
    press(page.get_by_role("row").get_by_role("button", name="Sign out"))
    assert page.get_by_role("status").inner_text() == "You signed out."


@ON_SQLITE
def test_the_button_says_that_the_form_is_on_its_way(device: OpenDevice) -> None:
    """While the password is being checked the button says so; a form that never leaves the page stays as it was."""
    page = device()
    page.goto("/sign-in")
    page.route("**/sign-in", lambda route: route.fulfill(status=204) if route.request.method == "POST" else None)
    button = page.locator("form.stack button")
    assert (button.inner_text(), button.get_attribute("aria-busy")) == ("Sign in", None)
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill("guess")
    button.click()
    page.wait_for_function("document.querySelector('form.stack button').ariaBusy === 'true'")

    assert button.inner_text() == "Signing in\N{HORIZONTAL ELLIPSIS}"


def test_the_keyboard_is_enough(device: OpenDevice) -> None:
    """One signs in and out with the keyboard alone, and sees where the focus is."""
    page = device()
    page.goto("/sign-in")
    page.wait_for_function("document.activeElement.name === 'username'")
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong")
    send(page)
    assert "do not match" in page.get_by_role("alert").inner_text()
    page.wait_for_function("document.activeElement.name === 'password'")
    page.keyboard.type(ADA.passphrase)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    send(page)
    assert headline(page) == "Signed in as Ada Lovelace"

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    for _ in range(6):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Sign out"
    send(page)
    assert path_of(page) == "/sign-in?reason=signed_out"


def send(page: Page) -> None:
    """Press Enter on what leads to another page, and wait until that page is there."""
    with page.expect_navigation():
        page.keyboard.press("Enter")


@ON_SQLITE
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_schemes_can_be_read(device: OpenDevice, site: Any, shoot: Shoot, scheme: str) -> None:
    """All text has a contrast of at least 4.5 to 1 in the light and the dark scheme (WCAG 2.2, 1.4.3)."""
    with_others(device, site)
    page = device(color_scheme=scheme)
    page.goto("/sign-in?reason=idle")
    poor = page.evaluate(CONTRAST)
    sign_in(page, at=None)
    press(page.get_by_role("button", name="Notebook"))
    press(page.get_by_role("button", name="Coffee beans"))
    site.clock.advance(days=4)
    page.goto("/")
    poor += page.evaluate(CONTRAST)
    if scheme == "light":
        shoot(page, "home.png")
    page.goto("/devices")
    poor += page.evaluate(CONTRAST)
    shoot(page, "devices.png" if scheme == "light" else "devices-dark.png")

    assert poor == []


CONTRAST = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => numbers(colour).slice(0, 3).reduce((sum, part, at) => {
    const share = part / 255;
    const linear = share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    return sum + linear * [0.2126, 0.7152, 0.0722][at];
  }, 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((numbers(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility()) continue;
    const [high, low] = [light(getComputedStyle(element).color), light(ground(element))].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) poor.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


def test_another_site_cannot_sign_anybody_out(device: OpenDevice, site: Any) -> None:
    """A form on another site's page that posts to ours is refused, and the visitor stays signed in (CS-7)."""
    page = device()
    sign_in(page)
    form = f'<form method="post" action="{site.url}/sign-out"><button>win</button></form>'
    page.route("http://elsewhere.test/", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto("http://elsewhere.test/")
    press(page.get_by_role("button", name="win"))

    assert headline(page) == "This request was refused"
    page.goto("/")
    assert headline(page) == "Signed in as Ada Lovelace"
