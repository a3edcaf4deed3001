"""The cookie writer and reader, row by row."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest

from coatcheck import cookies, tokens
from coatcheck.cookies import Cookie, CookieSpec, SameSite, Unusable, max_age_seconds, read

TICKET = "t" * tokens.TOKEN_LENGTH
NAME = "__Host-session"


def names_of(set_cookie: str) -> list[str]:
    """Return a ``Set-Cookie`` value's attribute names."""
    return [part.partition("=")[0] for part in set_cookie.split("; ")[1:]]


def test_default_cookie_is_the_strictest() -> None:
    """Promise 10: the default has the __Host- prefix, Secure, HttpOnly, SameSite=Lax, Path=/ and no Domain."""
    assert CookieSpec().on(secure=True).write("abc", max_age=60) == (
        "__Host-session=abc; Max-Age=60; Path=/; Secure; HttpOnly; SameSite=Lax"
    )


def test_session_cookie_without_max_age_ends_with_the_browser() -> None:
    """S-22, ruling 2: without max_age the cookie has neither Max-Age nor Expires."""
    assert names_of(CookieSpec().on(secure=True).write("abc")) == ["Path", "Secure", "HttpOnly", "SameSite"]


def test_http_only_cannot_be_turned_off() -> None:
    """S-14, S-22: there is no way to build a session cookie that a script could read."""
    with pytest.raises(TypeError):
        CookieSpec(http_only=False)  # type: ignore[call-arg]
    assert CookieSpec().http_only is True


def test_default_spec_has_no_faults() -> None:
    """C-20: the default is accepted."""
    assert CookieSpec().faults() == []


@pytest.mark.parametrize(
    "spec",
    [
        CookieSpec(name="next.sid"),
        CookieSpec(name="__Host-Http-session"),
        CookieSpec(name="__Http-session", path="/app"),
        CookieSpec(name="__Secure-session", domain="example.com", path="/app"),
        CookieSpec(name="session", domain="EXAMPLE.co.uk", same_site="strict"),
        CookieSpec(name="session", domain="xn--bcher-kva.example"),
        CookieSpec(same_site="none", partitioned=True),
        CookieSpec(name="s" * (4096 - 70)),
        CookieSpec(name="s", path="/" * 1024),
    ],
    ids=repr,
)
def test_sound_choices_are_accepted(spec: CookieSpec) -> None:
    """S-24, S-27, P-1: name, scope and SameSite are the application's choice where browsers keep the cookie."""
    assert spec.faults() == []


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (CookieSpec(domain="example.com"), "has a domain"),
        (CookieSpec(domain=""), "has a domain"),
        (CookieSpec(path="/app"), "path is not"),
        (CookieSpec(name="__Host-Http-s", domain="example.com"), "has a domain"),
        (CookieSpec(name="__Host-Http-s", path="/app"), "path is not"),
        (CookieSpec(name="__hOsT-s", path="/app"), "path is not"),
        (CookieSpec(name="__HOST-s"), "spells its prefix"),
        (CookieSpec(name="__secure-s"), "spells its prefix"),
        (CookieSpec(name="__Host-"), "only a prefix"),
        (CookieSpec(name="__Host-__Secure-s"), "two prefixes"),
        (CookieSpec(name="__Http-__Host-s"), "two prefixes"),
        (CookieSpec(name=""), "no name"),
        (CookieSpec(name="my session"), "not a token"),
        (CookieSpec(name="a=b"), "not a token"),
        (CookieSpec(name="a;b"), "not a token"),
        (CookieSpec(name="s\r\nX: y"), "not a token"),
        (CookieSpec(name="sid\n"), "not a token"),
        (CookieSpec(name="s\x00"), "not a token"),
        (CookieSpec(name="sítzung"), "not a token"),
        (CookieSpec(name="s" * (4096 - 69)), "would pass 4096"),
        (CookieSpec(name="s", path=""), "does not begin"),
        (CookieSpec(name="s", path="app"), "does not begin"),
        (CookieSpec(name="s", path="/a;Domain=evil.example"), "semicolon"),
        (CookieSpec(name="s", path="/a\r\nSet-Cookie: x=y"), "control character"),
        (CookieSpec(name="s", path="/a\n"), "control character"),
        (CookieSpec(name="s", path="/a\x00"), "control character"),
        (CookieSpec(name="s", path="/a "), "white space"),
        (CookieSpec(name="s", path="/ü"), "non-ASCII"),
        (CookieSpec(name="s", path="/" * 1025), "longer than 1024"),
        (CookieSpec(name="s", domain=""), "the domain"),
        (CookieSpec(name="s", domain=".example.com"), "without leading dot"),
        (CookieSpec(name="s", domain="example.com."), "the domain"),
        (CookieSpec(name="s", domain="com"), "two labels"),
        (CookieSpec(name="s", domain="192.0.2.1"), "leave domain out"),
        (CookieSpec(name="s", domain="[::1]"), "leave domain out"),
        (CookieSpec(name="s", domain="example.com:8000"), "port"),
        (CookieSpec(name="s", domain="https://example.com"), "scheme"),
        (CookieSpec(name="s", domain="bücher.example"), "ASCII"),
        (CookieSpec(name="s", domain="a.example; Path=/"), "the domain"),
        (CookieSpec(name="s", domain="a.example\n"), "the domain"),
        (CookieSpec(name="s", domain="-a.example"), "the domain"),
        (CookieSpec(name="s", domain=f"{'a' * 64}.example"), "the domain"),
        (CookieSpec(name="s", domain=f"{'a.' * 130}example"), "the domain"),
        (CookieSpec(same_site="Lax"), "same_site"),  # type: ignore[arg-type]
    ],
    ids=lambda value: repr(value)[:60],
)
def test_what_a_browser_would_drop_or_widen_is_refused(spec: CookieSpec, says: str) -> None:
    """C-20, C-1, C-2 and the limits of 4.2: each combination is named with its remedy."""
    assert [fault for fault in spec.faults() if says in fault]


