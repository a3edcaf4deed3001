"""CSRF tokens as pure functions: what fits what, and that nothing else does."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck import csrf_tokens
from coatcheck.tokens import Randomness

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
A, B = "0" + "a" * 24 + "A", "0" + "b" * 24 + "A"
VISITOR = "v" * 42 + "A"

BOUND = {
    "session A": csrf_tokens.of_session(A, 0),
    "session A after a change of privilege": csrf_tokens.of_session(A, 1),
    "session A of another tenant": csrf_tokens.of_session(A, 0, tenant="t"),
    "session B": csrf_tokens.of_session(B, 0),
    "visitor": csrf_tokens.of_visitor(VISITOR),
    "visitor whose value is session A's id": csrf_tokens.of_visitor(A),
    "sealed": csrf_tokens.of_sealed(VISITOR),
    "sealed with session A's id": csrf_tokens.of_sealed(A),
}


def counting() -> Randomness:
    """Return a source of bytes that are different each time and the same in every run."""
    calls = iter(range(1 << 30))
    return lambda size: hashlib.shake_128(next(calls).to_bytes(4, "big")).digest(size)


@pytest.mark.parametrize("bound", BOUND.values(), ids=BOUND)
def test_a_token_fits_what_it_was_made_for(bound: bytes) -> None:
    """CS-2: the token of a session, a visitor or a sealed cookie is recognised without anything stored."""
    token = csrf_tokens.make(KEY, bound, counting())

    assert csrf_tokens.check(KEY, bound, token)
    assert not csrf_tokens.check(OTHER_KEY, bound, token)


@pytest.mark.parametrize(("made_for", "shown_for"), list(permutations(BOUND, 2)))
def test_a_token_fits_nothing_else(made_for: str, shown_for: str) -> None:
    """CS-2, CS-3, SM-15, ASVS 9.2.2: of another session, generation, tenant or kind it is refused, for all pairs."""
    token = csrf_tokens.make(KEY, BOUND[made_for], counting())

    assert not csrf_tokens.check(KEY, BOUND[shown_for], token)


def test_the_message_is_prefixed_with_lengths() -> None:
    """CS-2: no two lists of parts give the same message, wherever the border between them is."""
    assert csrf_tokens.of_session("ab", 1, tenant="c") != csrf_tokens.of_session("b", 1, tenant="ca")
    assert csrf_tokens.of_session("a", 11) != csrf_tokens.of_session("a1", 1)
    assert csrf_tokens.of_visitor("ab") != csrf_tokens.of_visitor("b", tenant="a")


def test_the_layout_is_random_and_code() -> None:
    """CS-2: a token is 16 random bytes and HMAC-SHA256, and a page that shows two of them shows no common part."""
    random = counting()
    first, second = (csrf_tokens.make(KEY, BOUND["session A"], random) for _ in range(2))
    raws = [urlsafe_b64decode(token) for token in (first, second)]

    assert {len(first), len(second)} == {csrf_tokens.TOKEN_LENGTH}
    assert [raw[:16] for raw in raws] == [hashlib.shake_128(bytes([0, 0, 0, n])).digest(16) for n in (0, 1)]
    assert raws[0][16:] != raws[1][16:]


def test_every_bit_counts() -> None:
    """ASVS 9.1.1: a token with any bit turned fits no more."""
    token = urlsafe_b64decode(csrf_tokens.make(KEY, BOUND["session A"], counting()))
    for bit in range(len(token) * 8):
        turned = bytearray(token)
        turned[bit // 8] ^= 1 << bit % 8
        assert not csrf_tokens.check(KEY, BOUND["session A"], urlsafe_b64encode(turned).decode())


@pytest.mark.parametrize("change", ["", "=", " ", "\n", "A", "\x00", "é"])
def test_only_the_one_spelling_fits(change: str) -> None:
    """CS-2: padding, white space and further characters make another token, also where a decoder would drop them."""
    token = csrf_tokens.make(KEY, BOUND["session A"], counting())

    assert csrf_tokens.check(KEY, BOUND["session A"], token + change) is (change == "")
    assert csrf_tokens.check(KEY, BOUND["session A"], change + token) is (change == "")
    assert change == "" or not csrf_tokens.check(KEY, BOUND["session A"], change + token[1:])


@given(st.text(max_size=80))
def test_no_text_fits_by_chance(text: str) -> None:
    """CS-4, CS-6: whatever an attacker writes into header and cookie alike, it has no code of ours."""
    assert not csrf_tokens.check(KEY, csrf_tokens.of_visitor(text), text)
    assert not csrf_tokens.check(KEY, BOUND["session A"], text)


def test_a_visitors_value_has_one_shape() -> None:
    """SM-11: what a cookie may hold is 256 random bits in their one spelling."""
    assert csrf_tokens.is_visitor(csrf_tokens.new_visitor(counting()))
    assert not any(map(csrf_tokens.is_visitor, ("", "x", VISITOR + "A", VISITOR[:-1] + "B", VISITOR[:-1] + "=")))


def test_comparison_takes_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """ASVS 11.2.4: codes are compared by ``hmac.compare_digest``."""
    compared: list[tuple[bytes, bytes]] = []
    same = csrf_tokens.hmac.compare_digest
    monkeypatch.setattr(
        csrf_tokens.hmac, "compare_digest", lambda left, right: compared.append((left, right)) or same(left, right)
    )
    csrf_tokens.check(KEY, BOUND["session A"], "A" * csrf_tokens.TOKEN_LENGTH)

    assert [(len(left), len(right)) for left, right in compared] == [(32, 32)]
