"""Which rule decides about a request, and why: the same rulings that requests get, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from coatcheck.durations import in_words
from coatcheck.model import Millis
from coatcheck.web.gate.judging import (
    Allow,
    BadPath,
    Book,
    Case,
    Decision,
    Denied,
    Forbidden,
    Inquiry,
    Ruling,
    SignIn,
    Standing,
    consider,
    decide,
)
from coatcheck.web.gate.paths import WHY
from coatcheck.web.gate.rules import Requirement

_CODES: Final[dict[type[Decision], str]] = {
    Allow: "allow",
    SignIn: "sign_in",
    Forbidden: "role",
    Denied: "deny",
    BadPath: "bad_path",
}


class Looked(Struct, frozen=True):
    """One thing that was looked at, in order.

    Attributes:
        method: the method that the request was taken for.
        what: a rule with its number, or what else there was.
        match: the rule's matchers, empty where it is no rule.
        said: what it says to this request.
        decides: whether it decides.
    """

    method: str
    what: str
    match: str
    said: str
    decides: bool


class Explanation(Struct, frozen=True):
    """What a gate does with one request.

    Attributes:
        method: the request's method.
        path: its path.
        looked: what was looked at; the last of each method decides.
        decision: ``"allow"``, ``"sign_in"``, ``"step_up"``, ``"role"``, ``"deny"`` or ``"bad_path"``.
        outcome: the same as a sentence.
    """

    method: str
    path: str
    looked: tuple[Looked, ...]
    decision: str
    outcome: str

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        looked = [{name: getattr(one, name) for name in one.__struct_fields__} for one in self.looked]
        head = {"method": self.method, "path": self.path, "decision": self.decision, "outcome": self.outcome}
        return {**head, "looked": looked}

    def __str__(self) -> str:
        """Lay it out for people."""
        lines = [f"{self.method} {self.path}"]
        several = len({one.method for one in self.looked}) > 1
        for one in self.looked:
            taken = f"as {one.method}: " if several else ""
            lines.append(f"  {taken}{one.what}{f' ({one.match})' if one.match else ''} {one.said}")
        return "\n".join([*lines, self.outcome])


def explain(book: Book, inquiry: Inquiry, standing: Standing, now: Millis, sign_in_url: str | None) -> Explanation:
    """Say which rule decides about a request and why, for a session such as *standing*."""
    case = consider(book, inquiry)
    decision = decide(case, standing, now)
    return Explanation(
        inquiry.method,
        inquiry.path,
        tuple(line for ruling in case.rulings for line in _looked(ruling)),
        _CODES.get(type(decision), "step_up"),
        _outcome(case, decision, sign_in_url),
    )


def _looked(ruling: Ruling) -> Iterator[Looked]:
    for rule, matches in ruling.passed_over:
        said = f"is for {' and '.join(sorted(rule.methods or ()))} alone" if matches else "does not match the path"
        yield Looked(ruling.method, f"rule {rule.number}", rule.source, said, decides=False)
    source = ruling.rule.source if ruling.rule is not None else ""
    yield Looked(ruling.method, ruling.by, source, f"decides: {in_short(ruling.requirement)}", decides=True)


def in_short(wanted: Requirement) -> str:
    """Return what a requirement asks for, in words."""
    if wanted.denied:
        return "nobody may pass"
    if not wanted.signed_in:
        return "everybody may pass; the session is looked at" if wanted.looks else "everybody may pass"
    parts = ["somebody must be signed in"]
    if wanted.roles:
        parts.append(f"with the role {' or '.join(wanted.roles)}")
    if wanted.max_age is not None:
        parts.append(f"who proved it within {in_words(wanted.max_age)}")
    if wanted.aal is not None:
        parts.append(f"at assurance level {wanted.aal}")
    return ", ".join(parts)


def _outcome(case: Case, decision: Decision, sign_in_url: str | None) -> str:
    if isinstance(decision, BadPath):
        return f"Refused with 400, before any rule is asked: {WHY[decision.why]}."
    if isinstance(decision, Denied):
        return "Refused with 403: no rule is for it."
    if isinstance(decision, SignIn):
        page = f"303 to {sign_in_url} for a page, 401 otherwise" if sign_in_url else "401"
        return f"Refused with {page}: nobody is signed in (reason {decision.reason})."
    if isinstance(decision, Forbidden):
        return f"Refused with 403: whoever is signed in has no role {' or '.join(decision.roles)}."
    if isinstance(decision, Allow):
        return _passes(case, decision)
    wants = [f"within {in_words(decision.max_age)}"] if decision.max_age is not None else []
    wants += [f"at assurance level {decision.aal}"] if decision.aal is not None else []
    return f"Refused with 401: they must prove again who they are, {' and '.join(wants)}."


def _passes(case: Case, decision: Allow) -> str:
    if case.preflight:
        return "Passes without being judged: it is a preflight, which browsers send without credentials."
    if not case.looks:
        return "Passes. The session is not looked at, so that caches may keep the answer."
    if decision.noindex:
        return "Passes. The answer is noindex and no-store."
    return f"Passes. The answer is {'private, no-store' if decision.no_store else 'stored as the handler says'}."
