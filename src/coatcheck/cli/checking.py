"""``coatcheck check``: the nine things that session management must have, judged for one application."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Annotated, Final

import typer
from msgspec import to_builtins
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coatcheck.blocking import Sessions
from coatcheck.cli import application
from coatcheck.cli.application import App, Found, Manager
from coatcheck.cli.checklist import Evidence, Item, Page, State, judge
from coatcheck.cli.explaining import facts_of
from coatcheck.cli.opening import Code, Json, reporting
from coatcheck.cli.output import clean, print_json
from coatcheck.errors import ConfigurationError, StoreUnavailable
from coatcheck.policy import Policy
from coatcheck.policy_report import mark_in
from coatcheck.stores.memory import MemoryStore

PAGES: Final = ("SESSIONS.md", "docs/sessions.md")
"""Where the page about sessions is looked for."""

_NO_SERVER: Final = frozenset({"memory", "sqlite"})
_STYLES: Final = {State.PASSED: "green", State.FAILED: "bold red", State.UNSEEN: "yellow"}


def check(
    app: App,
    *,
    report_file: Annotated[
        Path | None,
        typer.Option(
            "--report-file",
            metavar="FILE",
            help=f"The page that `coatcheck policy --report` wrote; else {' or '.join(PAGES)}.",
            show_default=False,
        ),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the store's server anything.")] = False,
    as_json: Json = False,
) -> None:
    """Judge the nine things that session management must have; exit code 1 if one fails.

    "unseen" means that it cannot be seen from here, and that a person has to look.
    """
    with reporting():
        found = application.find(app)
        items = judge(_evidence(found, report_file, offline=offline))
    counts = {state.value: sum(item.state is state for item in items) for state in State}
    if as_json:
        print_json({"app": app, **counts, "items": to_builtins(items)})
    else:
        _print(items)
        typer.echo(", ".join(f"{count} {state}" for state, count in counts.items()))
    if counts[State.FAILED]:
        raise typer.Exit(int(Code.NOTHING))


def _evidence(found: Found, report_file: Path | None, *, offline: bool) -> Evidence:
    faults, unknown = _ask(found.manager, offline=offline) if found.manager is not None else ((), ())
    page, path = _page(found, report_file)
    return Evidence(
        name=found.name,
        policy=found.policy,
        store=None if found.manager is None else found.manager.store.traits,
        faults=faults,
        unknown=unknown,
        cookie=None if found.settings is None else found.settings.options,
        listeners=0 if found.manager is None else _listeners(found.manager),
        new_tickets=makes_new_tickets(found.policy),
        devices=importlib.util.find_spec("ua_parser") is not None,
        page=page,
        page_path=path,
    )


def _listeners(manager: Manager) -> int:
    """Return how many listeners were added to those that everybody has: the log, and the counter where there is one."""
    core = manager._core  # noqa: SLF001 - what was added to a manager is nobody else's business
    return sum(one is not core.counter for one in core.listeners) - 1


def _ask(manager: Manager, *, offline: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Open the store's server and return what is wrong with it, and what it does not tell."""
    name = manager.store.traits.name
    if name in _NO_SERVER:
        return (), ()
    if offline:
        return (), (f"the {name} server was not asked (--offline)",)
    try:
        if isinstance(manager, Sessions):
            with manager:
                warnings = _warnings(manager)
        else:
            warnings = asyncio.run(_opened(manager))
    except (ConfigurationError, StoreUnavailable) as error:
        return (str(error),), ()
    untold = tuple(one for one in warnings if "could not be checked" in one)
    return tuple(one for one in warnings if one not in untold), untold


async def _opened(manager: Manager) -> tuple[str, ...]:
    if isinstance(manager, Sessions):
        return ()
    async with manager:
        return _warnings(manager)


def _warnings(manager: Manager) -> tuple[str, ...]:
    """Return what an open store says may lose sessions; Redis alone has something to say."""
    link = getattr(manager.store, "link", None)
    return tuple(getattr(link, "warnings", ()))


def makes_new_tickets(policy: Policy) -> bool:
    """Sign in twice with one browser, on a store in memory: whether id and secret change and the old ticket is dead."""
    with Sessions(MemoryStore(), policy=policy) as sessions:
        first = sessions.load(None)
        first.login("trial")
        old = sessions.save(first).token
        second = sessions.load(old)
        second.login("trial")
        new = sessions.save(second).token
        return (
            old is not None
            and new is not None
            and old.partition(".")[0] != new.partition(".")[0]
            and old.partition(".")[2] != new.partition(".")[2]
            and not sessions.load(old).signed_in
            and sessions.load(new).signed_in
        )


def _page(found: Found, wanted: Path | None) -> tuple[Page, str]:
    """Return the state of the page about sessions, and where it is or should be."""
    places = [wanted] if wanted is not None else [Path(place) for place in PAGES]
    for place in places:
        try:
            mark = mark_in(place.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
        if mark is None:
            return "by hand", str(place)
        return "current" if facts_of(found).agrees_with(mark) else "outdated", str(place)
    return "missing", str(places[0])


def _print(items: tuple[Item, ...]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for item in items:
        told = Text(f"{item.number}. {item.title}\n", style="bold")
        told.append_text(Text("", style="not bold").append_text(clean(item.finding)))
        if item.line is not None:
            told.append(f"\nto mend: {item.line}", style="not bold")
        table.add_row(Text(item.state.value, style=_STYLES[item.state]), told)
    Console(highlight=False).print(table)
