"""Headers that keep a session out of shared caches."""

from __future__ import annotations

import pytest

from coatcheck.cookies import CookieSpec
from coatcheck.web.caching import RawHeaders, add_vary, add_vary_cookie, drop_set_cookie, forbid_storing
from coatcheck.web.origins import DECIDED_BY

PAGE = (b"content-type", b"text/html")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([PAGE], [PAGE, (b"vary", b"Cookie")]),
        ([(b"vary", b"Accept"), PAGE], [(b"vary", b"Accept, Cookie"), PAGE]),
        ([(b"Vary", b"Accept-Encoding,Origin")], [(b"Vary", b"Accept-Encoding, Origin, Cookie")]),
        ([(b"vary", b"")], [(b"vary", b"Cookie")]),
        ([(b"vary", b" , ")], [(b"vary", b"Cookie")]),
        ([(b"vary", b"Cookies")], [(b"vary", b"Cookies, Cookie")]),
        ([(b"vary", b"A"), (b"vary", b"B")], [(b"vary", b"A, Cookie"), (b"vary", b"B")]),
    ],
)
def test_vary_cookie_is_appended(before: RawHeaders, after: RawHeaders) -> None:
    """K-2: what the handler's answer varies by already stays."""
    assert add_vary_cookie(before) == after


@pytest.mark.parametrize(
    "headers",
    [
        [(b"vary", b"*")],
        [(b"vary", b"Accept, *")],
        [(b"VARY", b"cookie")],
        [(b"vary", b"Accept,COOKIE")],
        [(b"vary", b"Accept"), (b"vary", b"\tCookie ")],
        [(b"vary", b"Accept"), (b"vary", b"*")],
    ],
)
def test_vary_is_left_alone_where_it_says_enough(headers: RawHeaders) -> None:
    """K-2: ``*`` is respected, no name is repeated, and names have no case."""
    assert add_vary_cookie(headers) == headers


def test_several_names_are_added_in_one_step() -> None:
    """G-18: a refused cross-site request varies by what decided it, each name once."""
    assert add_vary([(b"vary", b"origin")], *DECIDED_BY) == [(b"vary", b"origin, Sec-Fetch-Site, Referer")]


@pytest.mark.parametrize(
    "said",
    [
        [],
        [(b"cache-control", b"public, max-age=3600")],
        [(b"Cache-Control", b"public"), (b"cache-control", b"s-maxage=60")],
        [(b"cache-control", b"no-store, private")],
        [(b"cdn-cache-control", b"max-age=60")],
        [(b"CDN-Cache-Control", b"max-age=60"), (b"Cloudflare-CDN-Cache-Control", b"max-age=60")],
        [(b"surrogate-control", b"max-age=60")],
        [(b"x-accel-expires", b"60"), (b"edge-control", b"cache-maxage=60")],
        [(b"expires", b"Thu, 01 Jan 2099 00:00:00 GMT")],
    ],
)
def test_storing_is_forbidden_whatever_the_handler_said(said: RawHeaders) -> None:
    """K-1, K-3, K-6: one Cache-Control is left, and nothing that overrules it at a CDN or in an old cache."""
    assert forbid_storing([PAGE, *said]) == [PAGE, (b"cache-control", b"no-store, private")]


def test_no_transform_survives() -> None:
    """Promise 13: the directive that keeps proxies from buffering an event stream is not lost."""
    said = [(b"cache-control", b"no-cache, No-Transform, public")]
    assert forbid_storing(said) == [(b"cache-control", b"no-store, private, no-transform")]


def test_forbidding_twice_is_forbidding_once() -> None:
    """K-1: two layers that both forbid leave one header."""
    once = forbid_storing([PAGE])
    assert forbid_storing(once) == once


def test_set_cookie_of_one_name_is_dropped() -> None:
    """C-3: what a handler or an earlier layer set under our name goes, whatever its attributes and case of header."""
    other = (b"set-cookie", b"theme=dark; Path=/")
    headers = [
        (b"set-cookie", b"sid=1; Path=/; Secure"),
        other,
        (b"Set-Cookie", b"sid=; Max-Age=0"),
        (b"set-cookie", b" sid\t=2"),
        PAGE,
    ]
    assert drop_set_cookie(headers, "sid") == [other, PAGE]


@pytest.mark.parametrize("value", [b"SID=1", b"sid2=1", b"xsid=1", b"sid", b"=sid=1", b"a=1; sid=2", b"\xa0sid=1", b""])
def test_set_cookie_of_another_name_stays(value: bytes) -> None:
    """C-3, C-22: only a cookie that a browser would store under exactly our name is ours to drop."""
    assert drop_set_cookie([(b"set-cookie", value)], "sid") == [(b"set-cookie", value)]


def test_delete_then_set_leaves_one_cookie() -> None:
    """C-3: signing out and signing in within one request sends one Set-Cookie."""
    cookie = CookieSpec().on(secure=True)
    headers = [(b"set-cookie", cookie.delete().encode())]
    assert drop_set_cookie(headers, cookie.name) == []


def test_nothing_is_changed_in_place() -> None:
    """A handler may hold on to the list it sent; every function answers with a new one."""
    headers: RawHeaders = [(b"vary", b"A"), (b"cache-control", b"public"), (b"set-cookie", b"sid=1")]
    before = list(headers)
    for answer in (add_vary_cookie(headers), forbid_storing(headers), drop_set_cookie(headers, "sid")):
        assert answer != headers
    assert headers == before
