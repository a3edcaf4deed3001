"""``coatcheck sessions revoke``: end one session, a user's, or everybody's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from coatcheck.blocking import Sessions
from coatcheck.cli.opening import Code, Json, StoreUrl, Tenant, leave, opened, session_id, user_id
from coatcheck.cli.output import at_terminal, print_json
from coatcheck.cli.waiting import Wait
from coatcheck.stores.contract import Capability


def revoke(
    id: Annotated[
        str | None, typer.Argument(metavar="ID", help="End this session.", callback=session_id, show_default=False)
    ] = None,
    *,
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="End all sessions of this user.", callback=user_id)
    ] = None,
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="ID", help="All but this one.", callback=session_id)
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="End every session of everybody.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    store: StoreUrl = None,
    tenant: Tenant = "",
    as_json: Json = False,
    wait: Wait = 0,
) -> None:
    """End one session by its id, a user's sessions, or all of them. Their holders are signed out at once.

    Sign-ins under way are refused too: --user those of that user, --all everybody's.
    """
    if [id is not None, user is not None, everybody].count(True) != 1:
        raise typer.BadParameter("say one of ID, --user ID and --all")
    if keep is not None and user is None:
        raise typer.BadParameter("--keep goes with --user")
    with opened(store, tenant, wait) as sessions:
        if id is not None:
            ended = int(sessions.revoke(id))
        elif user is not None:
            ended = _of_user(sessions, user, keep, yes=yes)
        else:
            _confirm(lambda: f"End {_all_of(sessions)} of everybody?", yes=yes)
            ended = sessions.revoke_all()
    _tell(ended, as_json=as_json)


def _of_user(sessions: Sessions, user: str, keep: str | None, *, yes: bool) -> int:
    """End a user's sessions. A *keep* that is not theirs is refused: it would sign out whom it should spare."""
    if keep is not None:
        kept = sessions.get(keep)
        if kept is None or not kept.live or kept.user_id != user:
            raise leave("--keep names no live session of that user; nothing was ended", Code.NOTHING)

    def question() -> str:
        count = len(sessions.list(user)) - (keep is not None)
        return f"End {count} session{'' if count == 1 else 's'} of {user!r}?"

    _confirm(question, yes=yes)
    return sessions.revoke_user(user, keep=keep)


def _all_of(sessions: Sessions) -> str:
    """Say how many sessions there are, where the store can count them."""
    if Capability.BROWSE not in sessions.store.traits.capabilities:
        return "all sessions"
    count = sessions.count()
    return f"all {count} session{'' if count == 1 else 's'}"


def _confirm(question: Callable[[], str], *, yes: bool) -> None:
    """Ask at a terminal; where nobody can be asked, refuse."""
    if yes:
        return
    if not at_terminal():
        raise leave("nobody can be asked here, so nothing was ended; add --yes", Code.NOTHING)
    typer.echo(f"{question()} [y/N] ", err=True, nl=False)  # not typer.confirm: it writes to stdout as well
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise leave("nothing was ended", Code.NOTHING)


def _tell(ended: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"revoked": ended})
    elif ended:
        typer.echo(f"{ended} session{'' if ended == 1 else 's'} ended")
    if not ended:
        raise leave("there was no such live session", Code.NOTHING)