def test_all_faults_are_found_at_once() -> None:
    """C-20: whoever mends a configuration reads everything that is wrong with it in one go."""
    spec = CookieSpec(name="__Host-a b", path="app", domain="com", same_site="all")  # type: ignore[arg-type]
    assert len(spec.faults()) == 6


def test_room_for_the_value_is_that_of_a_ticket() -> None:
    """4.2: the name's limit counts the value that tokens really have."""
    assert cookies.TICKET_OCTETS == tokens.TOKEN_LENGTH
    longest = CookieSpec(name="s" * (4096 - tokens.TOKEN_LENGTH))
    assert longest.faults() == []
    assert longest.on(secure=True).write(TICKET)


@pytest.mark.parametrize("prefix", ["__Host-", "__Secure-", "__Http-", "__Host-Http-"])
def test_plain_http_takes_the_prefix_and_secure_off(prefix: str) -> None:
    """Ruling 6: over http on a local host a browser keeps the cookie, which has the name without its prefix."""
    local = CookieSpec(name=f"{prefix}session").on(secure=False)
    assert local.write("abc") == "session=abc; Path=/; HttpOnly; SameSite=Lax"


def test_plain_http_leaves_out_what_needs_secure_or_another_host() -> None:
    """Ruling 6, P-1: SameSite=None and Partitioned need Secure, and a Domain cannot match a local host."""
    spec = CookieSpec(name="s", same_site="none", partitioned=True, domain="example.com", path="/app")
    assert spec.on(secure=False).write("abc") == "s=abc; Path=/app; HttpOnly; SameSite=Lax"
    strict = CookieSpec(name="s", same_site="strict")
    assert strict.on(secure=False).write("abc") == "s=abc; Path=/; HttpOnly; SameSite=Strict"


def test_each_transport_reads_its_own_name_only() -> None:
    """Ruling 6: the https name supplies nothing over http, nor the other way round."""
    header = [b"session=local; __Host-session=secure"]
    assert CookieSpec().on(secure=True).read(header) == "secure"
    assert CookieSpec().on(secure=False).read(header) == "local"
    assert CookieSpec().on(secure=True).read([b"session=local"]) is None
    assert CookieSpec().on(secure=False).read([b"__Host-session=secure"]) is None


def test_a_name_without_prefix_is_the_same_on_both_transports() -> None:
    """S-27: ``next.sid`` stays ``next.sid``."""
    assert {CookieSpec(name="next.sid").on(secure=secure).name for secure in (True, False)} == {"next.sid"}


SAME_SITES: list[SameSite] = ["lax", "strict", "none"]

ALL_SPECS = [
    CookieSpec(name=name, same_site=same_site, path=path, domain=domain, partitioned=partitioned)
    for name, same_site, path, domain, partitioned in itertools.product(
        ["s", "__Host-s", "__Secure-s", "__Http-s", "__Host-Http-s"],
        SAME_SITES,
        ["/", "/app"],
        [None, "example.com"],
        [False, True],
    )
]


@pytest.mark.parametrize("secure", [True, False])
def test_deletion_has_exactly_the_attributes_of_the_cookie(secure: bool) -> None:
    """C-21, P-3: but for Max-Age=0 a deletion equals what set the cookie, in every combination."""
    for spec in ALL_SPECS:
        cookie = spec.on(secure=secure)
        assert cookie.delete() == cookie.write("v", max_age=0).replace("=v;", "=;", 1)
        assert "Max-Age=0" in cookie.delete()


