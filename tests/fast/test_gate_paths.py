"""The path that the router will see: what has more than one reading is refused, and nothing else is."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from coatcheck.web.gate.paths import LONGEST, WHY, why_bad

BAD = {
    "no_path": ["*", "http://evil.example/admin", "admin", ""],
    "too_long": ["/" + "a" * LONGEST],
    "control_character": ["/a%00", "/a%0a", "/a%0D%0Ab", "/%09/x", "/a%7f", "/a%1b"],
    "not_utf8": ["/%ff", "/adm%c0%afin", "/%ed%a0%80"],
    "backslash": ["/\\evil", "/a%5cb", "/a%5Cb", "/..\\admin"],
    "double_slash": ["//", "/%2f", "//admin", "/a//b", "/admin//"],
    "dot_segment": ["/.", "/..", "/a/../admin", "/a/./b", "/%2e%2e/admin", "/a/%2e", "/.%2E/x", "/a/.."],
    "escaped": [
        *("/a%2fb", "/a%2Fb", "/admin%2f", "/a%252fb", "/a%25252Fb", "/a%255cb"),
        *("/%252e%252e/admin", "/%252e/x", "/.%252e/x", "/a%2500", "/a%250ab", "/a%257f"),
    ],
}
GOOD = [
    *("/", "/a", "/a/", "/a.b", "/a/.well-known/x", "/...", "/a..b", "/..a", "/a..", "/100%25", "/a%20b", "/caf%C3%A9"),
    *("/a%3Fb", "/a%23", "/a;x=1", "/a%2520b", "/~user/@me/:x", "/a%2eb", "/25%2525", "/" + "a" * (LONGEST - 1)),
]


@pytest.mark.parametrize(("why", "sent"), [(why, path) for why, sent in BAD.items() for path in sent])
def test_paths_with_two_readings_are_refused(why: str, sent: str) -> None:
    """Encoded slashes, dot segments, double slashes, backslashes and what else is read in two ways is refused."""
    assert why_bad(unquote(sent), sent.encode("latin-1")) == why


@pytest.mark.parametrize("sent", GOOD)
def test_ordinary_paths_are_judged(sent: str) -> None:
    """A path with one reading is not refused, whatever it looks like."""
    assert why_bad(unquote(sent), sent.encode("latin-1")) is None
    assert why_bad(unquote(sent)) is None


def test_the_raw_path_is_read_without_its_query() -> None:
    """Some servers hand over the query with the raw path; it is no part of what is judged."""
    assert why_bad("/a", b"/a?next=%2Fb") is None
    assert why_bad("/a/b", b"/a%2fb?x=1") == "escaped"


def test_without_a_raw_path_the_router_s_reading_is_judged() -> None:
    """Where a server keeps no raw path an escaped slash is a slash to gate and router alike."""
    assert why_bad("/a/b") is None
    assert why_bad("/a%2fb") == why_bad("/a/%2e%2e/b") == "escaped"
    assert why_bad("/a/b", b"/a%2fb") == "escaped"


def test_every_reason_has_words() -> None:
    """Each reason is told in words, and each is tested above."""
    assert WHY.keys() == BAD.keys()
