"""Rendering: templates to responses that no cache stores and no other site frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from coatcheck.durations import in_words
from coatcheck.model import Millis
from coatcheck.session_view import Session

from . import words
from .assets import fingerprint
from .clock import STEPS, DemoClock

FLASH: Final = "flash"
"""The session's key for a message that the next page shows once."""

HOME: Final = ("/", "Go to the home page")

_TEMPLATES: Final = Path(__file__).parent / "templates"


class Pages:
    """Makes pages. *clock* returns seconds since the Unix epoch; the pages' times are relative to it.

    *name_of* returns the name of a user's account.
    """

    def __init__(self, clock: Callable[[], float], name_of: Callable[[str], str]) -> None:
        """Read the templates' environment; templates are compiled when they are first shown."""
        self._clock = clock
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        filters: dict[str, Callable[..., object]] = {
            "moment": words.moment,
            "clock_text": words.clock_text,
            "in_words": in_words,
            "browser_name": words.browser_name,
            "ago": self._ago,
            "name": name_of,
        }
        self._templates.filters.update(filters)  # pyright: ignore[reportUnknownMemberType] - untyped in Jinja
        self._assets = fingerprint()

    def now(self) -> int:
        """Return the time in milliseconds since the Unix epoch."""
        return int(self._clock() * 1000)

    def _ago(self, millis: Millis) -> str:
        return words.ago(millis, self.now())

    def show(self, template: str, *, session: Session | None, status: int = 200, **facts: object) -> Response:
        """Return a page. With a *session* its header says who is signed in, and a waiting message is shown.

        A *flash* that is given is shown instead, and the waiting one left alone.
        """
        if "flash" not in facts:
            facts["flash"] = session.pop(FLASH) if session is not None and FLASH in session else None
        facts |= {"session": session, "assets": self._assets, "now": self.now(), "steps": STEPS}
        facts["demo_clock"] = self._clock if isinstance(self._clock, DemoClock) else None
        page = HTMLResponse(self._templates.get_template(template).render(facts), status)
        page.headers["cache-control"] = "private, no-store"
        return page

    def message(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        session: Session | None = None,
        way: tuple[str, str] = HOME,
    ) -> Response:
        """Return a page that says one thing, with a *way* on: an address and its words.

        It looks at no session that is not given: the session may be what is wrong.
        """
        facts: dict[str, object] = {"code": status, "title": title, "detail": detail, "way": way, "flash": None}
        page = self.show("message.html", session=session, status=status, **facts)
        page.headers.update(headers or {})
        return page


def see_other(address: str) -> Response:
    """Send the browser to another page of ours after a form."""
    return RedirectResponse(address, 303, headers={"cache-control": "private, no-store"})