@pytest.mark.parametrize("secure", [True, False])
def test_no_attribute_is_repeated(secure: bool) -> None:
    """C-5, S-22: every attribute stands once, and HttpOnly and SameSite are always there, on deletions too."""
    for spec in ALL_SPECS:
        cookie = spec.on(secure=secure)
        for written in (cookie.write("v"), cookie.write("v", max_age=1), cookie.delete()):
            names = names_of(written)
            assert len(set(names)) == len(names)
            assert {"HttpOnly", "SameSite", "Path"} <= set(names)
            assert ("Secure" in names) is secure


@pytest.mark.parametrize("octet", [*range(0x21), 0x22, 0x2C, 0x3B, 0x5C, *range(0x7F, 0x101), 0x2028, 0xD800])
def test_value_with_a_forbidden_octet_is_refused(octet: int) -> None:
    """C-1, CVE-2026-0672: controls, white space, quote, comma, semicolon, backslash, non-ASCII never get out."""
    for value in (chr(octet), f"a{chr(octet)}", f"{chr(octet)}a", f"a{chr(octet)}b"):
        with pytest.raises(ValueError, match="cannot carry"):
            CookieSpec().on(secure=True).write(value)


def test_every_allowed_octet_is_written() -> None:
    """C-1: the set of RFC 6265bis is accepted whole, not only base64url."""
    allowed = "".join(chr(octet) for octet in range(0x21, 0x7F) if chr(octet) not in '",;\\')
    assert CookieSpec().on(secure=True).write(allowed).startswith(f"{NAME}={allowed};")


def test_errors_never_show_the_value() -> None:
    """Promise 7: a refused value does not reach a log by way of the exception."""
    for value in ("top-secret;", "top-secret" * 500):
        with pytest.raises(ValueError, match=NAME) as caught:
            CookieSpec().on(secure=True).write(value)
        assert "top-secret" not in str(caught.value)


def test_empty_value_is_refused() -> None:
    """C-21: an empty value is what a deletion sends, so a ticket is never empty."""
    with pytest.raises(ValueError, match="empty"):
        CookieSpec().on(secure=True).write("")


def test_name_and_value_stay_below_the_limit_of_browsers() -> None:
    """4.2: 4096 octets are written, one more is an error instead of a user who is silently signed out."""
    cookie = CookieSpec().on(secure=True)
    cookie.write("v" * (4096 - len(NAME)))
    with pytest.raises(ValueError, match="4097"):
        cookie.write("v" * (4097 - len(NAME)))


@pytest.mark.parametrize("max_age", [-1, 34_560_001])
def test_max_age_out_of_range_is_refused(max_age: int) -> None:
    """C-6 and 4.2: Max-Age has digits only and at most 400 days."""
    with pytest.raises(ValueError, match="max_age"):
        CookieSpec().on(secure=True).write("v", max_age=max_age)


