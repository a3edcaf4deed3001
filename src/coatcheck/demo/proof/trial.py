"""One library in one experiment: its browsers, and a record of what was sent and what came back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from string import ascii_uppercase
from typing import Final

from msgspec import DecodeError, Struct
from msgspec.json import decode

from coatcheck.discreet import Discreet

from .shop import Gate, Shop

RUN_HEADER: Final = "x-proof-run"
"""Names the run that a request belongs to; nobody else knows its value."""

_LETTERS: Final = ascii_uppercase


class Exchange(Struct, frozen=True):
    """A request and its answer in words. Cookies are letters: no value is ever shown."""

    sent: str
    back: str


class Step(Struct):
    """What happens next, in words, and the requests that did it."""

    label: str
    exchanges: list[Exchange]


class Answer(Discreet, frozen=True):
    """What a server answered."""

    status: int
    phrase: str
    cookies: tuple[str, ...]
    body: bytes


class Seen(Struct, frozen=True):
    """What a browser learned: the status, who it is signed in as, and its cart."""

    status: int
    user: str | None
    cart: tuple[str, ...]


class _Said(Struct):
    """What a shop answers."""

    user: str | None
    cart: tuple[str, ...]


class Unplayable(Exception):
    """The library did not get as far as the question."""


Send = Callable[[str, str, str | None], Awaitable[Answer]]
"""Sends a method, a path with its query, and the ``Cookie`` header, if any."""


class Trial:
    """Opens browsers on a shop, and keeps the record."""

    def __init__(self, shop: Shop, send: Send) -> None:
        """Speak to *shop* by *send*."""
        self.shop = shop
        self.steps: list[Step] = []
        self._send = send
        self._letters: dict[str, str] = {}

    def step(self, label: str) -> None:
        """Say what happens next."""
        self.steps.append(Step(label, []))

    def browser(self, cookie: str | None = None) -> Browser:
        """Open a browser, with a cookie in it if one is given."""
        return Browser(self, cookie)

    def gate(self, name: str, requests: int) -> Gate:
        """Set up a gate for so many requests, which name it in their query."""
        return self.shop.gates.setdefault(name, Gate(requests))

    def note(self, sent: str, back: str) -> None:
        """Enter a line into the record."""
        self.steps[-1].exchanges.append(Exchange(sent, back))

    async def exchange(self, method: str, path: str, cookie: str | None) -> Answer:
        """Send one request."""
        return await self._send(method, path, f"{self.shop.cookie}={cookie}" if cookie else None)

    def letter(self, cookie: str) -> str:
        """Return the letter by which the record calls a cookie's value."""
        known = self._letters.setdefault(cookie, _LETTERS[len(self._letters) % len(_LETTERS)])
        return f"cookie {known}"


class Browser:
    """Keeps its cookie as a browser does: what was answered last counts, in all its tabs."""

    def __init__(self, trial: Trial, cookie: str | None) -> None:
        """Begin with *cookie*."""
        self._trial = trial
        self.cookie = cookie

    async def get(self, path: str = "/") -> Seen:
        """Open a page."""
        return await self.send("GET", path)

    async def post(self, path: str) -> Seen:
        """Send a form."""
        return await self.send("POST", path)

    async def send(self, method: str, path: str, *, quiet: bool = False) -> Seen:
        """Send a request and keep the cookie that comes back; *quiet* leaves it out of the record."""
        before = self.cookie
        carried = f" with {self._trial.letter(before)}" if before else ""
        answer = await self._trial.exchange(method, path, before)
        told = self._keep(answer.cookies)
        seen, words = _read(answer)
        if not quiet:
            self._trial.note(f"{method} {path.partition('&gate=')[0]}{carried}", f"{words}{told}")
        return seen

    def _keep(self, headers: tuple[str, ...]) -> str:
        """Apply ``Set-Cookie`` headers; return what they did, in words."""
        told = ""
        for header in headers:
            value = _value_in(header, self._trial.shop.cookie)
            if value is None:
                continue
            if value == "":
                self.cookie, told = None, "; the cookie is deleted"
            elif value != self.cookie:
                self.cookie, told = value, f"; new {self._trial.letter(value)}"
        return told


def _value_in(header: str, name: str) -> str | None:
    """Return the value that a ``Set-Cookie`` header gives the cookie; empty when it deletes it."""
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return None
    if found is None:
        return None
    over = found["max-age"] == "0" or "1970" in found["expires"]
    return "" if over else found.value


def _read(answer: Answer) -> tuple[Seen, str]:
    """Read the shop's answer, or that of a library which refused."""
    try:
        said = decode(answer.body, type=_Said)
    except DecodeError:
        return Seen(answer.status, None, ()), f"{answer.status} {answer.phrase}"
    seen = Seen(answer.status, said.user, said.cart)
    return seen, f"{answer.status} {in_words(seen)}"


def in_words(seen: Seen) -> str:
    """Say who is signed in, and what is in the cart if anything is."""
    who = f"signed in as {seen.user}" if seen.user else "not signed in"
    return f"{who}, cart: {' and '.join(seen.cart)}" if seen.cart else who
