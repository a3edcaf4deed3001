"""The page about its sessions that a team files: Markdown, without anything left to fill in (ASVS 7.1.1 to 7.1.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final

from msgspec import Struct

from coatcheck.policy import Policy
from coatcheck.policy_looser import Looser
from coatcheck.policy_values import text_of, words_of
from coatcheck.policy_words import Explanation, explain, limiting, rotating, staying

MARK: Final = "coatcheck-policy"
"""What begins the page's last line, which `coatcheck check` compares with the application."""

_NIST: Final = "NIST SP 800-63B-4"


class Facts(Struct, frozen=True, kw_only=True):
    """What the page is written from.

    Attributes:
        name: what the application is called.
        policy: its policy.
        store: what is known of its store, a sentence each; empty when nothing is.
        cookie: names and values of what is known of its cookie; empty when nothing is.
        same_site: the cookie's ``SameSite``, ``None`` when it is not known.
        dated: the day it was written (ISO 8601).
        versions: names and versions of what it was written with.
    """

    name: str
    policy: Policy
    store: tuple[str, ...] = ()
    cookie: tuple[tuple[str, str], ...] = ()
    same_site: str | None = None
    dated: str
    versions: tuple[tuple[str, str], ...] = ()

    @property
    def fingerprint(self) -> str:
        """Three parts that change with what is stated of policy, store and cookie; ``"-"`` for what is unknown."""
        rows = [(row.name, row.value) for row in explain(self.policy).rows]
        parts = (repr((rows, self.policy.profile)), *(repr(part) if part else "" for part in (self.store, self.cookie)))
        return " ".join(sha256(part.encode()).hexdigest()[:12] if part else "-" for part in parts)

    def agrees_with(self, mark: str) -> bool:
        """Whether a page with this fingerprint still states what is so, as far as is known here."""
        ours, theirs = self.fingerprint.split(), mark.split()
        return len(ours) == len(theirs) and all(one in ("-", other) for one, other in zip(ours, theirs, strict=True))


def report(facts: Facts, profile: str | None = None) -> str:
    """Return the page; it is compared with *profile*, or else with the one that the policy was made from."""
    said = explain(facts.policy, profile)
    written = ", ".join(f"{name} {version}" for name, version in facts.versions)
    parts = [
        f"# Sessions of {_plain(facts.name)}",
        f"Written on {facts.dated} by `coatcheck policy --report` with {written}.",
        said.sentence,
        *_timeouts(facts.policy, said),
        *_nist(facts.policy),
        *_at_once(facts.policy),
        *_others(),
        *_secrets(facts.policy),
        *_storage(facts),
        *_cookie(facts),
        *_endings(facts.policy),
        *_not_covered(facts),
        "## All settings",
        _table(("setting", "value", "from"), [(row.name, row.value, row.source) for row in said.rows]),
        f"<!-- {MARK} {facts.fingerprint} -->",
    ]
    return "\n\n".join(parts) + "\n"


def mark_in(page: str) -> str | None:
    """Return the fingerprint that a page ends with, ``None`` when it has none."""
    _, found, rest = page.rpartition(f"<!-- {MARK} ")
    return rest.partition(" -->")[0] if found else None


def _timeouts(policy: Policy, said: Explanation) -> Iterator[str]:
    yield "## Timeouts"
    rows = [("signed in", *_clocks(policy, "default"))]
    if policy.allow_remember:
        rows.append(("signed in and remembered", *_clocks(policy, "remember_me")))
    if policy.anonymous:
        rows.append(("not signed in", *_clocks(policy, "default")))
    yield _table(("session", "ends without activity", "ends at last", "cookie"), rows)
    yield (
        f"Both clocks are enforced on the server. The timeouts follow the profile `{said.profile.name}`: "
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


def _nist(policy: Policy) -> Iterator[str]:
    level = policy.aal or 1
    yield f"### Compared with {_NIST}"
    stated = f"The policy claims assurance level {policy.aal} at most." if policy.aal else (
        "The policy claims no assurance level, so it is compared with level 1."
    )  # fmt: skip
    looser = explain(policy, f"nist_aal{level}").looser
    if not looser:
        yield f"{stated} Nothing deviates from that level's timeouts."
        return
    yield f"{stated} These settings are looser than that level's profile:"
    yield _looser(looser)


def _looser(looser: Iterable[Looser]) -> str:
    rows = [(one.name, one.value, one.profile, one.why) for one in looser]
    return _table(("setting", "here", "profile", "what it means"), rows)


def _at_once(policy: Policy) -> Iterator[str]:
    yield "## Sessions at once"
    yield f"{_capital(limiting(policy))}. " + (
        "There is no limit, so nothing happens at it."
        if policy.max_sessions is None
        else "The limit holds under any number of simultaneous sign-ins: it is enforced in the store's own step."
    )


def _others() -> Iterator[str]:
    yield "## Other systems that create sessions"
    yield (
        "Sessions begin where this application calls `login()`. If it does so on the word of an identity provider, the "
        "provider's own session lives by the provider's rules: signing out here does not end it, and its end does not "
        "end sessions here."
    )


def _secrets(policy: Policy) -> Iterator[str]:
    yield "## New secrets"
    yield (
        f"{_capital(rotating(policy))}. Signing in always makes a new session with a new secret, and the old ticket is "
        "dead at once. A change of privilege gives a new secret too. None of this moves the absolute deadline."
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
    swept = (
        "Nothing sweeps by itself: `coatcheck sweep` has to be run."
        if policy.sweep_ms is None
        else f"Expired sessions open nothing, and are removed every {words_of(policy.sweep_ms)}."
    )
    yield _bullets([
        *(facts.store or ("Where was not stated when this page was written.",)),
        "The cookie holds a public id and a secret of 256 random bits. The store keeps a digest of the secret only.",
        f"A session holds at most {text_of(policy, 'data_limit')} of the application's data.",
        swept,
        f"What ended is remembered with its reason, without data, for {text_of(policy, 'keep_ended')}.",
    ])  # fmt: skip


def _cookie(facts: Facts) -> Iterator[str]:
    yield "## The cookie"
    yield _table(("", ""), facts.cookie) if facts.cookie else "The middleware was not part of what was looked at."


def _endings(policy: Policy) -> Iterator[str]:
    yield "## What ends a session"
    endings = [
        "its user signs out: `logout()`",
        "somebody ends it: `revoke(id)`, `revoke_where(selection)`, or `coatcheck sessions revoke`",
        "all of a user's sessions are ended, as after a change of password: `revoke_user(user_id)`",
        "everybody's are ended: `revoke_all()`",
        "another sign-in in the same browser replaces it",
        "one of the two clocks",
    ]
    if policy.max_sessions is not None and policy.at_limit != "reject":
        endings.append("a sign-in above the limit pushes it out")
    if policy.on_theft == "end":
        endings.append("a replaced secret of its comes back: its ticket was copied")
    yield _bullets(endings)
    yield (
        "It holds from the moment that the call returns, on every worker. `revoke_user` and `revoke_all` also refuse "
        "sign-ins whose password was checked before, where `login(epoch=...)` is used."
    )


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
