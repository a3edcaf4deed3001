"""``coatcheck migrate``: make and change the tables of a store whose database does not belong to coatcheck alone."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from coatcheck import stores
from coatcheck.cli.opening import Code, StoreUrl, leave, reporting
from coatcheck.cli.waiting import Wait, patiently

_SCHEMES = ("postgresql", "postgres")


def migrate(
    *,
    store: StoreUrl = None,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the steps as one SQL script and connect to nothing.")
    ] = False,
    after: Annotated[
        int, typer.Option(min=0, metavar="STEP", help="With --sql: leave out the steps up to this one.")
    ] = 0,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 says that there is something to do.")
    ] = False,
    wait: Wait = 0,
) -> None:
    """Bring a PostgreSQL store's tables to this release, forward only; safe from many processes at once.

    The role in the URL must own the schema. Give the application a role that may only use the tables.
    """
    if (after and not sql) or (check and sql):
        raise leave("--after goes with --sql, and --check without it", Code.USAGE)
    with reporting():
        url = store if store is not None else stores.url_from_env(os.environ)
        if url.partition(":")[0].lower() not in _SCHEMES:
            stores.check_scheme(url, source="--store")
            typer.echo("this store makes its own tables when it is opened; there is nothing to migrate")
        elif sql:
            _print_script(url, after)
        else:
            patiently(lambda: _migrate(url, check=check), wait)


def _print_script(url: str, after: int) -> None:
    from coatcheck.stores.postgres.migrating import script
    from coatcheck.stores.postgres.options import read_url

    for part in script(read_url(url).schema or "public", after=after):
        typer.echo(part, nl=False)


def _migrate(url: str, *, check: bool) -> None:
    from coatcheck.stores.postgres import migrating

    if check:
        found = migrating.state(url)
        if found.before < found.after:
            raise leave(f"the tables are at step {found.before} of {found.after}; run: coatcheck migrate", Code.NOTHING)
        typer.echo(f"the tables are at step {found.before}; there is nothing to do")
        return
    done = migrating.migrate(url)
    if done.before == done.after:
        typer.echo(f"the tables are at step {done.after}; there was nothing to do")
    else:
        typer.echo(f"migrated from step {done.before} to step {done.after}")
