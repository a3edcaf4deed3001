"""The demo: a small real application on coatcheck, for a person to click through and an engineer to read.

It needs the ``demo`` extra; importing this package without it says so.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from coatcheck.errors import MissingExtra

_NEEDED: Final = {
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "jinja2": "jinja2",
    "argon2": "argon2-cffi",
    "ua_parser": "ua-parser",
}


def _require_extra() -> None:
    """Refuse to start without the packages of the extra.

    Raises:
        MissingExtra: names the first absent one.
    """
    for module, package in _NEEDED.items():
        if find_spec(module) is None:
            raise MissingExtra("the demo", "demo", package)


_require_extra()
