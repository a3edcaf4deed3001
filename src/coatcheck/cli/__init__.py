"""The command line: run the demo, look at sessions, end them, explain and check a deployment, sweep."""

from __future__ import annotations

import sys

from coatcheck.errors import MissingExtra

_BROUGHT_BY_CLI = frozenset({"typer", "rich", "click"})


def main() -> None:
    """Run the ``coatcheck`` command; without the extra ``cli``, say how to install it and exit with 2."""
    try:
        from coatcheck.cli import completion
        from coatcheck.cli.command import app
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package not in _BROUGHT_BY_CLI:
            raise
        sys.stderr.write(f"{MissingExtra('the coatcheck command', 'cli', package)}\n")
        raise SystemExit(2) from None
    completion.prepare()
    app()


def __getattr__(name: str) -> object:
    """Return ``app``, the Typer application, imported when it is asked for: to extend or to document it."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from coatcheck.cli import command

    return command.app
