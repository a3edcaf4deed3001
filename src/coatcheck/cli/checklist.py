"""The nine things that session management must have, each judged from what an application is really built of (S-99).

Judging is pure; `coatcheck.cli.checking` gathers the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from coatcheck.cli.asking import Answer
from coatcheck.cli.facts import spec_of
from coatcheck.policy import Policy
from coatcheck.policy_mark import PageState
from coatcheck.policy_values import words_of
from coatcheck.policy_words import AT_LIMIT, explain, rotating
from coatcheck.stores.contract import Capability, Traits
from coatcheck.web.settings import Options

Page: TypeAlias = PageState | Literal["missing"]
"""What is known of the page about sessions."""

MANY: Final = 100
"""Sessions of one user above which a limit is no longer taken for one without a person's word."""

_TIMES: Final = frozenset(
    {"idle_timeout", "absolute_timeout", "remember_idle_timeout", "remember_absolute_timeout"}
    | {"rotate_every", "rotation_grace", "on_idle"}
)


class State(StrEnum):
    """What a judgement says."""

    PASSED = "passed"
    FAILED = "failed"
    UNSEEN = "unseen"
    """It cannot be seen from here; a person has to look."""


class Item(Struct, frozen=True, kw_only=True):
    """One of the nine, judged.

    Attributes:
        number: its place in the list.
        title: what it asks for.
        state: the judgement.
        finding: why, in one line.
        line: what to write or to run, where something has to change.
    """

    number: int
    title: str
    state: State
    finding: str
    line: str | None = None


class Evidence(Struct, frozen=True, kw_only=True):
    """What is known of an application.

    Attributes:
        name: where it was found.
        policy: its policy.
        store: what its store declares; ``None`` when there is no manager to ask.
        answer: what the store said when it was asked.
        cookie: the middleware's options; ``None`` when there is no middleware.
        listeners: how many listeners the application has added.
        new_tickets: whether a trial sign-in made a new id and a new secret, and killed the old one.
        devices: whether browsers are recognised.
        page: the state of the page about its sessions.
        page_path: where that page is, or should be.
    """

    name: str
    policy: Policy
    store: Traits | None = None
    answer: Answer = Answer()
    cookie: Options | None = None
    listeners: int = 0
    new_tickets: bool
    devices: bool
    page: Page
    page_path: str


Verdict: TypeAlias = tuple[State, str, str | None]

_NO_MANAGER: Final = (State.UNSEEN, "there is no manager in what was named, so its store is not known", None)
_NO_MIDDLEWARE: Final = "there is no SessionMiddleware in what was named, so its cookie is not known"


def judge(seen: Evidence) -> tuple[Item, ...]:
    """Return the nine, judged."""
    verdicts: tuple[tuple[str, Verdict], ...] = (
        ("Session storage is chosen for production", _storage(seen)),
        ("Cookie attributes are secure", _cookie(seen)),
        ("Sessions expire and are cleaned up", _expiry(seen)),
        ("Changes are protected against CSRF", _csrf(seen)),
        ("Signing in makes a new session", _regeneration(seen)),
        ("Concurrent sessions are limited", _limit(seen.policy)),
        ("Activity is tracked and monitored", _monitoring(seen)),
        ("Sessions are tested across devices and browsers", _devices(seen)),
        ("Session management is documented for the team", _documentation(seen)),
    )
    return tuple(
        Item(number=number, title=title, state=state, finding=finding, line=line)
        for number, (title, (state, finding, line)) in enumerate(verdicts, start=1)
    )


def _storage(seen: Evidence) -> Verdict:
    if seen.store is None:
        return _NO_MANAGER
    name = seen.store.name
    if not seen.store.persistent:
        why = f"the {name} store loses every session at a restart"
        alone = "" if seen.store.shared else ", and each process has its own"
        return State.FAILED, why + alone, 'AsyncSessions("sqlite:///sessions.db")'
    if seen.answer.faults:
        return State.FAILED, "; ".join(seen.answer.faults), seen.answer.line
    if seen.answer.silent is not None:
        return State.UNSEEN, f"the store did not answer: {seen.answer.silent}", f"coatcheck check {seen.name} --wait"
    if seen.answer.unknown:
        return State.UNSEEN, "; ".join(seen.answer.unknown), None
    where = "survives a restart and is shared by all processes" if seen.store.shared else "survives a restart"
    machine = ", on one machine" if name == "sqlite" else ""
    return State.PASSED, f"the {name} store {where}{machine}", None


def _cookie(seen: Evidence) -> Verdict:
    options = seen.cookie
    if options is None:
        return State.UNSEEN, _NO_MIDDLEWARE, None
    spec = spec_of(options)
    if spec.on(secure=False).name == spec.name:  # on plain http a prefix is taken off
        name = "__Host-" if options.domain is None and options.path == "/" else "__Secure-"
        return (
            State.FAILED,
            f"the name {options.cookie_name!r} has no prefix, so a page on plain http can plant such a cookie",
            f'SessionMiddleware(cookie_name="{name}{options.cookie_name}")',
        )
    if options.allow_http_hosts:
        hosts = ", ".join(options.allow_http_hosts)
        return State.FAILED, f"the cookie travels unencrypted on {hosts}", "leave allow_http_hosts out"
    wide = "" if options.domain is None else f"; every host below {options.domain} is given it"
    same_site = options.same_site.capitalize()
    return State.PASSED, f"{options.cookie_name}, HttpOnly, Secure, SameSite={same_site}{wide}", None


