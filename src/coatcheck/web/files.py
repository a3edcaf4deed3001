"""Static files in Starlette, under addresses that change with their content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class Files(StaticFiles):
    """Static files; an address with their fingerprint never changes what it means, so browsers may keep it for a year.

    An address with another one is of another release, or made up: what it gets here is not kept under that name.
    """

    def __init__(self, *, directory: Path, packages: list[str | tuple[str, str]] | None = None) -> None:
        """Serve *directory*, and of *packages* those in the second place."""
        super().__init__(directory=directory, packages=packages)
        self._own = f"v={fingerprint(*map(Path, self.all_directories))}".encode()

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file with its caching terms."""
        response = await super().get_response(path, scope)
        lasting = scope["query_string"] == self._own
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"
        return response


def fingerprint(*folders: Path) -> str:
    """Return a short text that changes when a file in one of *folders* does."""
    files = (path for folder in folders for path in sorted(folder.iterdir()) if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:10]
