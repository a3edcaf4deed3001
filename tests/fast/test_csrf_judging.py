"""May this request change something? The rows of security.md, section 6 and 2.2, through the pure function."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.web.csrf import Csrf, Tokens
from coatcheck.web.csrf_judging import Asked, Rules, Ruling, Step
from coatcheck.web.origins import parse_origins
from tests.fast._csrf_rows import (
    APP,
    CROSS,
    CSRF,
    EVIL,
    FINE,
    OWN,
    PROOF,
    REFUSED,
    SAME,
    TABLE,
    UNPROVEN,
    asked,
    changed,
)

TRUSTED, _ = parse_origins([APP])
RULES = Rules(CSRF, TRUSTED)
ALWAYS = Rules(Csrf(token="always"), TRUSTED)


@pytest.mark.parametrize(("request_", "step"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_table(request_: Asked, step: Step) -> None:
    """G-1 to G-17, CS-7 to CS-14: each row of the study, by its id."""
    assert RULES.judge(request_).step is step


@pytest.mark.parametrize(
    ("request_", "step"),
    [
        pytest.param(asked(**SAME), PROOF, id="ours, with our cookie"),
        pytest.param(asked(origin=APP), PROOF, id="trusted, with our cookie"),
        pytest.param(asked(**SAME, cookie=False), UNPROVEN, id="ours, without"),
        pytest.param(asked(**CROSS), REFUSED, id="another site's"),
        pytest.param(asked("GET", **SAME), FINE, id="safe"),
        pytest.param(asked("GET", **SAME, x_http_method_override="POST"), PROOF, id="overridden"),
        pytest.param(changed(asked("GET", origin=OWN), socket=True), FINE, id="a socket of ours"),
        pytest.param(changed(asked(), tested=True), FINE, id="in a test"),
        pytest.param(changed(asked(**SAME), carrier="bearer"), FINE, id="bearer"),
    ],
)
def test_a_token_on_top(request_: Asked, step: Step) -> None:
    """N-10: ``token="always"`` asks for a token beside what the headers say, never instead of it."""
    assert ALWAYS.judge(request_).step is step


@pytest.mark.parametrize(
    ("request_", "ruling"),
    [
        (asked(**CROSS), Ruling(REFUSED, "cross_site")),
        (asked(origin=EVIL), Ruling(REFUSED, "other_origin")),
        (asked(referer=EVIL), Ruling(REFUSED, "other_referer")),
        (asked(), Ruling(PROOF, "no_origin")),
        (changed(asked(), headers=[(b"referer", OWN.encode())] * 2), Ruling(REFUSED, "repeated_header")),
        (asked("GET"), Ruling(FINE, by_headers=False)),
        (asked(path="/hook"), Ruling(FINE, by_headers=False)),
    ],
)
def test_a_ruling_says_why(request_: Asked, ruling: Ruling) -> None:
    """G-18: the reason is one of a few words, and holds nothing of what the request said."""
    assert RULES.judge(request_) == ruling


def test_a_callback_is_named_by_its_path_alone() -> None:
    """CVE-2025-68481: only the route that was named is judged by what its browser holds, under no other spelling."""
    assert RULES.answers("/sign-in/answer", b"/sign-in/answer")
    assert RULES.begins("/sign-in/begin")
    for path, raw in (("/sign-in/answer/", b""), ("//sign-in/answer", b""), ("/sign-in/answer", b"/sign-in%2fanswer")):
        assert not RULES.answers(path, raw)


HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"sec-fetch-site", b"origin", b"referer", b"upgrade", b"x-http-method-override", b"x-other"]),
        st.one_of(st.binary(max_size=20), st.sampled_from([b"cross-site", b"same-site", b"null", EVIL.encode()])),
    ),
    max_size=5,
)


@given(
    HEADERS,
    st.text(max_size=12),
    st.sampled_from(["POST", "DELETE", "x"]),
    st.booleans(),
    st.sampled_from(["fallback", "always"]),
)
def test_nothing_but_our_own_word_lets_an_act_through(
    headers: list[tuple[bytes, bytes]], path: str, method: str, cookie: bool, token: Tokens
) -> None:
    """G-6, G-8, G-12: with our cookie an unsafe request is refused, or must prove itself, whatever else it says."""
    request = Asked(method=method, path="/" + path, headers=headers, own_origin=OWN, cookie=cookie)
    ruling = Rules(Csrf(token=token)).judge(request)

    ours = {value.strip(b" \t") for name, value in headers if name == b"sec-fetch-site"} & {b"same-origin", b"none"}
    assert ours or ruling.step in (REFUSED, PROOF if cookie else UNPROVEN)


ANY_HEADERS = st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=6)


@given(ANY_HEADERS, st.text(max_size=30), st.binary(max_size=30), st.binary(max_size=60), st.text(max_size=8))
def test_judging_never_raises(
    headers: list[tuple[bytes, bytes]], path: str, raw: bytes, query: bytes, method: str
) -> None:
    """SM-11: whatever octets a request has, there is a ruling."""
    request = Asked(method=method, path=path, raw_path=raw, query=query, headers=headers, own_origin=OWN)
    assert RULES.judge(request).step in Step
