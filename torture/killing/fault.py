"""What breaks, how the store comes back, and how all is mended: the shape of every configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct


class Fault(Struct, frozen=True):
    """Three steps.

    Attributes:
        strike: what breaks; returns when it has.
        recover: waits until the store serves again, by whatever means the configuration has.
        mend: brings back what died, until all is as before.
    """

    strike: Callable[[], object]
    recover: Callable[[], object]
    mend: Callable[[], object] = lambda: None


class Deployment(Struct, frozen=True):
    """A configuration that runs.

    Attributes:
        url: the store's address for the application.
        faults: by name.
        lag: parts the replicas from their primary, so that it acknowledges what nobody else has; ``None`` where there
            are none.
        settle: waits until the replicas have what their primary has by now.
        catch_up: ends *lag*; what the primary had not passed on by then comes only if it still lives.
        save: writes a snapshot now; ``None`` where there are none.
    """

    url: str
    faults: Mapping[str, Fault]
    lag: Callable[[], object] | None = None
    settle: Callable[[], object] = lambda: None
    catch_up: Callable[[], object] = lambda: None
    save: Callable[[], object] | None = None

    @property
    def plain_url(self) -> str:
        """The address for somebody who only looks: without ``confirm``, which wants replicas at start."""
        base, _, options = self.url.partition("?")
        return base if options.startswith("confirm") else self.url
