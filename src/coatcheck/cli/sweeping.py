"""``coatcheck sweep``: remove what has expired, for those whose application does not do it by itself."""

from __future__ import annotations

import typer

from coatcheck.blocking import Sessions
from coatcheck.cli.opening import Json, StoreUrl, Tenant, opened
from coatcheck.cli.output import print_json
from coatcheck.cli.progress import Tell, progress
from coatcheck.cli.waiting import Wait
from coatcheck.events import Event, Listener
from coatcheck.manager.sweeping import Swept

_REMOVED = frozenset({"session.expired", "session.abandoned"})


def sweep(*, store: StoreUrl = None, tenant: Tenant = "", as_json: Json = False, wait: Wait = 0) -> None:
    """Turn expired sessions into ended ones, and forget those that ended long ago.

    Applications do this by themselves every few minutes unless Policy(sweep_every=None) tells them not to.
    """
    with opened(store, tenant, wait) as sessions:
        swept = _sweep(sessions)
    if as_json:
        print_json({"expired": swept.expired, "abandoned": swept.abandoned, "total": swept.total})
    else:
        typer.echo(f"{swept.total} swept: {swept.expired} past their absolute timeout, {swept.abandoned} idle")


def _sweep(sessions: Sessions) -> Swept:
    """Sweep, and say how far it has come. How many there will be, nobody knows."""
    with progress("swept") as tell:
        sessions.subscribe(_counting(tell))
        return sessions.sweep()


def _counting(tell: Tell) -> Listener:
    """Return a listener that counts removed sessions."""
    removed = 0

    def listener(event: Event, /) -> None:
        nonlocal removed
        if event.name in _REMOVED:
            removed += 1
            tell(removed, removed)

    return listener
