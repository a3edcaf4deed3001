"""Django's responses from coatcheck's answers, and settled headers into Django's responses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from http.cookies import Morsel
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from coatcheck.web.answers import Answer
from coatcheck.web.caching import RawHeaders


class SetCookie(Morsel[str]):
    """A ``Set-Cookie`` line as coatcheck wrote it, among ``response.cookies``, where test clients look for it."""

    # Private to the standard library, and the only place for an attribute that it knows since Python 3.14 alone.
    _reserved = {**Morsel._reserved, "partitioned": "Partitioned"}  # type: ignore[attr-defined] # noqa: SLF001, RUF012 - as above
    _flags = {*Morsel._flags, "partitioned"}  # type: ignore[attr-defined] # noqa: SLF001, RUF012 - as above


def made_of(answer: Answer) -> HttpResponse:
    """Return coatcheck's own answer as a response."""
    response = HttpResponse(answer.body, status=answer.status)
    del response.headers["Content-Type"]
    settle(response, answer.headers)
    return response


def raw(response: HttpResponseBase) -> RawHeaders:
    """Return a response's headers as octets, without its cookies."""
    return [(name.encode("latin-1"), str(value).encode("latin-1")) for name, value in response.items()]


def hold_open(response: HttpResponseBase, *closers: Callable[[], object]) -> None:
    """Call *closers* when the server has sent *response*, or given it up."""
    known: Any = response
    known._resource_closers.extend(closers)  # noqa: SLF001 - Django's one hook for this has no public name


def closers_of(response: HttpResponseBase) -> tuple[Callable[[], object], ...]:
    """Return what *response* would call at its end: closing it itself would end the request twice."""
    known: Any = response
    return tuple(known._resource_closers)  # noqa: SLF001 - as above


def empty(response: HttpResponseBase) -> None:
    """Take the body out of *response*; what it holds open is still closed at its end."""
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = _nothing() if response.is_async else ()
    else:
        known: Any = response
        known.content = b""


async def _nothing() -> AsyncIterator[bytes]:
    """Stream no bytes."""
    return
    yield


def settle(response: HttpResponseBase, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Give *response* exactly these headers; its other cookies stay."""
    kept: dict[str, str] = {}
    for name, value in headers:
        text = value.decode("latin-1")
        if name.lower() == b"set-cookie":
            _set_cookie(response, text)
        else:
            known = name.decode("latin-1").title()
            kept[known] = f"{kept[known]}, {text}" if known in kept else text
    for gone in {name.title() for name, _ in response.items()} - kept.keys():
        del response.headers[gone]
    for known, text in kept.items():
        if response.headers.get(known) != text:
            response.headers[known] = text


def _set_cookie(response: HttpResponseBase, line: str) -> None:
    pair, *attributes = line.split("; ")
    name, _, value = pair.partition("=")
    cookie = SetCookie()
    cookie.set(name, value, value)
    for attribute in attributes:
        word, equals, text = attribute.partition("=")
        cookie[word.lower()] = text if equals else True
    cookies: dict[str, Morsel[str]] = response.cookies
    dict[str, Morsel[str]].__setitem__(cookies, name, cookie)
