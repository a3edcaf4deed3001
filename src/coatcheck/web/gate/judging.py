"""Who may pass. Pure: from what a request says, and where a rule asks for it what its session is, to one decision.

Laws:

1. A path with more than one reading is refused before any rule is asked.
2. The first rule that matches path and method decides alone; where none does, the default.
3. A request that asks to be taken for another method is judged as both, and the stricter answer holds.
4. Only a true preflight passes without being judged: ``OPTIONS`` with ``Origin`` and
   ``Access-Control-Request-Method``, which browsers send without credentials (Fetch, CORS-preflight). Anybody else can
   send it too, to a view that answers every method: so its answer leaves without a body, which no browser reads.
5. The session is looked at only where a rule asks for it.
6. The sign-in page is open to everybody and the step-up page to whoever is signed in, whatever the rules say:
   otherwise they would send to themselves for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

from msgspec import Struct

from coatcheck.model import Millis
from coatcheck.web.gate.matcher import Matcher
from coatcheck.web.gate.paths import BadPathReason, why_bad
from coatcheck.web.gate.rules import PUBLIC, Compiled, Requirement
from coatcheck.web.origins import names_a_method

OVERRIDES: Final = frozenset({b"x-http-method-override", b"x-http-method", b"x-method-override"})
"""Headers by which frameworks let a request be taken for one with another method (G-13)."""

_IN_FORMS: Final = frozenset({"PUT", "PATCH", "DELETE"})
_LENGTHS: Final = frozenset(map(len, OVERRIDES | {b"content-type"}))
_MOST_FIELDS: Final = 1000
_MOST_METHODS: Final = 8
_FORMS: Final = (b"application/x-www-form-urlencoded", b"multipart/form-data")


class Inquiry(Struct, frozen=True, kw_only=True):
    """What a request says that a gate needs.

    Attributes:
        method: as it was sent; ``"GET"`` for a WebSocket's handshake.
        path: what the router will see: decoded, below the place where the application is mounted.
        raw_path: as it was sent, where the server says so.
        query: without the question mark.
        headers: raw, names in any case.
    """

    method: str
    path: str
    raw_path: bytes | None = None
    query: bytes = b""
    headers: Sequence[tuple[bytes, bytes]] = ()


class Standing(Struct, frozen=True, kw_only=True):
    """What a session is to a gate.

    Attributes:
        user_id: who is signed in, ``None`` for nobody.
        session_id: the session's public id.
        roles: theirs.
        aal: their assurance level, ``None`` when nobody stated one.
        auth_time: when they last proved who they are, ``None`` when nobody said.
        reason: why nobody is signed in, in the words of `coatcheck.errors.SignInRequired`.
    """

    user_id: str | None = None
    session_id: str | None = None
    roles: tuple[str, ...] = ()
    aal: int | None = None
    auth_time: Millis | None = None
    reason: str = "none"


class BadPath(Struct, frozen=True):
    """The path has more than one reading: 400."""

    why: BadPathReason


class Denied(Struct, frozen=True):
    """No rule is for this path, and the default denies it: 403."""


class SignIn(Struct, frozen=True):
    """Nobody is signed in: 303 to the sign-in page, or 401."""

    reason: str


class Forbidden(Struct, frozen=True):
    """Whoever is signed in has none of these roles: 403."""

    roles: tuple[str, ...]


class StepUp(Struct, frozen=True):
    """Whoever is signed in must prove it again, as the rule asks: 401. ``max_age`` is in milliseconds."""

    max_age: Millis | None
    aal: int | None


class Allow(Struct, frozen=True):
    """The request may go on.

    Attributes:
        standing: for whom, where headers tell it downstream.
        no_store: the answer belongs to whoever is signed in, and no cache may keep it.
        noindex: it belongs in no search engine.
        preflight: nobody was judged for it, and its answer has no body.
    """

    standing: Standing | None = None
    no_store: bool = False
    noindex: bool = False
    preflight: bool = False


Decision: TypeAlias = Allow | SignIn | StepUp | Forbidden | Denied | BadPath


class Ruling(Struct, frozen=True):
    """What decides about a request taken for one method.

    Attributes:
        method: the method, in capitals.
        by: what decides, in words.
        requirement: what it asks for.
        rule: the rule, ``None`` where none decides.
        passed_over: rules that were looked at before, each with whether its path matched.
    """

    method: str
    by: str
    requirement: Requirement
    rule: Compiled | None = None
    passed_over: tuple[tuple[Compiled, bool], ...] = ()


class Case(Struct, frozen=True):
    """What has to be decided about one request: a ruling for each method that it can be taken for.

    Attributes:
        rulings: none where ``bad`` or ``preflight`` already decides.
        bad: why the path is refused.
        preflight: whether it is a true preflight.
    """

    rulings: tuple[Ruling, ...] = ()
    bad: BadPathReason | None = None
    preflight: bool = False

    @property
    def looks(self) -> bool:
        """Whether the session has to be known."""
        return any(ruling.requirement.looks for ruling in self.rulings)


class Book(Struct, frozen=True, kw_only=True):
    """All that a gate goes by, checked.

    Attributes:
        rules: in order.
        default: what becomes of other paths.
        default_word: the same, as it was written.
        pages: name, path and requirement of the pages that no rule may shut (law 6).
        inside: what is judged; everything when there is none.
        outside: what is left out of that.
        form_overrides: whether ``_method`` may come in a form, which nobody has read yet.
    """

    rules: tuple[Compiled, ...]
    default: Requirement
    default_word: str
    pages: tuple[tuple[str, str, Requirement], ...] = ()
    inside: tuple[Matcher, ...] = ()
    outside: tuple[Matcher, ...] = ()
    form_overrides: bool = False


def consider(book: Book, inquiry: Inquiry) -> Case:
    """Say what has to be decided about a request; the session is not needed yet."""
    bad = why_bad(inquiry.path, inquiry.raw_path)
    if bad is not None:
        return Case(bad=bad)
    methods = methods_of(inquiry, form_overrides=book.form_overrides)
    if methods == ("OPTIONS",) and is_preflight(inquiry):
        return Case(preflight=True)
    if len(methods) > _MOST_METHODS:
        methods = _told_apart(book, methods)
    return Case(tuple(ruling_for(book, method, inquiry.path) for method in methods))


def _told_apart(book: Book, methods: Sequence[str]) -> tuple[str, ...]:
    """Return one method for all that no rule names, and those that rules name: a header may hold thousands."""
    named = frozenset(method for rule in book.rules for method in rule.methods or ())
    others = [method for method in methods if method not in named]
    return (*others[:1], *(method for method in methods if method in named))


def is_preflight(inquiry: Inquiry) -> bool:
    """Whether a request is one that a browser asks before the real one, and sends without credentials."""
    names = [name.lower() for name, _ in inquiry.headers]
    return (
        inquiry.method == "OPTIONS"
        and names.count(b"origin") == 1
        and names.count(b"access-control-request-method") == 1
    )


def methods_of(inquiry: Inquiry, *, form_overrides: bool = False) -> tuple[str, ...]:
    """Return each method that something downstream may take the request for, its own first, in capitals.

    Some frameworks make capitals of ``get``; those that do not answer 405 to it.
    """
    found: list[str] = []
    kind = b""
    for name, value in inquiry.headers:
        if len(name) not in _LENGTHS:
            continue
        lowered = name.lower().replace(b"_", b"-")
        if lowered in OVERRIDES:
            found += value.decode("latin-1").split(",")
        elif lowered == b"content-type":
            kind += value.lower()
    if inquiry.query and names_a_method(inquiry.query):
        found += _methods_in(inquiry.query)
    if form_overrides and inquiry.method.upper() == "POST" and any(form in kind for form in _FORMS):
        found += sorted(_IN_FORMS)
    own = inquiry.method.strip().upper()
    return tuple(dict.fromkeys((own, *(method.strip().upper() for method in found if method.strip()))))


def _methods_in(query: bytes) -> Iterable[str]:
    """Return the methods that a query asks for; all of a form's where nobody should read so many fields."""
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return sorted(_IN_FORMS)
    return [value for name, value in pairs if name.lower() == "_method"]


