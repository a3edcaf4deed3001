"""``coatcheck sessions list`` and ``show``: what there is, without secrets, digests or data."""

from __future__ import annotations

from typing import Annotated

import typer

from coatcheck.blocking import Sessions
from coatcheck.cli import filtering
from coatcheck.cli.opening import Code, Json, StoreUrl, Tenant, leave, opened, session_id
from coatcheck.cli.output import now, print_json, print_session, print_sessions
from coatcheck.cli.progress import Tell, progress
from coatcheck.cli.waiting import Wait
from coatcheck.manager.listing import PAGE_AT_MOST
from coatcheck.model import SessionInfo
from coatcheck.selection import REASONS, Selection
from coatcheck.stores.contract import Capability


def list_sessions(
    *,
    user: filtering.User = None,
    role: filtering.Role = None,
    device: filtering.Browser = None,
    address: filtering.Address = None,
    created_before: filtering.CreatedBefore = None,
    created_after: filtering.CreatedAfter = None,
    seen_before: filtering.SeenBefore = None,
    seen_after: filtering.SeenAfter = None,
    signed_in: filtering.SignedIn = False,
    anonymous: filtering.Anonymous = False,
    remembered: filtering.Remembered = False,
    ended: Annotated[bool, typer.Option("--ended", help="Also those that ended lately.")] = False,
    reason: Annotated[
        str | None,
        typer.Option(metavar="REASON", help=f"Only those that ended for this: {', '.join(REASONS)}."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=PAGE_AT_MOST, help="How many at most.")] = 50,
    after: Annotated[str | None, typer.Option(metavar="CURSOR", help="Go on after an earlier page.")] = None,
    store: StoreUrl = None,
    tenant: Tenant = "",
    as_json: Json = False,
    wait: Wait = 0,
) -> None:
    """List sessions, the newest first: those to which all of the options apply."""
    selection = filtering.chosen(
        now(), user=user, role=role, device=device, address=address, created_before=created_before,
        created_after=created_after, seen_before=seen_before, seen_after=seen_after, signed_in=signed_in,
        anonymous=anonymous, remembered=remembered, reason=filtering.reason_of(reason),
        ended=None if ended or reason else False,
    )  # fmt: skip
    with opened(store, tenant, wait) as sessions, progress("found") as tell:
        try:
            infos, following = _listed(sessions, selection, limit=limit, after=after, tell=tell)
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


def _listed(
    sessions: Sessions, selection: Selection, *, limit: int, after: str | None, tell: Tell
) -> tuple[list[SessionInfo], str | None]:
    """Return up to *limit* sessions and the cursor of the next page."""
    if selection.user_id is not None and Capability.BROWSE not in sessions.store.traits.capabilities:
        return _of_user(sessions, selection, selection.user_id, limit=limit, after=after), None
    return _page(sessions, selection, limit=limit, after=after, tell=tell)


def _page(
    sessions: Sessions, selection: Selection, *, limit: int, after: str | None, tell: Tell
) -> tuple[list[SessionInfo], str | None]:
    """Return up to *limit* sessions and the cursor of the next page.

    A store's page may hold sessions that are not wanted. Reading goes on, in larger pages, until half of what was
    asked for is there. A page that holds more than there is room for is read again, as large as the room.
    """
    infos: list[SessionInfo] = []
    size, looked = limit, 0
    while True:
        page, following = sessions.browse(limit=size, after=after, user_id=selection.user_id)
        wanted = [info for info in page if selection.matches(info)]
        if len(infos) + len(wanted) > limit:
            size = limit - len(infos)
            continue
        infos, after, looked = infos + wanted, following, looked + len(page)
        tell(looked, len(infos))
        if after is None or 2 * len(infos) >= limit:
            return infos, after
        size = min(2 * size, PAGE_AT_MOST)


def _of_user(
    sessions: Sessions, selection: Selection, user: str, *, limit: int, after: str | None
) -> list[SessionInfo]:
    """Return a user's sessions, the newest first, from a store that keeps no pages of everybody's.

    Raises:
        ValueError: another page was asked for, and there is but one.
    """
    if after is not None:
        raise ValueError("this store keeps no pages, and lists a user on one page: leave it out")
    found = [info for info in sessions.list(user, ended=selection.ended is None) if selection.matches(info)]
    found.sort(key=lambda info: (info.created_at, info.id), reverse=True)
    if len(found) > limit:
        typer.echo(f"There are more: --limit {min(len(found), PAGE_AT_MOST)}", err=True)
    return found[:limit]


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
