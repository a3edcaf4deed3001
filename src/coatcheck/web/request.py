"""What an HTTP or WebSocket request says that concerns its session, read in one pass over its headers."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from coatcheck.accounts_state import AccountsState
from coatcheck.cookies import Cookie, Unusable
from coatcheck.csrf_tokens import is_visitor
from coatcheck.origin import Carrier
from coatcheck.state import State, Visit
from coatcheck.web.answers import Asked
from coatcheck.web.bearer import read_bearer
from coatcheck.web.caching import RawHeaders
from coatcheck.web.origins import HIDING, SAFE_METHODS, names_a_method
from coatcheck.web.proxies import host_in, is_local
from coatcheck.web.settings import Settings, Transport, test_hosts

_READ: Final = HIDING | {
    b"cookie", b"host", b"user-agent", b"accept", b"x-forwarded-proto", b"forwarded", b"sec-purpose", b"purpose",
    b"authorization",
}  # fmt: skip
"""The headers that every request is read for; a browser sends a dozen others."""

_EVENT_STREAM: Final = b"text/event-stream"


class Request:
    """One request's session side: its cookie, where it came from, and what it may be answered with."""

    __slots__ = (
        "_accept", "_aside", "_hides", "_most_accounts", "cookie", "legacy", "place", "scope", "token", "visit",
    )  # fmt: skip

    def __init__(self, scope: MutableMapping[str, Any], settings: Settings) -> None:
        """Read *scope*; no store is asked."""
        self.scope, self._hides, self._most_accounts = scope, False, settings.accounts
        cookies, credentials = list[bytes](), list[bytes]()
        host = agent = accept = forwarded = purpose = b""
        for name, value in scope["headers"]:
            if name not in _READ:
                continue
            if name == b"cookie":
                cookies.append(value)
            elif name == b"host":
                host = value
            elif name == b"user-agent":
                agent = value
            elif name == b"accept":
                accept = accept + b"," + value if accept else value
            elif name in (b"x-forwarded-proto", b"forwarded"):
                forwarded += value
            elif name in (b"sec-purpose", b"purpose"):
                purpose += value
            elif name == b"authorization":
                credentials.append(value)
            else:
                self._hides = True
        transport = settings.transport(scope, host, forwarded)
        self.place, self.cookie, self._aside, self._accept = transport.place, transport.cookie, transport.aside, accept
        self.token, rejected, carrier, self.legacy = _presented(settings, transport, cookies, credentials)
        may_rotate = carrier == "cookie" and _may_rotate(scope, purpose, accept)
        self.visit = _visit(transport, agent, carrier, rejected, may_rotate, b"prefetch" not in purpose)

    @property
    def method(self) -> str:
        """The request's method; a WebSocket's handshake is a ``GET``."""
        method: str = self.scope.get("method", "GET")
        return method

    @property
    def socket(self) -> bool:
        """Whether the request opens a WebSocket."""
        return bool(self.scope["type"] == "websocket")

    @property
    def may_change(self) -> bool:
        """Whether the request may change something: by its method, or by what asks for another one."""
        if self._hides or self.socket or self.method not in SAFE_METHODS:
            return True
        query: bytes = self.scope.get("query_string", b"")
        return bool(query) and names_a_method(query)

    @property
    def route_path(self) -> str:
        """The path as the application's router sees it: decoded, without ``root_path``."""
        path: str = self.scope["path"]
        root: str = self.scope.get("root_path") or ""
        return path[len(root) :] if root and (path == root or path.startswith(root + "/")) else path

    @property
    def raw_path(self) -> bytes:
        """The path as it was sent; empty where the server does not tell."""
        return self.scope.get("raw_path") or b""

    @property
    def tested(self) -> bool:
        """Whether it came to a host that exists in tests alone."""
        return host_in(self.place.host, test_hosts)

    def octets_of(self, name: bytes) -> list[bytes]:
        """Return the values of a header as they were sent."""
        return [value for field, value in self.scope["headers"] if field == name]

    def values_of(self, name: bytes) -> list[str]:
        """Return the values of a header, one for each time it is there."""
        return [value.decode("latin-1") for field, value in self.scope["headers"] if field == name]

    @property
    def has_form_cookie(self) -> bool:
        """Whether the browser sent the cookie of a visitor's forms, usable or not."""
        return self._aside is not None and self._read(self._aside.form) is not None

    @property
    def has_accounts_cookie(self) -> bool:
        """Whether the browser sent the cookie of its list of accounts, usable or not."""
        listed = None if self._aside is None else self._aside.accounts
        return listed is not None and self._read(listed) is not None

    def form_cookie(self) -> str | None:
        """Return the value of the cookie of a visitor's forms; ``None`` for nothing usable."""
        found = self._aside and self._read(self._aside.form)
        return found if isinstance(found, str) and is_visitor(found) else None

    def callback_cookie(self) -> str | None:
        """Return the ticket for another site's answer; ``None`` for nothing usable."""
        found = self._aside and self._read(self._aside.callback)
        return found if isinstance(found, str) else None

    @property
    def ticket_names(self) -> tuple[str, ...]:
        """The names of the cookies that hold a ticket for as long as a session lasts."""
        listed = None if self._aside is None else self._aside.accounts
        return tuple(cookie.name for cookie in (self.cookie, listed) if cookie is not None)

    def accounts(self) -> AccountsState | None:
        """Return what the browser holds of its list of accounts, ``None`` where there may be only one."""
        if self._most_accounts is None:
            return None
        cookie = None if self._aside is None else self._aside.accounts
        found = None if cookie is None else self._read(cookie)
        if isinstance(found, Unusable):
            return AccountsState(self._most_accounts, rejected=_REJECTED[found])
        return AccountsState(self._most_accounts, found)

    def _read(self, cookie: Cookie) -> str | Unusable | None:
        return cookie.read(value for name, value in self.scope["headers"] if name == b"cookie")

    def settle_aside(self, headers: RawHeaders, state: State) -> RawHeaders:
        """Add the cookies beside the session's, as far as *state* says; none to a bearer's request."""
        if self._aside is None or self.visit.carrier != "cookie":
            return headers
        return self._aside.settle(headers, state, self)

    @property
    def insecure_memory(self) -> bool:
        """Whether the request came to a host that is not this machine, where an in-memory store is out of place."""
        host = self.place.host
        return bool(host) and not is_local(host) and host.partition(":")[0] != "testserver"

    @property
    def asked(self) -> Asked:
        """What decides the form of an answer that coatcheck gives itself."""
        scope = self.scope
        query: bytes = scope.get("query_string", b"")
        root, path = scope.get("root_path") or "", scope["path"]
        whole = path if path.startswith(root) else root + path
        # Some servers leave surrogates of octets that are no UTF-8.
        path = quote(whole, safe="/:@!$&'()*+,;=~-._", errors="replace")
        target = path + ("?" + query.decode("latin-1") if query else "")
        return Asked(self.method, self._accept.decode("latin-1"), target, prefetch=not self.visit.may_renew)