def ruling_for(book: Book, method: str, path: str) -> Ruling:
    """Say what decides about *path* under *method*."""
    plain = path.rstrip("/") or "/"
    for name, page, requirement in book.pages:
        if plain == page:
            return Ruling(method, f"the {name} page, which is open", requirement)
    for left_out in book.outside:
        if left_out.matches(path):
            return Ruling(method, f"skip, which leaves out {left_out.source}", PUBLIC)
    if book.inside and not any(one.matches(path) for one in book.inside):
        return Ruling(method, "the gate's matcher, which leaves it out", PUBLIC)
    passed_over: list[tuple[Compiled, bool]] = []
    for rule in book.rules:
        matches = rule.matches(path)
        if matches and rule.is_for(method):
            return Ruling(method, f"rule {rule.number}", rule.requirement, rule, tuple(passed_over))
        passed_over.append((rule, matches))
    return Ruling(method, f'the default, "{book.default_word}"', book.default, None, tuple(passed_over))


def decide(case: Case, standing: Standing | None, now: Millis) -> Decision:
    """Decide a case.

    Args:
        case: what `consider` returned.
        standing: what the session is; ``None`` only where ``case.looks`` is false.
        now: the time, in milliseconds.
    """
    if case.bad is not None:
        return BadPath(case.bad)
    if case.preflight:
        return Allow(preflight=True)
    decisions = [_decided(ruling.requirement, standing or Standing(), now) for ruling in case.rulings]
    return decisions[0] if len(decisions) == 1 else _strictest(decisions)


_ORDER: Final = (BadPath, Denied, SignIn, Forbidden, StepUp)


def _strictest(decisions: Iterable[Decision]) -> Decision:
    """Return the strictest decision; of several that let pass, all that they ask for."""
    passed = Allow()
    refused: list[Decision] = []
    for decision in decisions:
        if isinstance(decision, Allow):
            passed = Allow(
                decision.standing or passed.standing,
                decision.no_store or passed.no_store,
                decision.noindex or passed.noindex,
            )
        else:
            refused.append(decision)
    return min(refused, key=lambda decision: _ORDER.index(type(decision))) if refused else passed


def _decided(wanted: Requirement, standing: Standing, now: Millis) -> Decision:
    if wanted.denied:
        return Denied()
    signed_in = standing.user_id is not None
    if not wanted.looks or not (wanted.signed_in or signed_in):
        return Allow(None, wanted.noindex, wanted.noindex)
    if not signed_in:
        return SignIn(standing.reason)
    if wanted.roles and not set(wanted.roles) & set(standing.roles):
        return Forbidden(wanted.roles)
    stale = wanted.max_age is not None and (standing.auth_time is None or now - standing.auth_time > wanted.max_age)
    low = wanted.aal is not None and (standing.aal or 0) < wanted.aal
    if stale or low:
        return StepUp(wanted.max_age, wanted.aal)
    return Allow(standing, wanted.noindex or not wanted.may_store, wanted.noindex)
