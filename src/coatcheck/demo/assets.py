"""The stylesheet, the script and the icon: files that belong to nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from coatcheck.web import files
from coatcheck.web.console import STATIC
from coatcheck.web.files import Files

__all__ = ["FOLDER", "PREFIX", "SHARED", "Assets", "Files", "fingerprint"]

FOLDER: Final = Path(__file__).parent / "static"
PREFIX: Final = "/static"
SHARED: Final = ("coatcheck.web.console", "static")
"""The package and folder of the stylesheet that the demo shares with the operator's page."""


class Assets:
    """Hands what lies below `PREFIX` to *files* before any session is read (K-5), and the rest to *app*."""

    def __init__(self, app: ASGIApp, *, files: ASGIApp) -> None:
        """Stand outside *app*."""
        self._app = app
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        inside = scope["type"] == "http" and scope["path"].startswith(f"{PREFIX}/")
        await (self._files if inside else self._app)(scope, receive, send)


def fingerprint() -> str:
    """Return a short text that changes when a file does, also one of the console's, whose look the demo has."""
    return files.fingerprint(FOLDER, STATIC)
