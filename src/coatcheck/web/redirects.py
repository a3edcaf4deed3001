"""Where to go after signing in: never to another site.

A ``next`` parameter is an attacker's text. Browsers, proxies and frameworks each repair addresses in their own way
(backslash to slash, tabs removed, percent-escapes decoded, several slashes folded), so whatever one of them could turn
into another site is refused, not repaired. Sources: ASVS 5.0 3.7.2; CVE-2021-23385, CVE-2023-49438.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 2000
"""Characters that a ``next`` address may have."""

# "%25" may stand between "%" and the digits: a proxy that decodes once more would bring the inner escape to light.
_ESCAPED_CONTROL: Final = re.compile(r"%(?:25)*(?:[01][0-9a-f]|7f)", re.IGNORECASE)
_ESCAPED_SLASH: Final = re.compile(r"%(?:25)*(?:2f|5c)", re.IGNORECASE)
_VISIBLE: Final = re.compile(r"/[\x21-\x5b\x5d-\x7e]*")
_PATH_END: Final = re.compile(r"[?#]")


def safe_next(value: str | None, default: str = "/") -> str:
    """Return *value* if it is an absolute path on this site, else *default*.

    Refused are: anything that does not begin with one slash, ``//`` anywhere in the path, backslashes, white space,
    control and non-ASCII characters, escaped control characters, escaped slashes and backslashes in the path, at any
    depth of escaping, and anything longer than `LONGEST`. *default* is the application's own and is not judged.
    """
    if value is None or len(value) > LONGEST or not _VISIBLE.fullmatch(value):
        return default
    path = _PATH_END.split(value, maxsplit=1)[0]
    if "//" in path or _ESCAPED_SLASH.search(path) or _ESCAPED_CONTROL.search(value):
        return default
    return value
