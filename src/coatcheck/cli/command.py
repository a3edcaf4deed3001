"""The command as a whole: its groups, its options, and what its exit codes mean."""

from __future__ import annotations

from typing import Annotated

import typer

from coatcheck import __version__
from coatcheck.cli import checking, completion, demo, explaining, gating, listing, migrating, revoking, stats, sweeping
from coatcheck.cli.waiting import Patient
from coatcheck.stores import VARIABLES

EPILOG = (
    "Exit codes: 0 done; 1 nothing matched, nobody agreed to it, or a check failed; 2 wrong usage or "
    "configuration; 3 the store did not answer, or too few replicas confirmed. "
    f"Without --store the URL comes from {', '.join(VARIABLES)}, whichever is set first, and else is the SQLite file "
    "sessions.db in this directory."
)

# Typer's own tracebacks show local variables, and a local variable may hold a secret.
app = typer.Typer(
    name="coatcheck",
    cls=Patient,
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
sessions = typer.Typer(no_args_is_help=True)
app.add_typer(sessions, name="sessions", help="Look at sessions and end them.")

gate = typer.Typer(no_args_is_help=True)
app.add_typer(gate, name="gate", help="Understand who may reach which path.")

app.command("demo")(demo.serve)
app.command("check")(checking.check)
app.command("policy")(explaining.policy)
app.command("stats")(stats.stats)
app.command("sweep")(sweeping.sweep)
app.command("migrate")(migrating.migrate)
app.command("completion")(completion.completion)
gate.command("explain")(gating.explain)
sessions.command("list")(listing.list_sessions)
sessions.command("show")(listing.show)
sessions.command("revoke")(revoking.revoke)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"coatcheck {__version__}")
        raise typer.Exit


@app.callback()
def coatcheck(
    *,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Session management for web applications: look at sessions, end them, explain and check a deployment, sweep."""
