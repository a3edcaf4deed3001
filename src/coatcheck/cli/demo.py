"""``coatcheck demo``: a real application to click through."""

from __future__ import annotations

from typing import Annotated

import typer

from coatcheck.cli.opening import StoreUrl, reporting
from coatcheck.cli.waiting import Wait, patiently
from coatcheck.errors import MissingExtra


def serve(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port on this machine; 0 for any free one.")] = 8000,
    store: StoreUrl = None,
    wait: Wait = 0,
) -> None:
    """Serve an application with accounts to sign in with; they are printed when it starts."""
    with reporting():
        try:
            from coatcheck.demo.server import run
        except ModuleNotFoundError as missing:
            if (missing.name or "").startswith("coatcheck"):
                raise
            raise MissingExtra("coatcheck demo", "demo", missing.name or "a package") from None
        run(port=port, store=store, opening=lambda work: patiently(work, wait))
