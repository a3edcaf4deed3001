"""What the library before coatcheck knew of a session, and what reads it: a `Source` for each such library."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from coatcheck.discreet import Discreet
from coatcheck.model import Millis

UserOf: TypeAlias = Callable[[Mapping[str, Any]], str | None]
"""Says from a session's data whose it was; ``None`` for nobody's."""

RolesOf: TypeAlias = Callable[[Mapping[str, Any]], Sequence[str] | Awaitable[Sequence[str] | None] | None]
"""Says from a session's data which roles its user has; ``None`` for the policy's. May be ``async`` under ASGI."""


class LegacyCookie(Struct, frozen=True, kw_only=True):
    """How the other library's cookie is called, and where it was set: browsers delete it only there (C-21)."""

    name: str
    path: str = "/"
    domain: str | None = None
    partitioned: bool = False


class Legacy(Discreet, frozen=True, kw_only=True):
    """A session of the other library that is still good there. Times are milliseconds since the Unix epoch.

    Attributes:
        data: the application's keys.
        issued_at: no later than this was the credential made; ``None`` where nobody knows, which counts as before
            everything.
        expires_at: when the other library would have ended it; ``None`` where it had no such time.
        began_at: when the session itself began, where that is known: the policy's absolute clock runs from here.
        persistent: whether its cookie survived the browser; ``None`` for what the policy says.
    """

    data: Mapping[str, Any]
    issued_at: Millis | None
    expires_at: Millis | None
    began_at: Millis | None = None
    persistent: bool | None = None

    def __repr__(self) -> str:
        """Show the times; the data is the application's."""
        return f"Legacy(issued_at={self.issued_at}, expires_at={self.expires_at})"


class Source(Protocol):
    """What reads one library's sessions. ``async def``, but those for blocking applications never suspend."""

    @property
    def name(self) -> str:
        """The library's name for events; part of what a credential is recognised by, so it never changes."""
        ...

    @property
    def signed(self) -> bool:
        """Whether the cookie is the session itself: then there may be older copies of it that are good as well."""
        ...

    @property
    def suspends(self) -> bool:
        """Whether `read` and `end` need an event loop."""
        ...

    @property
    def user_of(self) -> UserOf | None:
        """Whose a session is by the library's own convention; ``None`` where it has none."""
        ...

    @property
    def roles_of(self) -> RolesOf | None:
        """Which roles its user has by the library's own convention; ``None`` where it has none."""
        ...

    def cookie(self) -> LegacyCookie:
        """Return what its cookie is called."""
        ...

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with how it was made, one sentence each with its remedy."""
        ...

    def identify(self, value: str) -> bytes | None:
        """Return what this credential alone has, the same however it is spelt; ``None`` for what is none.

        Of a signed cookie these are the octets that the signature covers, and it must fit: a signature has several
        spellings. Asks no store.
        """
        ...

    async def read(self, value: str, now: Millis) -> Legacy | None:
        """Return the session behind a credential that `identify` accepted; ``None`` when it is not good any more.

        Nothing is executed by reading: pickle is refused.
        """
        ...

    async def end(self, value: str) -> None:
        """End the session in its library's store; harmless when it is gone. A signed cookie has none."""
        ...
