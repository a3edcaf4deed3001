"""``coatcheck sessions list`` and ``show``: what there is, without secrets, digests or data."""

from __future__ import annotations

from typing import Annotated

import typer

from coatcheck.blocking import Sessions
from coatcheck.cli.opening import Code, Json, StoreUrl, Tenant, leave, opened, session_id, user_id
from coatcheck.cli.output import print_json, print_session, print_sessions
from coatcheck.cli.waiting import Wait
from coatcheck.manager.listing import PAGE_AT_MOST
from coatcheck.model import SessionInfo
from coatcheck.stores.contract import Capability


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
    wait: Wait = 0,
) -> None:
    """List sessions, the newest first."""
    with opened(store, tenant, wait) as sessions:
        try:
            if user is not None and Capability.BROWSE not in sessions.store.traits.capabilities:
                infos, following = _of_user(sessions, user, ended=ended, limit=limit, after=after), None
            else:
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


def _of_user(sessions: Sessions, user: str, *, ended: bool, limit: int, after: str | None) -> list[SessionInfo]:
    """Return a user's sessions, the newest first, from a store that keeps no pages of everybody's.

    Raises:
        ValueError: another page was asked for, and there is but one.
    """
    if after is not None:
        raise ValueError("this store keeps no pages, and lists a user on one page: leave it out")
    infos = sorted(sessions.list(user, ended=ended), key=lambda info: (info.created_at, info.id), reverse=True)
    if len(infos) > limit:
        typer.echo(f"There are more: --limit {min(len(infos), PAGE_AT_MOST)}", err=True)
    return infos[:limit]


def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="The session's public id.", callback=session_id)],
    *,
    store: StoreUrl = None,
    tenant: Tenant = "",
    as_json: Json = False,
    wait: Wait = 0,
) -> None:
    """Show one session, live or ended."""
    with opened(store, tenant, wait) as sessions:
        info = sessions.get(id)
    if info is None:
        raise leave("there is no such session", Code.NOTHING)
    if as_json:
        print_json(info.as_json())
    else:
        print_session(info)
