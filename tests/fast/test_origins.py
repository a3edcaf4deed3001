"""Cross-site requests, by the rows of Go's CrossOriginProtection and what is stricter here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.web.origins import Allowed, Refused, canonical_origin, judge_origin, parse_origins

OWN = "https://host.example"
TRUSTED, _ = parse_origins(["https://app.example", "capacitor://localhost"])

Headers = list[tuple[bytes, bytes]]


def said(site: str | None = None, origin: str | None = None, referer: str | None = None) -> Headers:
    """Make the headers of a request."""
    pairs = ((b"sec-fetch-site", site), (b"origin", origin), (b"referer", referer))
    return [(name, value.encode("latin-1")) for name, value in pairs if value is not None]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_pass(method: str) -> None:
    """3.5.3: a method that changes nothing may come from anywhere."""
    assert judge_origin(method, said("cross-site", "https://evil.example"), OWN) == Allowed()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PURGE", "post", "get", ""])
def test_every_other_method_is_judged(method: str) -> None:
    """G-17: custom verbs and other spellings are unsafe."""
    assert judge_origin(method, said("cross-site"), OWN) == Refused("cross_site")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(said("same-origin"), id="G-1"),
        pytest.param(said("none"), id="G-2"),
        pytest.param(said("same-origin", OWN, f"{OWN}/page"), id="G-1 with all three"),
        pytest.param(said("same-site", "https://app.example"), id="G-3 trusted sibling"),
        pytest.param(said("cross-site", "https://app.example"), id="G-5"),
        pytest.param(said("cross-site", "capacitor://localhost"), id="G-5 scheme of an app"),
        pytest.param(said(None, OWN), id="G-7"),
        pytest.param(said(None, "https://HOST.example:443"), id="G-7 other spelling of the same origin"),
        pytest.param(said(None, "https://app.example"), id="trusted without Sec-Fetch-Site"),
        pytest.param(said(None, None, f"{OWN}/page?x=1"), id="Referer of our own"),
        pytest.param(said(None, None, OWN), id="Referer cut down to the origin"),
        pytest.param(said(None, None, "https://app.example/"), id="Referer of a trusted origin"),
    ],
)
def test_our_own_pages_may_act(headers: Headers) -> None:
    """G-1, G-2, G-5, G-7: same origin, typed by the user, or trusted."""
    assert judge_origin("POST", headers, OWN, TRUSTED) == Allowed()


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(said("same-site", "https://sibling.host.example"), id="G-3"),
        pytest.param(said("cross-site"), id="G-4"),
        pytest.param(said("cross-site", "https://evil.example"), id="G-4 with Origin"),
        pytest.param(said("cross-site", OWN), id="a contradiction"),
        pytest.param(said("cross-site", None, f"{OWN}/page"), id="Referer does not outvote"),
        pytest.param(said("foo"), id="G-6"),
        pytest.param(said(""), id="G-6 empty"),
        pytest.param(said("Same-Origin"), id="G-6 other case"),
        pytest.param(said("same-origin, none"), id="G-6 folded"),
        pytest.param(said("same-origin;v=1"), id="G-6 with a parameter"),
    ],
)
def test_sec_fetch_site_decides_where_it_is_sent(headers: Headers) -> None:
    """G-3, G-4, G-6: anything but same-origin and none is refused unless the Origin is trusted."""
    assert judge_origin("POST", headers, OWN, TRUSTED) == Refused("cross_site")


@pytest.mark.parametrize(
    "origin",
    [
        "https://host.example.evil.example",
        "https://host.example@evil.example",
        "https://evil.example#host.example",
        "https://evil.example/host.example",
        "https://evil.example?https://host.example",
        "https://evil.example\\@host.example",
        "https://host.example/",
        "https://host.example.",
        "https://xhost.example",
        "null",
        "",
        "host.example",
        "//host.example",
        "https://",
        "http://host.example",
        "https://host.example:8443",
        "https://host.example:0443",
        "https://host.example:99999",
        "https://host.example:",
        "https://host.example, https://host.example",
        "https://host.example https://evil.example",
        "https://hos\xfe.example",
    ],
)
def test_other_origin_is_refused(origin: str) -> None:
    """G-8, G-9, G-11: without Sec-Fetch-Site the whole Origin must be ours: scheme, host and port."""
    assert judge_origin("POST", said(None, origin, f"{OWN}/page"), OWN, TRUSTED) == Refused("other_origin")


@pytest.mark.parametrize(
    "referer",
    [
        "https://evil.example/",
        "https://evil.example/https://host.example/",
        "https://host.example@evil.example/",
        "https://host.example.evil.example/",
        "https://evil.example\\@host.example/",
        "https://evil.example?https://host.example/",
        "http://host.example/",
        "https://host.example:8443/",
        "about:blank",
        "/page",
        "//host.example/",
        "",
    ],
)
def test_other_referer_is_refused(referer: str) -> None:
    """G-8: the Referer counts when both other headers are absent, by its origin alone."""
    assert judge_origin("POST", said(None, None, referer), OWN, TRUSTED) == Refused("other_referer")


def test_silence_is_refused_unless_the_caller_allows_it() -> None:
    """G-10, strict: a request that says nothing about its origin does not act."""
    assert judge_origin("POST", [], OWN) == Refused("no_origin")
    assert judge_origin("POST", [], OWN, missing="allow") == Allowed()
    assert judge_origin("POST", said("cross-site"), OWN, missing="allow") == Refused("cross_site")
    assert judge_origin("POST", said(None, "null"), OWN, missing="allow") == Refused("other_origin")


@pytest.mark.parametrize("name", [b"sec-fetch-site", b"origin", b"referer"])
def test_repeated_header_is_refused(name: bytes) -> None:
    """G-12: two values of a header, even equal ones, are somebody's attempt."""
    value = b"same-origin" if name == b"sec-fetch-site" else OWN.encode()
    headers = [*said("same-origin"), (name, value), (name.title(), value)]
    assert judge_origin("POST", headers, OWN) == Refused("repeated_header")


