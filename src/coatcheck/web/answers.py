"""The answers that coatcheck gives itself: problem details for programs (RFC 9457), a small page for people."""

from __future__ import annotations

import json
from html import escape
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from coatcheck.errors import CoatcheckError, SignInRequired, StoreUnavailable
from coatcheck.refusals import StepUpRequired
from coatcheck.web.caching import RawHeaders
from coatcheck.web.redirects import safe_next

RETRY_AFTER: Final = 5
"""Seconds after which a client may try again when the store did not answer."""

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{title}</title></head>
<body><main><h1>{title}</h1><p>{detail}</p>{link}</main></body></html>
"""

_LOOKING: Final = ("GET", "HEAD")
_SHOWN: Final = frozenset({"insecure_transport", "not_awaited", "not_loaded", "too_late"})
"""Faults of the application whose remedy is shown: they hold no path and no configuration. Others are in the log."""

_PUBLIC: Final[dict[str, str]] = {
    "store_unavailable": "Sessions cannot be checked at the moment. Try again in a few seconds.",
    "unconfirmed": "This was done, but it is not confirmed yet. Try again in a few seconds.",
    "unreadable_record": "Sessions cannot be read at the moment. Try again in a few seconds.",
}

_SIGNING_OUT: Final = (
    "You are signed out in this browser, but the server has not confirmed it yet. It goes on trying; nothing is left "
    "for you to do here."
)


class Answer(Struct, frozen=True):
    """A whole response: status, raw headers, body."""

    status: int
    headers: RawHeaders
    body: bytes


class Answered(CoatcheckError):
    """Ends a request that coatcheck answers by itself before the application sees it. No fault: only its way out."""

    code = "answered"
    status = 200

    def __init__(self, made: Answer) -> None:
        """Keep the answer."""
        super().__init__("coatcheck's own page was asked for")
        self.made = made


class Asked(Struct, frozen=True):
    """What decides the answer's form: the method, the ``Accept`` header, the path with its query, what it is for."""

    method: str
    accept: str
    target: str
    prefetch: bool = False

    @property
    def may_redirect(self) -> bool:
        """Whether the browser may be sent to another page.

        Not for a prefetch: the browser would keep the redirect and follow it when the page is opened, perhaps after
        signing in. An error is not kept (Chromium throws prefetched errors away, and 204 it does not).
        """
        return self.page and self.method in _LOOKING and not self.prefetch

    @property
    def page(self) -> bool:
        """Whether a person's browser is asking for a page."""
        return prefers_html(self.accept)


def prefers_html(accept: str) -> bool:
    """Whether an ``Accept`` header puts HTML before JSON (RFC 9110, 12.5.1); ``*/*`` alone does not."""
    html = json_weight = 0.0
    for part in accept.lower().split(","):
        kind, _, parameters = part.strip().partition(";")
        weight = _weight(parameters)
        if kind.strip() in ("text/html", "application/xhtml+xml"):
            html = max(html, weight)
        elif kind.strip() in ("application/json", "application/problem+json"):
            json_weight = max(json_weight, weight)
    return html > json_weight


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


class Places(Struct, frozen=True):
    """The application's own pages that answers lead to: where to sign in, and where to prove it once more."""

    sign_in: str | None = None
    step_up: str | None = None

    def remedy(self, error: CoatcheckError) -> str | None:
        """Return the page that helps against *error*."""
        if isinstance(error, StepUpRequired):
            return self.step_up or self.sign_in
        return self.sign_in if error.status == 401 else None


def answer(error: CoatcheckError, asked: Asked, places: Places) -> Answer:
    """Return the response that tells of *error*."""
    remedy = places.remedy(error)
    if isinstance(error, (SignInRequired, StepUpRequired)) and remedy and asked.may_redirect:
        return _redirect(sign_in_location(remedy, asked.target, error.reason))
    detail = _PUBLIC.get(error.code, str(error))
    if isinstance(error, StoreUnavailable) and error.signing_out:
        detail = _SIGNING_OUT
    if error.status == 500 and error.code not in _SHOWN:
        detail = "The application made a mistake with its sessions. Its log says which."
    return _page(error, detail, asked, remedy) if asked.page else _problem(error, detail, asked, remedy)


def sign_in_location(sign_in_url: str, target: str, reason: str) -> str:
    """Return the sign-in page's address with where to return to, if that is safe, and why one was sent there."""
    told = [f"next={quote(target, safe='/')}"] if safe_next(target, "") else []
    if reason != "none":
        told.append(f"reason={quote(reason, safe='')}")
    joint = "&" if "?" in sign_in_url else "?"
    return sign_in_url + joint + "&".join(told) if told else sign_in_url


def _redirect(location: str) -> Answer:
    return Answer(303, [(b"location", location.encode("ascii")), (b"content-length", b"0")], b"")


def _problem(error: CoatcheckError, detail: str, asked: Asked, remedy: str | None) -> Answer:
    members: dict[str, Any] = {
        "type": f"urn:coatcheck:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": detail,
        "code": error.code,
    }
    if isinstance(error, (SignInRequired, StepUpRequired)):
        members["reason"] = error.reason
    if isinstance(error, StepUpRequired):
        asked_for = {"max_age": error.max_age, "aal": error.aal, "step_up_url": remedy}
        members |= {name: value for name, value in asked_for.items() if value is not None}
    return _whole(error.status, b"application/problem+json", json.dumps(members).encode(), asked)


def _page(error: CoatcheckError, detail: str, asked: Asked, remedy: str | None) -> Answer:
    link = ""
    if remedy:
        said = "Confirm that it is you" if isinstance(error, StepUpRequired) else "Sign in"
        link = f'<p><a href="{escape(remedy)}">{said}</a></p>'
    text = _PAGE.format(title=escape(error.title), detail=escape(detail), link=link)
    return _whole(error.status, b"text/html; charset=utf-8", text.encode(), asked)


def _whole(status: int, kind: bytes, body: bytes, asked: Asked) -> Answer:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", str(RETRY_AFTER).encode()))
    return Answer(status, headers, b"" if asked.method == "HEAD" else body)
