"""The demo's gate: who may go where, written in one place and shown at ``/gate``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coatcheck.durations import in_words, to_millis
from coatcheck.web.gate import Gate, Inquiry, Rule, Standing
from coatcheck.web.gate.rules import Default

from .confirming import CONFIRM, FRESH
from .signing import SIGN_IN

OPERATOR: Final = "operator"
"""The role that may see the operator's page, and act for others."""

EDITOR: Final = "editor"
"""The role that may enter the newsroom."""

RULES: Final = (
    Rule("/operator/static/:path*", allow="public"),
    Rule("/operator/:path*", role=OPERATOR),
    Rule("/newsroom/:path*", role=EDITOR),
    Rule("/support/act", methods=["POST"], role=OPERATOR, fresh=FRESH),
    Rule("/support/:path*", role=OPERATOR),
    Rule("/devices/:path*"),
    Rule(["/", "/cart/:path*", "/proof", "/gate"], allow="public", identify=True),
    Rule(["/sign-out", "/clock"], allow="public"),
)
"""The first that matches decides. Public pages that show who is signed in say so with ``identify``. Signing out does
not, because it deletes the cookie also where the session cannot be read."""

DEFAULT: Final[Default] = "signed_in"
"""What no rule names: a page that somebody adds and forgets here is not open to the world."""


def make_gate() -> Gate:
    """Return the gate."""
    return Gate(RULES, default=DEFAULT, sign_in_url=SIGN_IN, step_up_url=CONFIRM)


def paths_of(rule: Rule) -> tuple[str, ...]:
    """Return a rule's matchers, for people."""
    return (rule.match,) if isinstance(rule.match, str) else tuple(rule.match)


def who(rule: Rule) -> str:
    """Say in words whom a rule lets pass."""
    if rule.allow == "public":
        return "Everybody; the page shows who is signed in" if rule.identify else "Everybody"
    named = f"The role {rule.role}" if isinstance(rule.role, str) else "Whoever is signed in"
    if rule.fresh is None:
        return named
    return f"{named}, if the password was given within {in_words(to_millis(rule.fresh))}"


class Door:
    """One method and path, and what the gate says of it to somebody."""

    def __init__(self, gate: Gate, method: str, path: str, *, title: str = "", raw: bytes | None = None) -> None:
        """Name it. *raw* is the path as it was sent, where that is known."""
        self.method, self.path, self.title = method, path, title
        self._gate = gate
        self._inquiry = Inquiry(method=method, path=path, raw_path=raw)

    def judge(self, standing: Standing, now: int) -> dict[str, object]:
        """Return what the page shows: a word, the deciding rule, the gate's own sentence, all that was looked at."""
        told = self._gate.explain(self._inquiry, standing, now)
        word = _WORDS[told.decision]
        looked: Sequence[object] = told.looked
        by = told.looked[-1].what if told.looked else "the address itself"
        facts = {"method": self.method, "path": self.path, "title": self.title, "word": word, "by": by}
        return {**facts, "opens": told.decision == "allow", "outcome": told.outcome, "looked": looked}


_WORDS: Final = {
    "allow": "Opens",
    "sign_in": "Asks to sign in",
    "step_up": "Asks for the password",
    "role": "Refused",
    "deny": "Refused",
    "bad_path": "Refused",
}
