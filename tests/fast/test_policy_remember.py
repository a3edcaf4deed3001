"""The sentence of a policy and the sign-in that chooses otherwise."""

from __future__ import annotations

from coatcheck import Policy
from coatcheck.policy_words import sentence

UNLESS = "the cookie survives the browser, unless the application signs the visitor in with remember=False"


def test_the_sentence_does_not_promise_what_a_sign_in_can_change() -> None:
    """Ruling 2: where the policy's cookie survives the browser, login(remember=False) makes one that does not."""
    assert UNLESS in sentence(Policy())
    assert "remember=False" not in sentence(Policy.sensitive())
