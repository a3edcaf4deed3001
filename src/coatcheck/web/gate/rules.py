"""What an application writes about its paths, and what is wrong with it: every fault at once, each with its remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias, cast

from msgspec import Struct

from coatcheck.durations import Duration, to_millis
from coatcheck.model import Millis, is_text
from coatcheck.web.gate.matcher import Matcher

Access: TypeAlias = Literal["public", "signed_in"]
"""Who may pass a rule: everybody, or whoever is signed in."""

Default: TypeAlias = Literal["public", "signed_in", "deny"]
"""What becomes of a path that no rule matches."""

_METHOD: Final = re.compile(r"[A-Z]+(?:[-_][A-Z]+)*")


class Rule(Struct, frozen=True):
    """One line of a gate. It decides alone: the first rule that matches path and method does.

    Attributes:
        match: a matcher such as ``"/admin/:path*"``, or several.
        methods: the methods it is for, in capitals; every one when not given. ``GET`` covers ``HEAD``.
        allow: ``"signed_in"``, or ``"public"`` for everybody, whose session is then not even looked at.
        role: a role that the user needs, or several of which any one will do.
        fresh: how long ago the user may have proved who they are, such as ``"5m"`` (ASVS 7.5.1).
        aal: the assurance level that the session needs, 1 to 3 (NIST SP 800-63B).
        identify: with ``allow="public"``: look at the session, and tell what is downstream who is signed in if somebody
            is. The answer then has ``Vary: Cookie``.
        may_store: leave the handler's ``Cache-Control`` as it is, also where the answer was judged for somebody who is
            signed in. Without it such an answer is ``private, no-store``.
    """

    match: str | Sequence[str]
    methods: Sequence[str] | None = None
    allow: Access = "signed_in"
    role: str | Sequence[str] | None = None
    fresh: Duration | None = None
    aal: int | None = None
    identify: bool = False
    may_store: bool = False


class Requirement(Struct, frozen=True):
    """What a request must be, checked and in the units that `coatcheck.web.gate.judging` needs.

    Attributes:
        looks: whether the session has to be known.
        signed_in: whether somebody must be signed in.
        denied: whether nobody may pass.
        roles: any one of these, where there are any; sorted.
        max_age: how long ago the user may have proved who they are.
        aal: the assurance level.
        may_store: whether caches are the handler's business.
        noindex: whether search engines are told to leave the answer out, and caches not to keep it.
    """

    looks: bool = False
    signed_in: bool = False
    denied: bool = False
    roles: tuple[str, ...] = ()
    max_age: Millis | None = None
    aal: int | None = None
    may_store: bool = False
    noindex: bool = False


PUBLIC: Final = Requirement()
SIGNED_IN: Final = Requirement(looks=True, signed_in=True)
DENIED: Final = Requirement(denied=True)
DEFAULTS: Final[dict[str, Requirement]] = {"public": PUBLIC, "signed_in": SIGNED_IN, "deny": DENIED}
SIGN_IN_PAGE: Final = Requirement(looks=True, noindex=True)
"""The sign-in page looks, so that a dead cookie is deleted there, and nobody is ever sent away from it."""
STEP_UP_PAGE: Final = Requirement(looks=True, signed_in=True, noindex=True)


class Compiled(Struct, frozen=True):
    """One rule, checked.

    Attributes:
        number: its place, from 1.
        matchers: any of which has to match.
        methods: ``None`` for all.
        requirement: what it asks for.
    """

    number: int
    matchers: tuple[Matcher, ...]
    methods: frozenset[str] | None
    requirement: Requirement

    @property
    def source(self) -> str:
        """The matchers as they were written."""
        return ", ".join(matcher.source for matcher in self.matchers)

    def is_for(self, method: str) -> bool:
        """Whether the rule is for *method*."""
        return self.methods is None or method in self.methods

    def matches(self, path: str) -> bool:
        """Whether one of the matchers is for *path*."""
        for matcher in self.matchers:  # noqa: SIM110 - asked of every rule in every request; `any` costs twice the time
            if matcher.matches(path):
                return True
        return False


def compile_matchers(sources: object, where: str) -> tuple[tuple[Matcher, ...], list[str]]:
    """Compile one matcher or several; returns them, and one sentence for each that is wrong."""
    given = [sources] if isinstance(sources, str) else sources
    if not isinstance(given, list | tuple) or not given:
        return (), [f'{where}: {sources!r} must be a matcher such as "/admin/:path*", or a list of them']
    matchers: list[Matcher] = []
    faults: list[str] = []
    for source in cast("Sequence[str]", given):
        try:
            matchers.append(Matcher(source))
        except ValueError as fault:
            faults.append(f"{where}: the matcher {source!r} cannot be used: {fault}")
    return tuple(matchers), faults


def compile_rules(rules: object) -> tuple[tuple[Compiled, ...], list[str]]:
    """Check rules; returns them compiled, and one sentence for each fault."""
    if not isinstance(rules, list | tuple):
        return (), [f'the rules must be a list, such as [Rule("/admin/:path*", role="admin")], not {rules!r}']
    compiled: list[Compiled] = []
    faults: list[str] = []
    for number, rule in enumerate(cast("Sequence[Any]", rules), start=1):
        where = f"rule {number}"
        if not isinstance(rule, Rule):
            faults.append(f'{where}: {rule!r} must be a Rule, such as Rule("/admin/:path*", role="admin")')
            continue
        matchers, wrong = compile_matchers(rule.match, where)
        wrong += [f"{where} ({rule.match!r}): {fault}" for fault in _faults(rule)]
        faults += wrong
        if not wrong:
            one = Compiled(number, matchers, _methods(rule), _requirement(rule))
            faults += _unreachable(one, compiled)
            compiled.append(one)
    return tuple(compiled), faults


def _faults(rule: Rule) -> Iterator[str]:
    methods: Any = rule.methods
    if methods is not None and (isinstance(methods, str) or not methods or not all(map(_is_method, methods))):
        yield f'methods={methods!r} must be a list of methods in capitals, such as ["GET", "POST"]'
    if rule.allow not in ("public", "signed_in"):
        yield f'allow={rule.allow!r} is not known; write "public" or "signed_in"'
    roles: Any = _listed(rule.role)
    if rule.role is not None and (not roles or not all(map(_is_role, roles))):
        yield f'role={rule.role!r} must be a role such as "admin", or a list of roles of which one will do'
    if rule.fresh is not None:
        yield from _age_faults(rule.fresh)
    if rule.aal is not None and (isinstance(rule.aal, bool) or rule.aal not in (1, 2, 3)):
        yield f"aal={rule.aal!r} must be 1, 2 or 3 (NIST SP 800-63B)"
    asks = [name for name in ("role", "fresh", "aal") if getattr(rule, name) is not None]
    if rule.allow == "public" and asks:
        yield f'{" and ".join(asks)} cannot be asked of everybody; take out allow="public"'
    if rule.allow == "public" and rule.may_store and not rule.identify:
        yield "may_store says nothing here, because a public rule leaves caching to the handler; take it out"
    if rule.identify and rule.allow != "public":
        yield 'identify says nothing here, because the session is looked at anyway; take it out or write allow="public"'


def _age_faults(fresh: Duration) -> Iterator[str]:
    try:
        age = to_millis(fresh)
    except ValueError as fault:
        yield f"fresh: {fault}"
    else:
        if age < 1000:
            yield f"fresh={fresh!r} is less than a second, so that nobody could pass; write at least 1s"


def _is_method(method: object) -> bool:
    return isinstance(method, str) and _METHOD.fullmatch(method) is not None


def _is_role(role: object) -> bool:
    return isinstance(role, str) and bool(role) and is_text(role)


def _listed(role: str | Sequence[str] | None) -> Sequence[str]:
    return () if role is None else [role] if isinstance(role, str) else role


def _methods(rule: Rule) -> frozenset[str] | None:
    if rule.methods is None:
        return None
    methods = frozenset(rule.methods)
    return methods | {"HEAD"} if "GET" in methods else methods


def _requirement(rule: Rule) -> Requirement:
    return Requirement(
        looks=rule.allow == "signed_in" or rule.identify,
        signed_in=rule.allow == "signed_in",
        roles=tuple(sorted(set(_listed(rule.role)))),
        max_age=None if rule.fresh is None else to_millis(rule.fresh),
        aal=rule.aal,
        may_store=rule.may_store,
    )


def _unreachable(rule: Compiled, before: Sequence[Compiled]) -> Iterator[str]:
    """Say that a rule is never asked, where an earlier one has its matchers, or every path, and its methods."""
    wanted = {matcher.source for matcher in rule.matchers}
    for other in before:
        covers = other.methods is None or (rule.methods is not None and rule.methods <= other.methods)
        known = {matcher.source for matcher in other.matchers}
        if covers and (wanted <= known or any(matcher.everything for matcher in other.matchers)):
            yield (
                f"rule {rule.number} ({rule.source}) is never asked, because rule {other.number} ({other.source}) "
                f"comes before it and matches the same; move it above rule {other.number} or take it out"
            )
            return
