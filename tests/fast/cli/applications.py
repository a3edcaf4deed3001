"""Applications for ``coatcheck policy`` and ``coatcheck check``, written as files and named as a server names them."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from textwrap import dedent

_numbers = itertools.count()

GOOD = """
    sessions = AsyncSessions("sqlite:///app.db", policy=Policy.sensitive().adjusted(max_sessions=5))
    app = Starlette()
    app.add_middleware(SessionMiddleware, sessions=sessions, same_site="strict")
"""

_HEAD = """
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from coatcheck import AsyncSessions, Policy, Sessions
    from coatcheck.web.starlette import SessionMiddleware
"""


def write(body: str, *, head: str = _HEAD) -> str:
    """Write a module of a fresh name into the working directory and return that name."""
    name = f"an_application_{next(_numbers)}"
    Path(f"{name}.py").write_text(dedent(head) + dedent(body))
    sys.path_importer_cache.pop(str(Path.cwd()), None)
    return name
