"""Reaching the application's store from another process, and turning what goes wrong into exit codes."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import unquote, urlsplit

import typer

from coatcheck import stores, tokens
from coatcheck.blocking import Sessions
from coatcheck.cli.waiting import patiently
from coatcheck.errors import ConfigurationError, StoreUnavailable, Unconfirmed
from coatcheck.manager.credentials import checked_user

StoreUrl: TypeAlias = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="The store, such as sqlite:///sessions.db.")
]
Tenant: TypeAlias = Annotated[str, typer.Option("--tenant", metavar="NAME", help="The namespace to work in.")]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON for programs; times in milliseconds.")]


class Code(IntEnum):
    """What the command's exit codes mean; 0 is done."""

    NOTHING = 1
    USAGE = 2
    UNAVAILABLE = 3


def leave(message: str, code: Code) -> typer.Exit:
    """Say *message* on stderr and return what to raise."""
    typer.echo(message, err=True)
    return typer.Exit(int(code))


@contextmanager
def reporting() -> Generator[None]:
    """Turn what coatcheck raises into words on stderr and an exit code, without a traceback."""
    try:
        yield
    except ConfigurationError as error:
        raise leave("\n".join(error.faults), Code.USAGE) from None
    except Unconfirmed as error:
        raise leave(f"done, but not confirmed: {error}. Run it again: it waits again", Code.UNAVAILABLE) from None
    except StoreUnavailable as error:
        raise leave(f"the store did not answer: {error}", Code.UNAVAILABLE) from None


@contextmanager
def opened(store: str | None, tenant: str, wait: float = 0) -> Generator[Sessions]:
    """Open the application's store for one command, waiting *wait* seconds for it, and close it."""
    with reporting():
        if store is None:
            url = stores.url_from_env(os.environ)
        else:
            url = store
            stores.check_scheme(url, source="--store")
        sessions = Sessions(url, tenant=tenant)
        _refuse_what_is_not_there(url)
        patiently(sessions.open, wait)
        try:
            yield sessions
        finally:
            sessions.close()


def _refuse_what_is_not_there(url: str) -> None:
    """Refuse a store in which this process could see nothing.

    Raises:
        ConfigurationError: with the remedy.
    """
    scheme = url.partition(":")[0]
    if scheme == "memory":
        raise ConfigurationError(
            "memory:// keeps sessions inside the application's own process, so there is nothing to see from here; "
            "give the application a store that processes share, such as sqlite:///sessions.db"
        )
    if scheme == "sqlite":
        path = Path(unquote(urlsplit(url).path)[1:])
        if not path.is_file():
            raise ConfigurationError(
                f"there is no file {str(path)!r} here, and looking at sessions does not make one; name the "
                f"application's store with --store sqlite:///... or with {stores.VARIABLES[0]}"
            )


def user_id(value: str | None) -> str | None:
    """Check the option ``--user``."""
    if value is not None:
        try:
            checked_user(value)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    return value


def session_id(value: str | None) -> str | None:
    """Check a session's id. A mistaken value is never repeated: it might be a whole ticket."""
    if value is None or tokens.is_id(value):
        return value
    if tokens.parse(value) is not None:
        raise typer.BadParameter(
            "this is a whole cookie, secret included; the id is what stands before the dot. The secret is in your "
            "shell's history now: revoke that session"
        )
    raise typer.BadParameter("this is not a session id; `coatcheck sessions list` shows ids, 26 characters long")


def session_ids(values: list[str] | None) -> list[str] | None:
    """Check several, as `session_id` does."""
    for value in values or ():
        session_id(value)
    return values
