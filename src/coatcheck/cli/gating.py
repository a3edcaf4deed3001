"""``coatcheck gate explain``: which rule of an application's gate decides about a request, and why."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import unquote

import typer
from rich.console import Console
from rich.text import Text

from coatcheck.cli import application
from coatcheck.cli.explaining import remark_on
from coatcheck.cli.opening import Code, Json, leave, reporting
from coatcheck.cli.output import clean, now, print_json
from coatcheck.durations import to_millis
from coatcheck.web.gate.explaining import Explanation
from coatcheck.web.gate.gate import Gate
from coatcheck.web.gate.judging import Inquiry, Standing

_SOMEBODY: Final = "somebody"


def explain(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Such as GET.", show_default=False)],
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="As a client sends it, such as /admin or /a%2Fb?x=1.", show_default=False),
    ],
    *,
    app: Annotated[
        str,
        typer.Option(
            "--app",
            metavar="APP",
            help="The application with the gate, such as shop.main:app; also a Gate in a module.",
            show_default=False,
        ),
    ],
    signed_in: Annotated[bool, typer.Option("--signed-in", help="Suppose that somebody is signed in.")] = False,
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="NAME", help="Suppose this role; several are possible.", show_default=False),
    ] = None,
    aal: Annotated[
        int | None,
        typer.Option("--aal", metavar="N", min=0, max=3, help="Suppose this assurance level.", show_default=False),
    ] = None,
    proved: Annotated[
        str, typer.Option("--proved", metavar="LENGTH", help="Suppose that they proved who they are so long ago.")
    ] = "0s",
    header: Annotated[
        list[str] | None,
        typer.Option("--header", metavar="NAME:VALUE", help="A header of the request.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which rule decides about a request and why; exit code 1 if it would be refused.

    Nobody is supposed to be signed in, unless an option supposes somebody.
    """
    with reporting():
        gate = _gate_of(app)
    at = now()
    standing = Standing()
    if signed_in or role or aal is not None:
        roles = tuple(sorted(set(role or ())))
        standing = Standing(
            user_id=_SOMEBODY, session_id=_SOMEBODY, roles=roles, aal=aal, auth_time=at - _length(proved)
        )
    said = gate.explain(_inquiry(method, path, header or []), standing, at)
    if as_json:
        print_json({"app": app, **said.as_json()})
    else:
        _print(said)
    if said.decision != "allow":
        raise typer.Exit(int(Code.NOTHING))


def _gate_of(name: str) -> Gate:
    """Return the gate that *name* is, or that the application of that name has.

    Raises:
        ConfigurationError: there is none; says what to write.
    """
    target = application.load(name)
    if isinstance(target, Gate):
        return target
    found = application.find(name)
    remark_on(found)
    if found.settings is None or found.settings.gate is None:
        raise leave(
            f"{name} has no gate; write SessionMiddleware(gate=Gate([...], default=...)), or name a Gate in a module",
            Code.USAGE,
        )
    return found.settings.gate


def _inquiry(method: str, path: str, headers: list[str]) -> Inquiry:
    sent, _, query = path.partition("?")
    raw: list[tuple[bytes, bytes]] = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon:
            raise typer.BadParameter(
                f"{header!r} must be a name, a colon and a value, such as 'Origin: https://a.example'"
            )
        raw.append((name.strip().encode(), value.strip().encode()))
    return Inquiry(method=method, path=unquote(sent), raw_path=sent.encode(), query=query.encode(), headers=raw)


def _length(text: str) -> int:
    try:
        return to_millis(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _print(said: Explanation) -> None:
    """Print an explanation; what decides is in bold."""
    console = Console(highlight=False)
    decisive = {number for number, one in enumerate(said.looked, start=1) if one.decides}
    for number, line in enumerate(str(said).split("\n")):
        console.print(Text.assemble((clean(line).plain, "bold" if number in decisive else "")))
