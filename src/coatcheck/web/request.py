"""What an HTTP or WebSocket request says that concerns its session, read in one pass over its headers."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final
from urllib.parse import quote

from coatcheck.cookies import Unusable
from coatcheck.state import Visit
from coatcheck.web.answers import Asked
from coatcheck.web.proxies import is_local
from coatcheck.web.settings import Settings

_EVENT_STREAM: Final = b"text/event-stream"


class Request:
    """One request's session side: its cookie, where it came from, and what it may be answered with."""

    __slots__ = ("_accept", "cookie", "place", "scope", "token", "visit")

    def __init__(self, scope: MutableMapping[str, Any], settings: Settings) -> None:
        """Read *scope*; no store is asked."""
        self.scope = scope
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        cookies: list[bytes] = []
        host = agent = accept = forwarded = purpose = b""
        for name, value in headers:
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
        transport = settings.transport(scope, host, forwarded)
        self.place, self.cookie, self._accept = transport.place, transport.cookie, accept
        found = transport.cookie.read(cookies) if cookies and transport.cookie else None
        self.token = found if isinstance(found, str) else None
        self.visit = Visit(
            address=self.place.address,
            user_agent=agent.decode("latin-1") if agent else None,
            may_rotate=scope["type"] == "http" and b"prefetch" not in purpose and _EVENT_STREAM not in accept,
            rejected=_REJECTED[found] if isinstance(found, Unusable) else None,
            insecure=transport.insecure,
        )

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
        path = quote(scope.get("root_path", "") + scope["path"], safe="/:@!$&'()*+,;=~-._")
        if scope.get("root_path") and scope["path"].startswith(scope["root_path"]):
            path = quote(scope["path"], safe="/:@!$&'()*+,;=~-._")
        target = path + ("?" + query.decode("latin-1") if query else "")
        return Asked(scope.get("method", "GET"), self._accept.decode("latin-1"), target)


_REJECTED: Final = {Unusable.REPEATED: "duplicate", Unusable.OVERSIZED: "malformed"}
