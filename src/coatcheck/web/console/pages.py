"""Rendering: templates to responses that no cache stores, with addresses that hold wherever the console is mounted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from coatcheck.durations import in_words
from coatcheck.errors import CoatcheckError
from coatcheck.model import Millis
from coatcheck.session import AsyncSession
from coatcheck.sessions import AsyncSessions
from coatcheck.web.console import plots, scales, words
from coatcheck.web.console.places import depth_of
from coatcheck.web.files import fingerprint

OPERATOR: Final = "coatcheck.operator"
"""The scope's key for the operator's name."""

TEMPLATES: Final = Path(__file__).parent / "templates"
_STATIC: Final = Path(__file__).parent / "static"


class Pages:
    """Makes the console's pages."""

    def __init__(self, sessions: AsyncSessions, *, home: str | None) -> None:
        """Prepare the templates; they are compiled when they are first shown. *home* leads back to the application."""
        self._sessions = sessions
        self._home = home
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(self._filters())  # pyright: ignore[reportUnknownMemberType] - untyped in Jinja
        self._assets = fingerprint(_STATIC)

    def now(self) -> Millis:
        """Return the time that sessions are judged by."""
        return self._sessions._core.now()  # noqa: SLF001 - pages go by the clock that verdicts go by

    def _relative(self, millis: Millis) -> str:
        return words.relative(millis, self.now())

    def _filters(self) -> dict[str, Callable[..., object]]:
        return {
            "moment": words.moment,
            "clock_text": words.clock_text,
            "relative": self._relative,
            "browser_name": words.browser_name,
            "ends_at": words.ends_at,
            "known_as": words.known_as,
            "why": words.ENDED.__getitem__,
            "sessions_text": words.sessions_text,
            "in_words": in_words,
            "whole": scales.whole_number,
            "plot": _plot,
            "swatch": _swatch,
        }

    def render(self, request: Request, template: str, **facts: object) -> str:
        """Return a page's text; ``done`` is what a form did, told on top of the page that answers it."""
        facts |= {
            "base": base_of(request),
            "operator": request.scope.get(OPERATOR),
            "home": self._home,
            "assets": self._assets,
            "now": self.now(),
            "done": facts.get("done"),
            "own": lambda: own_session(request),
        }
        return self._templates.get_template(template).render(facts)

    def show(self, request: Request, template: str, *, status: int = 200, **facts: object) -> Response:
        """Return a page."""
        return HTMLResponse(self.render(request, template, **facts), status)

    def message(self, request: Request, status: int, title: str, detail: str) -> Response:
        """Return a page that says one thing."""
        return self.show(request, "message.html", status=status, code=status, title=title, detail=detail)


def _plot(plot: plots.Plot) -> Markup:
    return Markup(plots.draw(plot))  # noqa: S704 - `draw` escapes what it is given


def _swatch(plot: plots.Plot, series: plots.Series) -> Markup:
    return Markup(plots.swatch(plot, series))  # noqa: S704 - it holds numbers and ids of our own


def own_session(request: Request) -> str | None:
    """Return the public id of the operator's own session, where the application's session middleware gave one."""
    session = request.scope.get("session")
    if not isinstance(session, AsyncSession):
        return None
    try:
        return session.id
    except CoatcheckError:  # not loaded, or the store is away: pages say that themselves where it matters
        return None


def base_of(request: Request) -> str:
    """Return the relative way from a request's page to the console's first: no page need know where it is mounted."""
    return "../" * (depth_of(request.scope) - 1) or "./"


def see_other(page: str, **parameters: str | int) -> Response:
    """Send the browser to another page of the console after a form."""
    return RedirectResponse(f"{page}?{urlencode(parameters)}" if parameters else page, 303)