@pytest.mark.parametrize("name", [b"x-http-method-override", b"X-HTTP-Method", b"x-method-override"])
def test_overridden_method_is_the_one_that_counts(name: bytes) -> None:
    """G-13: a GET that asks to be taken for a POST is judged as one."""
    assert judge_origin("GET", [*said("cross-site"), (name, b"POST")], OWN) == Refused("cross_site")
    assert judge_origin("GET", [*said("cross-site"), (name, b"HEAD")], OWN) == Allowed()


def test_web_socket_handshake_is_judged_although_it_is_a_get() -> None:
    """G-14: another site may not open a socket with the visitor's cookie."""
    upgrade = [(b"connection", b"Upgrade"), (b"Upgrade", b"WebSocket")]
    assert judge_origin("GET", [*upgrade, *said(None, "https://evil.example")], OWN) == Refused("other_origin")
    assert judge_origin("GET", [*upgrade, *said(None, OWN)], OWN) == Allowed()
    assert judge_origin("CONNECT", said(None, "https://evil.example"), OWN) == Refused("other_origin")


@pytest.mark.parametrize("own", ["https://", "", "https://host.example/x", "null"])
def test_unknown_own_origin_matches_nothing(own: str) -> None:
    """G-11: a request without a valid Host is nobody's own, not even that of an equally broken Origin."""
    assert judge_origin("POST", said(None, own), own) == Refused("other_origin")


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://host.example", "https://host.example"),
        ("HTTPS://Host.Example:443", "https://host.example"),
        ("http://host.example:80", "http://host.example"),
        ("http://host.example:443", "http://host.example:443"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("https://host.example\n", None),
        ("https://host.example:65536", None),
        ("https://ho%73t.example", None),
        ("*", None),
        ("https://*.example", None),
    ],
)
def test_origin_is_spelled_as_browsers_do(text: str, origin: str | None) -> None:
    """G-11: lower case, no default port, and nothing but scheme, host and port."""
    assert canonical_origin(text) == origin


def test_trusted_origins_are_checked_at_start() -> None:
    """G-5, G-9: each entry that is not an origin is named, ``null`` and wildcards among them; the others are kept."""
    origins, faults = parse_origins(["https://A.example:443", "null", "*", "https://b.example/path", "c.example"])
    assert origins == {"https://a.example"}
    assert [fault.split("'")[1] for fault in faults] == ["null", "*", "https://b.example/path", "c.example"]
    assert parse_origins("https://a.example")[1] == [
        "trusted origins are a list, not text: write ['https://a.example']"
    ]


@given(
    headers=st.lists(
        st.tuples(st.sampled_from([b"sec-fetch-site", b"origin", b"referer", b"upgrade"]), st.binary(max_size=30)),
        max_size=4,
    )
)
def test_random_headers_never_pass(headers: Headers) -> None:
    """G-6, G-8: no octets but the right ones open the door, and none raise."""
    if not any(value.strip() in {b"same-origin", b"none"} for _, value in headers):
        assert isinstance(judge_origin("POST", headers, OWN, TRUSTED), Refused)
