"""``coatcheck sweep``: remove what has expired, for those whose application does not do it by itself."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from coatcheck.blocking import Sessions
from coatcheck.cli.opening import Json, StoreUrl, Tenant, opened
from coatcheck.cli.output import print_json
from coatcheck.cli.waiting import Wait
from coatcheck.events import Event
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
    """Sweep, and at a terminal count along."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return sessions.sweep()
    with _counting(console) as listener:
        sessions.subscribe(listener)
        return sessions.sweep()


@contextmanager
def _counting(console: Console) -> Generator[Callable[[Event], None]]:
    """Show how many sessions a listener has heard to be removed. How many there will be, nobody knows."""
    columns = (SpinnerColumn(), TextColumn("{task.completed} swept"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("sweep", total=None)

        def listener(event: Event, /) -> None:
            if event.name in _REMOVED:
                progress.advance(task)

        yield listener
