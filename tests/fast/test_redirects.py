"""``next`` addresses: this site or the default."""

from __future__ import annotations

from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coatcheck.web.redirects import LONGEST, safe_next


@pytest.mark.parametrize(
    "value",
    [
        "/",
        "/account",
        "/account/",
        "/a/b?tab=2#top",
        "/search?q=a+b&return=https://example.com//x",
        "/go?to=%2Faccount%2F",
        "/docs#//section",
        "/@alice",
        "/caf%C3%A9",
        "/a:b",
        "/a.b/~c;v=1",
        "/" + "a" * (LONGEST - 1),
    ],
)
def test_path_on_this_site_is_kept(value: str) -> None:
    """S-56: a person who had to sign in lands where they were going."""
    assert safe_next(value, "/home") == value


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "account",
        "?next=/",
        "#top",
        "//evil.example",
        "///evil.example",
        "////evil.example",
        "//evil.example/..",
        "/\\evil.example",
        "\\\\evil.example",
        "\\/evil.example",
        "/a\\b",
        "/x?y=\\",
        "/%5cevil.example",
        "/%5Cevil.example",
        "/%255cevil.example",
        "/%2fevil.example",
        "/%2Fevil.example",
        "/%252fevil.example",
        "/%25252Fevil.example",
        "/%09/evil.example",
        "/%2509/evil.example",
        "/\t/evil.example",
        "\t//evil.example",
        "/\n/evil.example",
        "/%0a/evil.example",
        "/.//evil.example",
        "/..//evil.example",
        "/%2e//evil.example",
        "/a//b",
        " /account",
        "/account ",
        "/a b",
        "https:evil.example",
        "https:/evil.example",
        "https://evil.example",
        "HTTPS://evil.example",
        "http://host.evil.example",
        "https://host@evil.example",
        "//host@evil.example",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "/a\r\nSet-Cookie: x=y",
        "/a%0d%0aSet-Cookie:x=y",
        "/a?b=%0d%0aX",
        "/account\n",
        "/a\x00",
        "/a%00",
        "/a\x7f",
        "/a%7f",
        "/a\x85",
        "//bücher.example",
        "/bücher",
        "/\uff0fevil.example",
        "/\u2028",
        "/\ud800",
        "\ufeff/account",
        "/" + "a" * LONGEST,
    ],
)
def test_whatever_could_lead_elsewhere_becomes_the_default(value: str | None) -> None:
    """CVE-2021-23385, CVE-2023-49438: each row of the open-redirect list, and its relatives, is refused whole."""
    assert safe_next(value, "/home") == "/home"


def test_default_is_the_root() -> None:
    """A caller that names no default gets the site's root."""
    assert safe_next("//evil.example") == "/"


PIECES = st.lists(
    st.sampled_from(
        ["/", "\\", "%2f", "%5C", "%25", "%09", "\t", "\n", " ", ":", "@", "?", "#", ".", "evil.example", "https"]
    ),
    max_size=10,
).map("".join)


@given(value=PIECES | st.text(max_size=30))
@example(value="/%252f%255cevil")
def test_kept_address_leads_to_this_site_however_it_is_repaired(value: str) -> None:
    """CVE-2023-49438: an address that is kept names this site for a plain reader, a decoder and a slash-turner."""
    kept = safe_next(value, "/default")
    path = kept.partition("?")[0].partition("#")[0]
    once = unquote(path)
    for variant in (kept, once, unquote(once), once.replace("\\", "/"), once.replace("\t", "")):
        assert not variant.startswith(("//", "/\\"))
        assert urlsplit(urljoin("https://own.example/sign-in", variant)).netloc == "own.example"
