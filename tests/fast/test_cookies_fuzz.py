"""The cookie writer and reader against Hypothesis, with a second parser as the judge."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from coatcheck.cookies import MAX_AGE_LIMIT, CookieSpec, SameSite, Unusable, max_age_seconds, read

NAME = "__Host-session"

OCTETS = [chr(octet) for octet in range(0x21, 0x7F) if chr(octet) not in '",;\\']
VALUES = st.text(OCTETS, min_size=1, max_size=200)
NAMES = st.text("!#$%&'*+-.^_`|~abcXYZ019", min_size=1, max_size=20)
MAX_AGES = st.none() | st.integers(0, MAX_AGE_LIMIT)

CRUMBS = st.sampled_from(
    [b"__Host-session=", b"__Host-session", b"__host-session=", b"=", b";", b"; ", b" ", b"\t", b"\xa0", b"\x85",
     b"\x00", b"\n", b'"', b"\\", b",", b"abc", b"a=b", b"session=", b"\xe2\x80\x80"]
)  # fmt: skip
HEADERS = st.lists(st.lists(CRUMBS, max_size=12).map(b"".join) | st.binary(max_size=60), max_size=4)

GRAMMAR = re.compile(
    r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+=[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
    r"(; Max-Age=[0-9]{1,8})?; Path=/[\x21-\x3a\x3c-\x7e]*(; Domain=[A-Za-z0-9.-]+)?"
    r"(; Secure)?; HttpOnly; SameSite=(Lax|Strict|None)(; Partitioned)?"
)


def slow_read(headers: Sequence[bytes], name: str) -> str | Unusable | None:
    """Read one octet at a time, as a person with a pencil would; shares no code and no trick with the reader."""
    if sum(map(len, headers)) > 65_536:
        return Unusable.OVERSIZED
    values: list[str] = []
    for header in headers:
        pair: list[int] = []
        for octet in [*header, ord(";")]:
            if octet != ord(";"):
                pair.append(octet)
                continue
            while pair and pair[0] in (0x20, 0x09):
                pair.pop(0)
            while pair and pair[-1] in (0x20, 0x09):
                pair.pop()
            text = "".join(map(chr, pair))
            pair = []
            if "=" in text and text[: text.index("=")] == name:
                values.append(text[text.index("=") + 1 :])
    if len(values) > 1:
        return Unusable.REPEATED
    return values[0] if values else None


@given(headers=HEADERS)
@example(headers=[b"__Host-session=a;__Host-session=a"])
@example(headers=[b"\xa0__Host-session=evil"])
@example(headers=[b"x" * 65_537])
def test_reader_agrees_with_a_slow_one(headers: list[bytes]) -> None:
    """C-9, C-10, C-22, C-23: on any octets the reader raises nothing and says what an independent parser says."""
    assert read(headers, NAME) == slow_read(headers, NAME)


@given(headers=st.lists(st.binary(max_size=300), max_size=5), name=NAMES)
def test_reader_never_raises(headers: list[bytes], name: str) -> None:
    """C-23: whatever a client sends, the answer is a value, a verdict or nothing."""
    assert isinstance(read(headers, name), str | Unusable | None)


@given(
    before=st.binary(min_size=1, max_size=4), after=st.binary(max_size=4), lead=st.sampled_from([b"", b"a=1;", b"; "])
)
def test_disguise_never_supplies_a_value(before: bytes, after: bytes, lead: bytes) -> None:
    """C-22: octets around the name make it another name, unless they are just space, tab or a semicolon."""
    disguised = before + b"__Host-session" + after
    if disguised.rpartition(b";")[2].strip(b" \t").split(b"=")[0] != b"__Host-session":
        assert read([lead + disguised + b"=evil"], NAME) is None


@given(name=NAMES, value=VALUES, max_age=MAX_AGES, others=st.lists(VALUES, max_size=3))
def test_what_is_written_is_read_back(name: str, value: str, max_age: int | None, others: list[str]) -> None:
    """S-13: a browser returns the pair it was given, between other cookies, and the reader finds it unchanged."""
    cookie = CookieSpec(name=name).on(secure=True)
    pair = cookie.write(value, max_age=max_age).partition(";")[0]
    crumbs = [*(f"other.{index}={other}" for index, other in enumerate(others)), pair]
    assert cookie.read(["; ".join(crumbs).encode()]) == value
    assert cookie.read([crumb.encode() for crumb in crumbs]) == value


@given(
    name=NAMES | st.sampled_from(["__Host-s", "__Secure-s", "__Http-s", "__Host-Http-s"]) | st.text(max_size=5),
    same_site=st.sampled_from(["lax", "strict", "none"]),
    path=st.text(max_size=10).map(lambda text: "/" + text) | st.just("/"),
    domain=st.none() | st.text("ab-.1\n;", max_size=10) | st.just("example.com"),
    partitioned=st.booleans(),
    secure=st.booleans(),
    value=VALUES,
    max_age=MAX_AGES,
)
def test_faultless_spec_always_writes_the_grammar(
    *,
    name: str,
    same_site: SameSite,
    path: str,
    domain: str | None,
    partitioned: bool,
    secure: bool,
    value: str,
    max_age: int | None,
) -> None:
    """C-1, C-5, C-7: whatever `faults` lets pass, cookies and deletions match RFC 6265bis, so nothing is injected."""
    spec = CookieSpec(name=name, same_site=same_site, path=path, domain=domain, partitioned=partitioned)
    if not spec.faults():
        cookie = spec.on(secure=secure)
        assert GRAMMAR.fullmatch(cookie.write(value, max_age=max_age))
        assert GRAMMAR.fullmatch(cookie.delete())


@given(value=st.text(max_size=30))
def test_writer_accepts_cookie_octets_and_nothing_else(value: str) -> None:
    """C-1, CVE-2026-3644: a value is written verbatim or refused; nothing is quoted, escaped or cut."""
    try:
        written = CookieSpec().on(secure=True).write(value)
    except ValueError:
        assert not value or set(value) - set(OCTETS)
    else:
        assert written.startswith(f"{NAME}={value}; ")


@given(deadline=st.integers(-(2**53), 2**53), now=st.integers(0, 2**53))
def test_max_age_never_ends_before_the_deadline(deadline: int, now: int) -> None:
    """Ruling 17: rounded up by less than a second, and always a value that the writer takes."""
    seconds = max_age_seconds(deadline, now)
    CookieSpec().on(secure=True).write("v", max_age=seconds)
    if 0 < deadline - now <= MAX_AGE_LIMIT * 1000:
        assert 0 <= seconds * 1000 - (deadline - now) < 1000