def _expiry(seen: Evidence) -> Verdict:
    policy = seen.policy
    for lifetime, prefix in (("default", ""), ("remember_me", "remember_")):
        if policy.span(lifetime).absolute is None and (policy.allow_remember or not prefix):
            option = f"{prefix}absolute_timeout"
            return State.FAILED, f"{option} is off: a stolen ticket that is used never ends", f'Policy({option}="30d")'
    doubts = [*_longer(policy), *_sweeping(seen)]
    if doubts:
        said, (_, line) = "; ".join(why for why, _ in doubts), doubts[0]
        return State.UNSEEN, f"{_times(policy)}; {said}", line
    every = words_of(policy.sweep_ms or 0)
    return State.PASSED, f"{_times(policy)}; the middleware removes what is over every {every}", None


def _longer(policy: Policy) -> Iterator[tuple[str, str]]:
    """Give what is longer than the profile has it, with what to write instead."""
    longer = [one for one in explain(policy).looser if one.name in _TIMES]
    if longer:
        said = ", ".join(f"{one.name} is {one.value} instead of {one.profile}" for one in longer)
        yield (
            f"looser than the profile {policy.profile}, and whether that is meant a person has to say: {said}",
            f"Policy({', '.join(one.line for one in longer)})",
        )


def _sweeping(seen: Evidence) -> Iterator[tuple[str, str]]:
    """Give why it is not seen that anybody removes what is over, with what to do."""
    line = "coatcheck sweep, from cron"
    if seen.policy.sweep_ms is None:
        yield "the application does not clean up (sweep_every=None), and something else has to", line
    elif seen.cookie is None:
        yield "whether anybody removes them is not seen: the ASGI middleware does it, or sweep_if_due()", line


def _times(policy: Policy) -> str:
    """Say the clocks in numbers."""
    said = f"sessions end {_clocks(policy, 'default')}"
    return f"{said}, remembered ones {_clocks(policy, 'remember_me')}" if policy.allow_remember else said


def _clocks(policy: Policy, lifetime: str) -> str:
    span = policy.span(lifetime)
    idle = [] if span.idle is None else [f"after {words_of(span.idle)} without activity"]
    last = [] if span.absolute is None else [f"after {words_of(span.absolute)} at last"]
    return " and ".join([*idle, *last])


def _csrf(seen: Evidence) -> Verdict:
    if seen.cookie is None:
        return State.UNSEEN, _NO_MIDDLEWARE, None
    if seen.cookie.same_site == "none":
        return (
            State.FAILED,
            "SameSite=None sends the cookie with every request that another site makes",
            'SessionMiddleware(same_site="lax")',
        )
    finding = (
        f"SameSite={seen.cookie.same_site.capitalize()} keeps the cookie off forms that other sites send; whether "
        "changes also check Origin or a token cannot be seen from here, nor whether a GET changes anything"
    )
    return State.UNSEEN, finding, None


def _regeneration(seen: Evidence) -> Verdict:
    if not seen.new_tickets:
        return State.FAILED, "a trial sign-in kept the old ticket alive; please report this", None
    finding = (
        "coatcheck's login(), tried with this policy, made a new id and secret and killed the old; whether your "
        f"sign-in calls it cannot be seen from here; {rotating(seen.policy)}"
    )
    return State.UNSEEN, finding, None


def _limit(policy: Policy) -> Verdict:
    most, line = policy.max_sessions, "Policy(max_sessions=5)"
    if most is None:
        return State.FAILED, "a user may have any number of sessions, because max_sessions is not set", line
    finding = f"at most {most} for a user; one more sign-in {AT_LIMIT[policy.at_limit]}"
    if most > MANY:
        return State.UNSEEN, f"{finding}; whether so many are a limit a person has to say", line
    return State.PASSED, finding, None


def _monitoring(seen: Evidence) -> Verdict:
    if seen.store is None:
        return _NO_MANAGER
    counted = seen.policy.count_ms is not None and Capability.COUNTERS in seen.store.capabilities
    if counted:
        return State.PASSED, "what happens is counted, for coatcheck stats, and the last activity is kept", None
    if seen.listeners:
        return State.PASSED, "the application listens to the events, and the last activity is kept", None
    if seen.policy.count_ms is None:
        return State.FAILED, "nothing is counted and nobody listens", 'Policy(count_every="10s")'
    return State.FAILED, "this store keeps no counts and nobody listens", "AsyncSessions(listeners=[...])"


def _devices(seen: Evidence) -> Verdict:
    if not seen.devices:
        return (
            State.FAILED,
            "browsers are not recognised: lists cannot tell devices apart",
            ('pip install "coatcheck[devices]"'),
        )
    return (
        State.UNSEEN,
        "browsers and systems are recognised; whether your pages were tried in them cannot be seen from here",
        None,
    )


def _documentation(seen: Evidence) -> Verdict:
    line = f"coatcheck policy {seen.name} --report --output {seen.page_path}"
    state, finding = _PAGES[seen.page]
    return state, f"{seen.page_path} {finding}", line if state is State.FAILED or seen.page == "edited" else None


_PAGES: Final[dict[Page, tuple[State, str]]] = {
    "missing": (State.FAILED, "is not there"),
    "another": (State.FAILED, "was written for another application, or under another name"),
    "outdated": (State.FAILED, "was written for other settings"),
    "by hand": (State.UNSEEN, "is there; whether it is still right cannot be seen from here"),
    "edited": (State.UNSEEN, "was changed by hand outside the team's part; whether it is still right cannot be seen"),
    "bare": (State.UNSEEN, "states the settings in force; its part for reasons and other systems is still empty"),
    "current": (
        State.PASSED,
        "states the settings in force, and the team has added its part, which nobody judged here",
    ),
}
