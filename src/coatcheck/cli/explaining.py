"""``coatcheck policy``: what a visitor gets, in words, and the page about it that a team files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coatcheck.cli import application, facts
from coatcheck.cli.opening import Code, Json, leave, reporting
from coatcheck.cli.output import NARROW, clean, now, print_json
from coatcheck.policy import Policy
from coatcheck.policy_looser import Looser
from coatcheck.policy_mark import NOTHING_ADDED, added_by_hand
from coatcheck.policy_report import Facts, report
from coatcheck.policy_words import Explanation, Setting, explain

WIDE = 100
"""Columns from which every setting takes one line."""


def policy(
    app: Annotated[
        str | None,
        typer.Argument(
            metavar="[APP]",
            help="The application, such as shop.main:app; also an AsyncSessions, a Sessions or a Policy in a module. "
            "Without it the default policy.",
            show_default=False,
        ),
    ] = None,
    *,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Compare with this profile; without APP, explain it.", show_default=False),
    ] = None,
    as_report: Annotated[bool, typer.Option("--report", help="Write the page that a team files, in Markdown.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="With --report: write to this file; what the team added to it is kept.",
            dir_okay=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a visitor gets, every setting with where it comes from, and what is looser than its profile."""
    if (output is not None and not as_report) or (as_report and as_json):
        raise leave("--output goes with --report, and --json without it", Code.USAGE)
    with reporting():
        found = application.find(app) if app is not None else _alone(profile)
        said = explain(found.policy, profile)
        page = report(facts_of(found), profile, added=_added_to(output)) if as_report else ""
    remark_on(found)
    if as_json:
        print_json({"app": app, **said.as_json()})
    elif not as_report:
        _print(said)
    elif output is None:
        typer.echo(page, nl=False)
    else:
        _write(output, page)


def facts_of(found: application.Found) -> Facts:
    """Return what the page is written from."""
    return Facts(
        name=found.name,
        policy=found.policy,
        store=facts.of_store(found),
        shared=None if found.manager is None else found.manager.store.traits.shared,
        others=found.others,
        cookie=facts.of_cookie(found),
        same_site=None if found.settings is None else found.settings.options.same_site,
        dated=datetime.fromtimestamp(now() / 1000, UTC).date().isoformat(),
        versions=facts.versions(),
    )


def remark_on(found: application.Found) -> None:
    """Say what nothing is said of."""
    for other in found.others:
        typer.echo(f"not looked at: {other}; name that application, or its sessions, to look at it", err=True)


def _added_to(path: Path | None) -> str:
    """Return what the team has added to the page that is to be written again."""
    try:
        page = "" if path is None else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return NOTHING_ADDED
    try:
        return added_by_hand(page) or NOTHING_ADDED
    except ValueError as error:
        raise leave(f"{path} was not written, because the team's part would be lost: {error}", Code.USAGE) from None


def _alone(profile: str | None) -> application.Found:
    """Return a policy that no application has."""
    name = profile or "web"
    return application.Found(
        name=f"an application with Policy.from_profile({name!r})", policy=Policy.from_profile(name)
    )


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise leave(f"{path} cannot be written: {error.strerror}", Code.USAGE) from None
    typer.echo(f"written to {path}", err=True)


def _print(said: Explanation) -> None:
    """Print an explanation for people."""
    console = Console(highlight=False)
    console.print(clean(said.sentence))
    console.print()
    if console.width < NARROW:
        for row in said.rows:
            console.print(Text.assemble((row.name, "bold"), f"\n  {_value(row)}"))
    else:
        console.print(_settings(said.rows, wide=console.width >= WIDE))
    console.print()
    if not said.looser:
        console.print(f"Nothing is looser than the profile {said.profile.name}.")
        return
    console.print(f"Looser than the profile {said.profile.name}:")
    for one in said.looser:
        console.print()
        _print_looser(console, one)


def _value(row: Setting) -> str:
    return clean(f"{row.value} ({row.source})").plain


def _settings(rows: tuple[Setting, ...], *, wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("setting", "value", "from"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        source = f"changed, else {row.default}" if row.changed else row.source
        table.add_row(row.name, clean(row.value), clean(source if wide or not row.changed else "changed"))
    return table


def _print_looser(console: Console, one: Looser) -> None:
    console.print(clean(f"  {one.name}: {one.value} instead of {one.profile}"), soft_wrap=False)
    console.print(clean(f"  {one.why}"))
    console.print(clean(f"  write: Policy({one.line})"))