def _visit(  # noqa: PLR0917 - one call a request, and keywords cost
    transport: Transport,
    agent: bytes,
    carrier: Carrier,
    rejected: str | None,
    may_rotate: bool,  # noqa: FBT001 - as above
    may_renew: bool,  # noqa: FBT001 - as above
) -> Visit:
    return Visit(
        address=transport.place.address,
        user_agent=agent.decode("latin-1") if agent else None,
        may_rotate=may_rotate,
        may_renew=may_renew,
        carrier=carrier,
        rejected=rejected,
        insecure=transport.insecure,
    )


def _may_rotate(scope: MutableMapping[str, Any], purpose: bytes, accept: bytes) -> bool:
    """Whether an answer with another ticket would surely reach the browser's jar (ruling 14)."""
    return scope["type"] == "http" and b"prefetch" not in purpose and _EVENT_STREAM not in accept


def _presented(
    settings: Settings, transport: Transport, cookies: Sequence[bytes], credentials: Sequence[bytes]
) -> tuple[str | None, str | None, Carrier, str | None]:
    """Return the ticket that identifies a request, why there is one that was not read, and what carries it.

    And the credential of the library before, where its sessions are being moved.
    """
    if credentials and settings.bearer:
        shown = read_bearer(credentials, insecure=transport.insecure is not None)
        if shown is not None:
            return shown.token, shown.rejected, "bearer", None
    found = transport.cookie.read(cookies) if cookies and transport.cookie else None
    if isinstance(found, Unusable):
        return None, _REJECTED[found], "cookie", None
    token, legacy = (found, None) if settings.legacy is None else settings.legacy.shown(transport, cookies, found)
    return token, None, "cookie", legacy


_REJECTED: Final = {Unusable.REPEATED: "duplicate", Unusable.OVERSIZED: "malformed"}
