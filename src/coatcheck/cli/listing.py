"""``coatcheck sessions list`` and ``show``: what there is, without secrets, digests or data."""

from __future__ import annotations

from typing import Annotated

import typer

from coatcheck.blocking import Sessions
from coatcheck.cli.opening import Code, Json, StoreUrl, Tenant, leave, opened, session_id, user_id
from coatcheck.cli.output import print_json, print_session, print_sessions
from coatcheck.manager.listing import PAGE_AT_MOST
from coatcheck.model import SessionInfo


def list_sessions(
    *,
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="Only this user's.", callback=user_id)
    ] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Also those that ended lately.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=PAGE_AT_MOST, help="How many at most.")] = 50,
    after: Annotated[str | None, typer.Option(metavar="CURSOR", help="Go on after an earlier page.")] = None,
    store: StoreUrl = None,
    tenant: Tenant = "",
    as_json: Json = False,
) -> None:
    """List sessions, the newest first."""
    with opened(store, tenant) as sessions:
        try:
            infos, following = _page(sessions, user, ended=ended, limit=limit, after=after)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--after") from None
    if as_json:
        print_json({"sessions": [info.as_json() for info in infos], "next": following})
    elif infos:
        print_sessions(infos)
        if following is not None:
            typer.echo(f"There may be more: --after {following}", err=True)
    if not infos:
        raise leave("there are no such sessions", Code.NOTHING)


def _page(
    sessions: Sessions, user: str | None, *, ended: bool, limit: int, after: str | None
) -> tuple[list[SessionInfo], str | None]:
    """Return up to *limit* sessions and the cursor of the next page.

    A store's page may hold ended sessions that are not wanted. Reading goes on until this one is half full: each
    further page is then at least half as large as the first, so that few of them cross a long row of ended ones.
    """
    infos: list[SessionInfo] = []
    while True:
        page, after = sessions.browse(limit=limit - len(infos), after=after, user_id=user)
        infos += [info for info in page if ended or info.live]
        if after is None or 2 * len(infos) >= limit:
            return infos, after


def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="The session's public id.", callback=session_id)],
    *,
    store: StoreUrl = None,
    tenant: Tenant = "",
    as_json: Json = False,
) -> None:
    """Show one session, live or ended."""
    with opened(store, tenant) as sessions:
        info = sessions.get(id)
    if info is None:
        raise leave("there is no such session", Code.NOTHING)
    if as_json:
        print_json(info.as_json())
    else:
        print_session(info)
