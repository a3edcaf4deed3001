"""The pages of exchange tickets: who is about to be signed in, whom that would replace, and that a ticket is no good.

They are whole answers without script, frame or foreign content. What is shown of an account is escaped.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Final

from coatcheck.web.answers import Answer
from coatcheck.web.caching import RawHeaders, forbid_storing

_STYLE: Final = (
    ":root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;margin:0;padding:12vh 1.5rem}"
    "main{max-width:34rem;margin:auto}button{font:inherit;padding:.6rem 1.2rem;margin:.3rem .6rem .3rem 0}"
)
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{title}</title><style>{style}</style></head>
<body><main><h1>{title}</h1>{body}</main></body></html>
"""
_FORM: Final = """<form method="post"><input type="hidden" name="csrf_token" value="{token}">{buttons}</form>"""
_BUTTON: Final = """<button name="choice" value="{value}">{text}</button>"""


def confirmation(name: str, token: str) -> Answer:
    """Ask whether *name* is to be signed in."""
    shown = escape(name)
    body = f"<p>The link that you opened signs this browser in as <strong>{shown}</strong>. It works once.</p>"
    buttons = _BUTTON.format(value="enter", text=f"Continue as {shown}")
    return _page(200, f"Sign in as {shown}?", body + _FORM.format(token=escape(token), buttons=buttons))


def question(name: str, present: str, token: str) -> Answer:
    """Ask whether *name* is to be signed in in the place of *present*."""
    shown, here = escape(name), escape(present)
    body = (
        f"<p>You are signed in as <strong>{here}</strong>. The link that you opened signs this browser in as "
        f"<strong>{shown}</strong> instead.</p>"
    )
    buttons = _BUTTON.format(value="keep", text=f"Stay signed in as {here}")
    buttons += _BUTTON.format(value="enter", text=f"Sign out and continue as {shown}")
    return _page(200, "Which account?", body + _FORM.format(token=escape(token), buttons=buttons))


def no_good() -> Answer:
    """Say that a link signs nobody in; for whatever reason, so that nobody learns which."""
    body = "<p>It was used already, is too old, or belongs to another browser. Ask for a new one where you got it.</p>"
    return _page(400, "This link does not work", body)


def not_so() -> Answer:
    """Refuse a method that the page does not know."""
    made = _page(405, "Not like this", "<p>Open this page in a browser.</p>")
    return Answer(made.status, [*made.headers, (b"allow", b"GET, HEAD, POST")], made.body)


def onward(location: str, *cookies: str) -> Answer:
    """Send the browser on. Nothing of the address it comes from goes with it."""
    headers = [(b"location", location.encode("ascii")), (b"content-length", b"0"), *_ALWAYS]
    return with_cookies(Answer(303, forbid_storing([*headers, (b"referrer-policy", b"no-referrer")]), b""), *cookies)


def with_cookies(made: Answer, *cookies: str) -> Answer:
    """Return an answer that also says these ``Set-Cookie``."""
    said = [(b"set-cookie", text.encode("ascii")) for text in cookies]
    return Answer(made.status, [*made.headers, *said], made.body)


_ALWAYS: Final[RawHeaders] = [(b"x-robots-tag", b"noindex"), (b"x-content-type-options", b"nosniff")]
_OF_PAGES: Final[RawHeaders] = [
    *_ALWAYS,
    (b"content-security-policy", _POLICY.encode("ascii")),
    (b"x-frame-options", b"DENY"),
    # The page's address is clean. Under "no-referrer" browsers send its form with "Origin: null", and those without
    # Fetch Metadata would then be refused.
    (b"referrer-policy", b"same-origin"),
]


def _page(status: int, title: str, body: str) -> Answer:
    text = _PAGE.format(title=title, style=_STYLE, body=body).encode()
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    return Answer(status, forbid_storing([*headers, *_OF_PAGES]), text)
