"""Where in the console a request is, wherever the console is mounted. Pure."""

from __future__ import annotations

import re
from typing import Final

from starlette.types import Scope

_SLASH: Final = re.compile(rb"/|%2f", re.IGNORECASE)


def place_of(scope: Scope) -> str:
    """Return the path inside the console, by the rule that Starlette routes by; empty for the bare mount point.

    Some servers and proxies leave the prefix in ``path``, others take it away and name it in ``root_path`` alone.
    """
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    inside = path.removeprefix(root)
    return inside if inside in ("", path) or inside.startswith("/") else path


def depth_of(scope: Scope) -> int:
    """Return how many slashes the place has for a browser, to which ``%2F`` is none though ``path`` has it decoded."""
    inside = place_of(scope).count("/")
    sent: bytes | None = scope.get("raw_path")
    if not sent or not inside:
        return inside
    return _SLASH.findall(sent)[-inside:].count(b"/")
