"""What happened, told to whoever listens.

An event is frozen data with a fixed name. It goes out after the write it tells of, and a listener that fails is logged
and never breaks a request. Events hold public ids and sizes; never a secret, a digest, a datum or a cookie.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeAlias

from msgspec import Struct

from coatcheck.model import Millis

Detail: TypeAlias = str | int | bool | None

EVENTS: Final[dict[str, str]] = {
    "session.created": "A session was made. Details: `by` (`write`, or what made it, such as `login`), `lifetime`, "
    "`left_out` (keys of a moved session that could not be kept).",
    "session.regenerated": "A session got a new secret. Details: `by` (`age`, `privilege` or `roles`).",
    "session.ended": "Somebody ended a session. Details: `reason`, `signed_in`, `had_data`.",
    "session.expired": "The absolute clock ended a session. Details: `signed_in`, `had_data`.",
    "session.abandoned": "The idle clock ended a session. Details: `signed_in`, `had_data`.",
    "session.theft_suspected": "A replaced secret came back after its successor was in use. Details: `ended`.",
    "session.commit_refused": "Changes were not saved. Details: `why` (a `Refusal`, `superseded`, `too_large`).",
    "session.changes_lost": "A snapshot was left, or an answer was gone, with changes nobody saved. Details: `keys`.",
    "session.impersonated": "Somebody began to act for another user. Details: `actor_id`, `from_session`.",
    "session.switched": "A browser went on with another of its accounts. Details: `from_session`.",
    "session.roles_changed": "A user's roles were changed in all their sessions. Details: `sessions`.",
    "session.data_large": "A session's data passed the policy's `data_warning`. Details: `size`, `largest`.",
    "session.record_damaged": "A stored session could not be decoded; its holder is signed out. Details: `why`.",
    "session.record_unreadable": "A newer release wrote this session; it was left as it is. Details: `schema`.",
    "login.refused": "A sign-in was refused. Details: `why` (`stale_epoch` or `limit`).",
    "logout.unconfirmed": "The store did not answer a sign-out; it will be tried again.",
    "logout.confirmed": "A sign-out that the store had not answered went through.",
    "exchange.issued": "A ticket was made that signs a user in once, by an address.",
    "exchange.refused": "An exchange ticket signed nobody in. Details: `why` (`unknown`, `used`, `other_browser` or "
    "`stale`).",
    "cookie.rejected": "A session cookie or bearer token was no ticket. Details: `why` (`malformed`, `duplicate`, "
    "`insecure`, `unknown` or `carrier`: made for another one), `carrier` where it was no cookie.",
    "moving.refused": "A session of the library before was not taken over. Details: `source`, `why` (`unverified`, "
    "`unknown`, `over`, `revoked`, `spent` or `limit`).",
    "csrf.refused": "A request did not show that it came from a page of ours. Details: `reason`, `method`, `path`, "
    "`reported` (nothing was refused, only told).",
    "store.unavailable": "The store did not answer, or did not confirm. Details: `error` (a class), `cause` (words).",
    "store.clock_drift": "This worker's clock and the store's are apart. Details: `millis`.",
}
"""Every event's name and what it means."""


class Event(Struct, frozen=True, kw_only=True):
    """One thing that happened.

    Attributes:
        name: one of `EVENTS`.
        at: when, in milliseconds since the Unix epoch.
        session_id: the public handle it concerns.
        user_id: the user it concerns.
        tenant: the namespace it happened in.
        details: small facts, named for each event in `EVENTS`.
    """

    name: str
    at: Millis
    session_id: str | None = None
    user_id: str | None = None
    tenant: str = ""
    details: Mapping[str, Detail] = {}

    def as_json(self) -> dict[str, Any]:
        """Return plain values, for logs and webhooks."""
        shown = {"event": self.name, "at": self.at, "session_id": self.session_id, "user_id": self.user_id}
        return {**shown, **({"tenant": self.tenant} if self.tenant else {}), **self.details}


class Listener(Protocol):
    """Whoever wants to know. Called after the write, in the thread or task that made it; it must be quick."""

    def __call__(self, event: Event, /) -> None:
        """Take note of *event*; what it raises is logged and otherwise ignored."""
        ...
