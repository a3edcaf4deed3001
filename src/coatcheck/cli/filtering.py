"""The options that choose sessions, for listing them and for ending them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias, get_args

import typer

from coatcheck.cli.opening import user_id
from coatcheck.durations import to_millis
from coatcheck.model import Millis, Reason
from coatcheck.selection import Selection

WHEN = "WHEN"
_AGO = "a length of time ago, such as 7d, or an ISO date or time"

User: TypeAlias = Annotated[
    str | None, typer.Option("--user", metavar="ID", help="Only this user's.", callback=user_id)
]
Role: TypeAlias = Annotated[str | None, typer.Option("--role", metavar="NAME", help="Only with this role.")]
Browser: TypeAlias = Annotated[
    str | None, typer.Option("--device", metavar="TEXT", help="Only in browsers whose name holds this, in any case.")
]
Address: TypeAlias = Annotated[
    str | None,
    typer.Option("--address", metavar="ADDRESS", help="Only from this address or network, such as 10.0.0.0/8."),
]
CreatedBefore: TypeAlias = Annotated[
    str | None, typer.Option("--created-before", metavar=WHEN, help=f"Only begun before: {_AGO}.")
]
CreatedAfter: TypeAlias = Annotated[
    str | None, typer.Option("--created-after", metavar=WHEN, help="Only begun since then.")
]
SeenBefore: TypeAlias = Annotated[
    str | None, typer.Option("--seen-before", metavar=WHEN, help="Only last seen before then: not seen since.")
]
SeenAfter: TypeAlias = Annotated[str | None, typer.Option("--seen-after", metavar=WHEN, help="Only seen since then.")]
SignedIn: TypeAlias = Annotated[bool, typer.Option("--signed-in", help="Only where somebody is signed in.")]
Anonymous: TypeAlias = Annotated[bool, typer.Option("--anonymous", help="Only where nobody is signed in.")]
Remembered: TypeAlias = Annotated[bool, typer.Option("--remembered", help='Only signed in with "remember me".')]


def chosen(
    now: Millis,
    *,
    user: str | None = None,
    role: str | None = None,
    device: str | None = None,
    address: str | None = None,
    created_before: str | None = None,
    created_after: str | None = None,
    seen_before: str | None = None,
    seen_after: str | None = None,
    signed_in: bool = False,
    anonymous: bool = False,
    remembered: bool = False,
    reason: Reason | None = None,
    ended: bool | None = None,
) -> Selection:
    """Return the selection that the options name at *now*.

    Raises:
        typer.BadParameter: one cannot be read, or two exclude each other.
    """
    if signed_in and anonymous:
        raise typer.BadParameter("--signed-in and --anonymous exclude each other; leave out one")
    try:
        return Selection(
            user_id=user,
            role=role,
            device=device,
            address=address,
            created_before=moment(created_before, now, "--created-before"),
            created_after=moment(created_after, now, "--created-after"),
            seen_before=moment(seen_before, now, "--seen-before"),
            seen_after=moment(seen_after, now, "--seen-after"),
            signed_in=True if signed_in else False if anonymous else None,
            remembered=True if remembered else None,
            reason=reason,
            ended=ended,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def moment(text: str | None, now: Millis, option: str) -> Millis | None:
    """Read a moment: a length of time before *now*, or an ISO date or time, in this machine's zone if it names none.

    Raises:
        typer.BadParameter: it is neither, or it lies after *now*, before which everything was and after which nothing.
    """
    if text is None:
        return None
    try:
        return now - to_millis(text)
    except ValueError:
        pass
    try:
        at = int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(
            f"{text!r} is no moment; write a length of time such as 7d or 12h, which means ago, or a date or time "
            "such as 2026-11-21 or 2026-11-21T09:30",
            param_hint=option,
        ) from None
    if at > now:
        raise typer.BadParameter(
            f"{text!r} lies in the future, where no session was yet; write a moment that is past, such as 7d",
            param_hint=option,
        )
    return at


def reason_of(value: str | None) -> Reason | None:
    """Check the option ``--reason``."""
    for reason in get_args(Reason):
        if value == reason:
            return reason  # type: ignore[no-any-return]
    if value is None:
        return None
    raise typer.BadParameter(f"choose one of {', '.join(get_args(Reason))}")
