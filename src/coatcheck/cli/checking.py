"""``coatcheck check``: the nine things that session management must have, judged for one application."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from msgspec import to_builtins
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coatcheck.blocking import Sessions
from coatcheck.cli import application
from coatcheck.cli.application import App, Found, Manager
from coatcheck.cli.asking import Answer, ask
from coatcheck.cli.checklist import Evidence, Item, Page, State, judge
from coatcheck.cli.explaining import facts_of, remark_on
from coatcheck.cli.opening import Code, Json, reporting
from coatcheck.cli.output import clean, print_json
from coatcheck.cli.waiting import Wait
from coatcheck.policy import Policy
from coatcheck.stores.memory import MemoryStore

PAGES: Final = ("SESSIONS.md", "docs/sessions.md")
"""Where the page about sessions is looked for."""

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
    wait: Wait = 0,
) -> None:
    """Judge the nine things that session management must have; exit code 1 if one fails.

    "unseen" means that it cannot be seen from here, and that a person has to look. If nothing fails and the store did
    not answer, the exit code is 3.
    """
    with reporting():
        found = application.find(app)
        answer = Answer() if found.manager is None else ask(found.manager, offline=offline, wait=wait)
        items = judge(_evidence(found, answer, report_file))
    remark_on(found)
    _tell(items, {"app": app, "not_looked_at": found.others}, as_json=as_json)
    if any(item.state is State.FAILED for item in items):
        raise typer.Exit(int(Code.NOTHING))
    if answer.silent is not None:
        raise typer.Exit(int(Code.UNAVAILABLE))


def _tell(items: tuple[Item, ...], head: dict[str, Any], *, as_json: bool) -> None:
    counts = {state.value: sum(item.state is state for item in items) for state in State}
    if as_json:
        print_json({**head, **counts, "items": to_builtins(items)})
    else:
        _print(items)
        typer.echo(", ".join(f"{count} {state}" for state, count in counts.items()))


def _evidence(found: Found, answer: Answer, report_file: Path | None) -> Evidence:
    page, path = _page(found, report_file)
    return Evidence(
        name=found.name,
        policy=found.policy,
        store=None if found.manager is None else found.manager.store.traits,
        answer=answer,
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
            page = place.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        return facts_of(found).state_of(page), str(place)
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
