"""``coatcheck sessions revoke``: end some sessions, a user's, those that the options choose, or everybody's."""

from __future__ import annotations

from typing import Annotated

import typer

from coatcheck.cli import filtering
from coatcheck.cli.opening import Code, Json, StoreUrl, Tenant, leave, opened, session_id, session_ids
from coatcheck.cli.orders import in_words, order
from coatcheck.cli.output import now, print_json
from coatcheck.cli.waiting import Wait


def revoke(
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="End these sessions.", callback=session_ids, show_default=False),
    ] = None,
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
    keep: Annotated[
        str | None,
        typer.Option("--keep", metavar="ID", help="With --user alone: all but this one.", callback=session_id),
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="End every session of everybody.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="End nothing; say how many it would be.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    store: StoreUrl = None,
    tenant: Tenant = "",
    as_json: Json = False,
    wait: Wait = 0,
) -> None:
    """End sessions: some by their ids, those to which all of the options apply, or all. Holders are signed out at once.

    Sign-ins under way are refused too with --user alone (that user's) and with --all (everybody's).
    """
    selection = filtering.chosen(
        now(), user=user, role=role, device=device, address=address, created_before=created_before,
        created_after=created_after, seen_before=seen_before, seen_after=seen_after, signed_in=signed_in,
        anonymous=anonymous, remembered=remembered,
    )  # fmt: skip
    asked = order(ids or [], selection, keep, everybody=everybody)
    with opened(store, tenant, wait) as sessions:
        if dry_run:
            _tell_count(asked.count(sessions), as_json=as_json)
            return
        if asked.asks and not yes:
            asked.ask(sessions)
        ended = asked.carry_out(sessions)
    _tell(ended, as_json=as_json)


def _tell_count(count: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"would_revoke": count})
    elif count:
        typer.echo(f"{in_words(count)} would end; nothing was ended")
    if not count:
        raise leave("there is no such live session", Code.NOTHING)


def _tell(ended: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"revoked": ended})
    elif ended:
        typer.echo(f"{in_words(ended)} ended")
    if not ended:
        raise leave("there was no such live session", Code.NOTHING)
