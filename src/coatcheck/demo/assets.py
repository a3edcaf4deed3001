"""The stylesheet, the script and the icon: files that belong to nobody."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

FOLDER: Final = Path(__file__).parent / "static"
PREFIX: Final = "/static"


class Files(StaticFiles):
    """Static files; an address with a fingerprint never changes what it means, so browsers may keep it for a year."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file with its caching terms."""
        response = await super().get_response(path, scope)
        lasting = scope["query_string"].startswith(b"v=")
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"
        return response


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
    """Return a short text that changes when a file does."""
    content = b"".join(path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.is_file())
    return hashlib.sha256(content).hexdigest()[:10]
