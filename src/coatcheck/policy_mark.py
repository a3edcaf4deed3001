"""What marks a page about sessions: what it was written for, what it said then, and which part of it is the team's.

The marks are comments in Markdown. They show that a page was changed by hand; they do not prove who wrote it.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final, Literal, TypeAlias

PageState: TypeAlias = Literal["by hand", "another", "outdated", "edited", "bare", "current"]
"""What is known of a page: it has no mark; it is of another application; settings have changed since; its text was
changed by hand; it is right and the team has added nothing to it; it is right and the team's part is filled in."""

NOTHING_ADDED: Final = "Nothing was added yet."
"""What stands in the team's part of a new page."""

_MARK: Final = "coatcheck-policy"
_BEGIN: Final = "<!-- the team's part begins -->"
_END: Final = "<!-- the team's part ends -->"
_TEAMS: Final = re.compile(rf"{re.escape(_BEGIN)}\n(.*?)\n?{re.escape(_END)}", re.DOTALL)
_LAST: Final = re.compile(rf"<!-- {_MARK} ([0-9a-f -]*) -->\s*\Z")


def short_hash(text: str) -> str:
    """Return twelve characters that change with a text."""
    return sha256(text.encode()).hexdigest()[:12]


def teams_part(text: str) -> str:
    """Return the team's part with its marks, to be put into a page."""
    return f"{_BEGIN}\n{text}\n{_END}"


def added_by_hand(page: str) -> str | None:
    """Return what the team has put into its part, ``None`` when the page has no such part.

    Raises:
        ValueError: the part's marks are damaged, so that nobody can tell which text is the team's.
    """
    page = _lines(page)
    found = _TEAMS.findall(page)
    if page.count(_BEGIN) != len(found) or page.count(_END) != len(found) or len(found) > 1:
        raise ValueError(f"the lines {_BEGIN!r} and {_END!r} must each be there once, in this order")
    return found[0].strip() if found else None


def marked(page: str, fingerprint: str) -> str:
    """Return a page with its last line, which holds what it was written for and what it says."""
    return f"{page}\n\n<!-- {_MARK} {fingerprint} {short_hash(_generated(page))} -->\n"


def mark_in(page: str) -> str | None:
    """Return what the page's last line holds, ``None`` when there is no such line."""
    found = _LAST.search(page)
    return found[1] if found else None


def state_of(page: str, fingerprint: str) -> PageState:
    """Compare a page with what is now known of the application; ``"-"`` stands for what is unknown now."""
    mark = mark_in(page)
    if mark is None:
        return "by hand"
    (name, *ours), (named, *theirs) = fingerprint.split(), mark.split() or [""]
    if len(theirs) == len(ours) + 1 and named != name:
        return "another"
    if len(theirs) != len(ours) + 1 or any(one not in {"-", other} for one, other in zip(ours, theirs, strict=False)):
        return "outdated"
    if theirs[-1] != short_hash(_generated(page)):
        return "edited"
    try:
        added = added_by_hand(page)
    except ValueError:
        return "edited"
    return "bare" if added in {None, "", NOTHING_ADDED} else "current"


def _generated(page: str) -> str:
    """Return what coatcheck wrote: the page without its last line and without what is the team's."""
    return _TEAMS.sub("", _LAST.sub("", _lines(page)), count=1).strip()


def _lines(page: str) -> str:
    """Return a text whatever its line ends are, and whatever blanks an editor took off them."""
    return "\n".join(line.rstrip() for line in page.splitlines())
