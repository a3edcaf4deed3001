"""The page about its sessions that a team files: Markdown, for ASVS 7.1.1 to 7.1.3.

What no program can know, reasons and other systems, has a part of its own for the team to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from coatcheck.policy import Policy
from coatcheck.policy_looser import Looser
from coatcheck.policy_mark import NOTHING_ADDED, PageState, marked, short_hash, state_of, teams_part
from coatcheck.policy_values import text_of, words_of
from coatcheck.policy_words import Explanation, explain, limiting, rotating, staying

_NIST: Final = "NIST SP 800-63B-4"
_NIST_SPEAKS_OF: Final = frozenset(
    {"idle_timeout", "absolute_timeout", "remember_idle_timeout", "remember_absolute_timeout"}
    | {"persistent", "allow_remember", "aal"}
)


class Facts(Struct, frozen=True, kw_only=True):
    """What the page is written from.

    Attributes:
        name: what the application is called.
        policy: its policy.
        store: what is known of its store, a sentence each; empty when nothing is.
        shared: whether several processes see the same sessions, ``None`` when the store is not known.
        cookie: names and values of what is known of its cookie; empty when nothing is.
        same_site: the cookie's ``SameSite``, ``None`` when it is not known.
        others: other middlewares with sessions in the application, which the page does not describe.
        dated: the day it was written (ISO 8601).
        versions: names and versions of what it was written with.
    """

    name: str
    policy: Policy
    store: tuple[str, ...] = ()
    shared: bool | None = None
    cookie: tuple[tuple[str, str], ...] = ()
    same_site: str | None = None
    others: tuple[str, ...] = ()
    dated: str
    versions: tuple[tuple[str, str], ...] = ()

    @property
    def fingerprint(self) -> str:
        """Four parts that change with name, policy, store and cookie; ``"-"`` for what is unknown."""
        rows = [(row.name, row.value) for row in explain(self.policy).rows]
        cookie = (self.cookie, self.others) if self.cookie else ()
        parts = (
            self.name,
            repr((rows, self.policy.profile)),
            *(repr(part) if part else "" for part in (self.store, cookie)),
        )
        return " ".join(short_hash(part) if part else "-" for part in parts)

    def state_of(self, page: str) -> PageState:
        """Say whether a page still states what is so, as far as is known here."""
        return state_of(page, self.fingerprint)


def report(facts: Facts, profile: str | None = None, *, added: str = NOTHING_ADDED) -> str:
    """Return the page, with what the team has *added*.

    It is compared with *profile*, or else with the one that the policy was made from.
    """
    said = explain(facts.policy, profile)
    written = ", ".join(f"{name} {version}" for name, version in facts.versions)
    parts = [
        f"# Sessions of {_plain(facts.name)}",
        f"Written on {facts.dated} by `coatcheck policy --report` with {written}.",
        said.sentence,
        *_timeouts(facts.policy, said),
        *_nist(facts.policy),
        *_at_once(facts),
        *_others(facts),
        *_secrets(facts.policy),
        *_storage(facts),
        *_cookie(facts),
        *_endings(facts),
        *_not_covered(facts),
        *_teams(facts.policy, said, added),
        "## All settings",
        _table(("setting", "value", "from"), [(row.name, row.value, row.source) for row in said.rows]),
    ]
    return marked("\n\n".join(parts), facts.fingerprint)


def _timeouts(policy: Policy, said: Explanation) -> Iterator[str]:
    yield "## Timeouts"
    rows = [("signed in", *_clocks(policy, "default"))]
    if policy.allow_remember:
        rows.append(("signed in and remembered", *_clocks(policy, "remember_me")))
    if policy.anonymous:
        rows.append(("not signed in", *_clocks(policy, "default")))
    yield _table(("session", "ends without activity", "ends at last", "cookie"), rows)
    yield (
        "These times are enforced on the server: a cookie that is kept for longer opens nothing. They are compared "
        f"with the profile `{said.profile.name}`: "
        f"{said.profile.summary} Source: {said.profile.source}, read on {said.profile.dated}."
    )
    if said.looser:
        yield f"Looser than `{said.profile.name}`, by the application's choice:"
        yield _looser(said.looser)
    else:
        yield "Nothing is looser than that profile."
    yield f"A visitor who signs in {staying(policy, 'default')}."


def _clocks(policy: Policy, lifetime: str) -> tuple[str, str, str]:
    span = policy.span(lifetime)
    idle = "never" if span.idle is None else f"after {words_of(span.idle)}"
    if policy.on_idle == "lock" and span.idle is not None:
        idle = f"is locked after {words_of(span.idle)}"
    last = "never" if span.absolute is None else f"after {words_of(span.absolute)}"
    survives = policy.persistent or lifetime == "remember_me"
    return idle, last, "survives the browser" if survives else "ends with the browser"


def _beyond_nist(policy: Policy) -> list[Looser]:
    """Return what is looser than the level that the policy claims, of what the publication speaks of.

    It speaks of what happens after the inactivity timeout only for the levels that have one.
    """
    level = policy.aal or 1
    spoken = _NIST_SPEAKS_OF if level == 1 else _NIST_SPEAKS_OF | {"on_idle"}
    return [one for one in explain(policy, f"nist_aal{level}").looser if one.name in spoken]


def _nist(policy: Policy) -> Iterator[str]:
    yield f"### Compared with {_NIST}"
    stated = f"The policy claims assurance level {policy.aal} at most." if policy.aal else (
        "The policy claims no assurance level, so it is compared with level 1."
    )  # fmt: skip
    looser = _beyond_nist(policy)
    if not looser:
        yield f"{stated} Nothing deviates from that level's timeouts."
        return
    yield f"{stated} These settings are looser than that level's profile:"
    yield _looser(looser)


def _looser(looser: Iterable[Looser]) -> str:
    rows = [(one.name, one.value, one.profile, one.why) for one in looser]
    return _table(("setting", "here", "profile", "what it means"), rows)


def _at_once(facts: Facts) -> Iterator[str]:
    yield "## Sessions at once"
    said = _capital(limiting(facts.policy))
    if facts.policy.max_sessions is None:
        yield f"{said}. There is no limit, so nothing happens at it."
        return
    own = " Each process has a store of its own and counts its own sessions only." if facts.shared is False else ""
    yield f"{said}. Within one store this holds for simultaneous sign-ins too: it is enforced in the store's step.{own}"


def _others(facts: Facts) -> Iterator[str]:
    yield "## Other systems that create sessions"
    yield (
        "Sessions begin where this application calls `login()`. If it does so on the word of an identity provider, the "
        "provider's own session lives by the provider's rules: signing out here does not end it, and its end does not "
        "end sessions here."
    )
    if facts.others:
        yield "This page does not describe these, which are in the same application:"
        yield _bullets(_plain(other) for other in facts.others)


def _secrets(policy: Policy) -> Iterator[str]:
    yield "## New secrets"
    yield (
        f"{_capital(rotating(policy))}. Signing in always makes a new session with a new secret, and the old ticket is "
        "dead at once. A change of privilege gives a new secret too. A new secret alone moves no deadline."
    )
    if policy.rotate_ms is not None:
        yield f"An old secret opens the session until the new one was seen, and for {words_of(policy.grace_ms)} after."
    yield "## Remember me"
    if policy.allow_remember:
        remembered = staying(policy, "remember_me")
        yield f"With `login(remember=True)` a visitor {remembered}. The cookie survives the browser."
    else:
        yield "It is refused."


def _storage(facts: Facts) -> Iterator[str]:
    policy = facts.policy
    yield "## Where sessions are kept"
    yield _bullets([
        *(facts.store or ("Where was not stated when this page was written.",)),
        "The cookie holds a public id and a secret of 256 random bits. The store keeps a digest of the secret only.",
        f"A session holds at most {text_of(policy, 'data_limit')} of the application's data.",
        _swept(facts),
        f"What ended is remembered with its reason, without data, for {text_of(policy, 'keep_ended')}.",
    ])  # fmt: skip


def _swept(facts: Facts) -> str:
    every = facts.policy.sweep_ms
    if every is None:
        return "Expired sessions open nothing. Nothing removes them by itself: `coatcheck sweep` has to be run."
    if facts.cookie:
        return f"Expired sessions open nothing, and are removed every {words_of(every)}."
    return (
        f"Expired sessions open nothing. The ASGI middleware removes them every {words_of(every)}; it was not part of "
        "what was looked at, and without it `sweep_if_due()` has to be called, or `coatcheck sweep` run."
    )


def _cookie(facts: Facts) -> Iterator[str]:
    yield "## The cookie"
    yield _table(("", ""), facts.cookie) if facts.cookie else "The middleware was not part of what was looked at."


def _endings(facts: Facts) -> Iterator[str]:
    yield "## What ends a session"
    alone = facts.shared is False
    command = "" if alone else ", `coatcheck sessions revoke`"
    yield _bullets([
        "its user signs out: `logout()`",
        f"somebody ends it: `revoke(id)`, `revoke_where(selection)`{command}",
        "all of a user's sessions are ended, as after a change of password: `revoke_user(user_id)`",
        "everybody's are ended: `revoke_all()`",
        "another sign-in in the same browser replaces it",
        *_by_policy(facts.policy),
    ])  # fmt: skip
    yield (
        "It holds from the moment that the call returns, in every process that uses the same store."
        + (" Here each process has a store of its own, and the others are not told." if alone else "")
        + " `revoke_user` and `revoke_all` also refuse sign-ins whose password was checked before, where "
        "`login(epoch=...)` is used."
    )


def _by_policy(policy: Policy) -> Iterator[str]:
    """Give what ends sessions because the policy says so."""
    spans = [policy.span("default"), *([policy.span("remember_me")] if policy.allow_remember else [])]
    if policy.on_idle == "end" and any(span.idle is not None for span in spans):
        yield "it was not used for as long as the table of timeouts says"
    if any(span.absolute is not None for span in spans):
        yield "its absolute deadline passes"
    if policy.max_sessions is not None and policy.at_limit != "reject":
        yield "a sign-in above the limit pushes it out"
    if policy.on_theft == "end":
        yield "a replaced secret of its comes back: its ticket was copied"


def _not_covered(facts: Facts) -> Iterator[str]:
    yield "## What is not covered"
    site = "" if facts.same_site is None else f" The cookie's `SameSite={facts.same_site.capitalize()}` is one defence."
    yield _bullets([
        "Which pages ask for a signed-in user is the application's code; nothing here proves that they do.",
        f"Forged requests from other sites (CSRF) also need a check of Origin or a token on every change.{site}",
        "A script injected into a page acts as the visitor while the page is open, although it cannot read the cookie.",
        "Whoever controls the visitor's device, or holds a copied ticket before it is replaced, acts as the visitor.",
        "What a crash or a failover of the store may undo depends on the store: see coatcheck's table of guarantees.",
    ])  # fmt: skip


def _teams(policy: Policy, said: Explanation, added: str) -> Iterator[str]:
    yield "## What the team adds"
    names = dict.fromkeys(one.name for one in (*said.looser, *_beyond_nist(policy)))
    deviations = ", ".join(f"`{name}`" for name in names)
    justify = f"why each deviation is accepted, and what makes up for it: {deviations}"
    yield "This page is written from the application, which knows no reasons and no other systems. ASVS also asks for:"
    systems = (
        "every other system that makes sessions for the same users, such as an identity provider, and how lifetimes, "
        "sign-out and signing in again are coordinated with it"
    )
    yield _bullets((
        f"7.1.1: {justify if names else 'nothing deviates above, so there is nothing to justify'}.",
        f"7.1.3: {systems}.",
    ))  # fmt: skip
    yield (
        "That stands here, between two comments in this page's source. It is kept when `coatcheck policy` writes the "
        "same file again, and `coatcheck check` does not judge it."
    )
    yield teams_part(added)


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "\n".join(f"| {' | '.join(_plain(cell) for cell in line)} |" for line in lines)


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def _plain(text: str) -> str:
    """Keep text from outside on its line and in its cell."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
