"""The operator's page: who is signed in, what happens, and how to end it. An ASGI application to mount behind a guard.

It needs the ``console`` extra; importing this package without it says so.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from coatcheck.errors import MissingExtra

_NEEDED: Final = {"starlette": "starlette", "jinja2": "jinja2"}


def _require_extra() -> None:
    """Refuse to start without the packages of the extra.

    Raises:
        MissingExtra: names the first absent one.
    """
    for module, package in _NEEDED.items():
        if find_spec(module) is None:
            raise MissingExtra("the operator's page", "console", package)


_require_extra()

from coatcheck.web.console.app import Console  # noqa: E402 - its own imports fail with less to say
from coatcheck.web.console.guarding import Guard, everybody  # noqa: E402
from coatcheck.web.console.naming import FindUser, NameOf  # noqa: E402

__all__ = ["STATIC", "Console", "FindUser", "Guard", "NameOf", "everybody"]

STATIC: Final = Path(__file__).parent / "static"
"""Where the stylesheets and the script are. ``base.css`` may be used by the application's own pages."""