@pytest.mark.parametrize(
    ("left", "seconds"),
    [
        (-5000, 0),
        (-1, 0),
        (0, 0),
        (1, 1),
        (999, 1),
        (1000, 1),
        (1001, 2),
        (34_560_000_000, 34_560_000),
        (10**15, 34_560_000),
    ],
)
def test_max_age_is_rounded_up_and_capped(left: int, seconds: int) -> None:
    """Ruling 17: the cookie never dies before the record; browsers cap it at 400 days."""
    now = 1_800_000_000_123
    assert max_age_seconds(now + left, now) == seconds


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (b"__Host-session=abc", "abc"),
        (b"a=1; __Host-session=abc; b=2", "abc"),
        (b"a=1;__Host-session=abc;b=2", "abc"),
        (b"a=1;\t __Host-session=abc \t;b=2", "abc"),
        (b";;; __Host-session=abc;;", "abc"),
        (b"a; __Host-session=abc", "abc"),
        (b"__Host-session=a=b=", "a=b="),
        (b"__Host-session=", ""),
        (b'__Host-session="abc"', '"abc"'),
        (b'__Host-session="a\\073b"', '"a\\073b"'),
        (b"__Host-session=a\\,b", "a\\,b"),
        (b"__Host-session=%41", "%41"),
        (b"__Host-session=\xff\x00\xa0", "\xff\x00\xa0"),
        (b"__Host-session= abc", " abc"),
        (b"x__Host-session=evil; __Host-session=abc", "abc"),
        (b"__HOST-session=evil; __Host-session=abc", "abc"),
        (b"__Host-session2=evil; __Host-session=abc", "abc"),
    ],
)
def test_value_comes_back_verbatim(header: bytes, value: str) -> None:
    """S-13, C-23: only semicolons split and only space and tab are trimmed; nothing is unquoted or unescaped."""
    assert read([header], NAME) == value


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"__Host-session",
        b"=__Host-session=evil",
        b"==__Host-session=evil",
        b"= __Host-session=evil",
        b"\xa0__Host-session=evil",
        b"\x85__Host-session=evil",
        b"\xe2\x80\x80__Host-session=evil",
        b"\xc2\xa0__Host-session=evil",
        b"\x0b__Host-session=evil",
        b"\x0c__Host-session=evil",
        b"\x1c__Host-session=evil",
        b"\x00__Host-session=evil",
        b"\r\n__Host-session=evil",
        b"a=1;\xa0__Host-session=evil",
        b"__Host-session\xa0=evil",
        b"__Host-session\x85=evil",
        b"__Host-session\x00=evil",
        b"__Host-session =evil",
        b"__Host-session\t=evil",
        b"__HOST-session=evil",
        b"__host-session=evil",
        b"__Host-Session=evil",
        b"__Host%2dsession=evil",
        b'"__Host-session"=evil',
        b"__Host-session2=evil",
        b"x__Host-session=evil",
        b"a=__Host-session=evil",
        b"a=1,__Host-session=evil",
        b"a=1&__Host-session=evil",
        b"a=1\n__Host-session=evil",
        b'$Version=1, __Host-session="a, b"',
        b"session=evil",
    ],
)
def test_disguised_name_supplies_nothing(header: bytes) -> None:
    """C-22, CVE-2023-23934: only the exact octets of the name count, at the start of a pair."""
    assert read([header], NAME) is None


def test_old_quoted_syntax_never_yields_the_quoted_text() -> None:
    """C-22: ``$Version=1`` switches no second grammar on; a semicolon splits inside quotes too."""
    assert read([b'$Version=1; __Host-session="a; b"'], NAME) == '"a'
    assert read([b'a="; __Host-session=evil"'], NAME) == 'evil"'
    assert tokens.parse('"a') is tokens.parse('evil"') is None


@pytest.mark.parametrize(
    "headers",
    [
        [b"__Host-session=a; __Host-session=b"],
        [b"__Host-session=a; __Host-session=a"],
        [b"__Host-session=a; x=y; __Host-session="],
        [b"__Host-session=a", b"__Host-session=b"],
        [b"__Host-session=a", b"x=y", b"__Host-session=a"],
        [b"__Host-session=a; __Host-session=b; __Host-session=c"],
    ],
)
def test_repeated_name_is_tampering(headers: list[bytes]) -> None:
    """C-10, P-2: two cookies of our name are never resolved by order, even if they are equal."""
    assert read(headers, NAME) is Unusable.REPEATED


def test_several_cookie_headers_are_read() -> None:
    """C-9: HTTP/2 sends each pair in a header of its own."""
    assert read([b"a=1", b"__Host-session=abc", b"b=2"], NAME) == "abc"
    assert read(iter([b"__Host-session=abc"]), NAME) == "abc"
    assert read([], NAME) is None


@pytest.mark.parametrize("split", [1, 2, 1000])
def test_more_than_64_kib_is_not_looked_into(split: int) -> None:
    """C-23: the bound holds for all headers together, wherever our cookie stands."""
    cookie = b"__Host-session=abc;"
    full = cookie + b"x" * (65_536 - len(cookie))
    size = -(-len(full) // split)
    parts = [full[at : at + size] for at in range(0, len(full), size)]
    assert read(parts, NAME) == "abc"
    assert read([*parts, b"y"], NAME) is Unusable.OVERSIZED


@pytest.mark.parametrize("unit", [b";", b" ", b"__Host-session", b"__Host-session ;", b"=", b'"', b"a=b;", b"\\"])
def test_largest_header_of_any_shape_is_read(unit: bytes) -> None:
    """C-23, CVE-2024-7592: 64 KiB of a pathological shape are an ordinary answer, not an error."""
    body = unit * ((65_536 - 30) // len(unit))
    assert read([body + b";__Host-session=abc"], NAME) == "abc"


def test_cookie_repr_and_equality_are_those_of_its_parts() -> None:
    """Two cookies of one spec are equal, and neither shows more than a name and attributes."""
    assert CookieSpec().on(secure=True) == CookieSpec().on(secure=True)
    assert CookieSpec().on(secure=True) != replace(CookieSpec(), path="/a").on(secure=True)
    assert re.fullmatch(r"Cookie\(name='s', attributes='[^']*'\)", repr(Cookie(name="s", attributes="; Path=/")))
