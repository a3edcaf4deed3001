r"""Matchers as Next.js people write them: ``/admin/:path*``, ``/user/:id(\d+)``, ``/((?!api|favicon.ico).*)``.

The grammar and the meaning are those of path-to-regexp 6, which Next.js uses, with three points decided: a matcher
is case-sensitive, as it is in Next.js and in Python's routers; it is compared with the decoded path that a router sees,
so that ``?`` and ``#`` in a path are characters like others; and what Next.js adds for itself (``/_next/data``, a
``.json`` at the end, ``/index``) is left out.

==================  ==================================================
``/about``          the path, with or without a slash at its end
``/user/:id``       one segment in the parameter's place
``/user/:id(\d+)``  one that matches the pattern
``/x/:y?``          one or none; ``/x`` too
``/blog/:slug+``    one or more segments
``/docs/:path*``    any number of them; ``/docs`` too
``/(en|de)/home``   a pattern without a name
``/{:lang-}?x``     braces group what belongs to a parameter
``\(``              the character itself
==================  ==================================================
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from coatcheck.web.gate.backtracking import Shape, bounded, shape_of

LONGEST: Final = 500
"""Characters that a matcher may have."""

_SEGMENT: Final = "[^/]+?"
_UP_TO: Final = re.compile(r"\(\?:\(\?!(?:\\.|[^\\()])+\)\[\^/\]\)\+\?", re.DOTALL)
"""A segment that ends before a text, as `_Reader` writes it."""

_NAME: Final = re.compile(r"[A-Za-z0-9_]+")
_SPECIAL: Final = frozenset("*+?{}():\\")
_NEVER: Final = re.compile(r"[\x00-\x1f\x7f]|%[0-9A-Fa-f]{2}|//")
_BEFORE_LOOKAHEAD: Final = re.compile(r"(?::[A-Za-z0-9_]+)?\($")


class Parameter(Struct, frozen=True):
    """One parameter: what stands before and after it, its pattern (empty for a plain group), how often it comes."""

    prefix: str
    pattern: str
    suffix: str
    modifier: str


class Matcher:
    """One matcher, compiled."""

    __slots__ = ("_regex", "everything", "source")

    def __init__(self, source: str) -> None:
        """Compile *source*.

        Raises:
            ValueError: it is no matcher; says why, and where there is one, what to write instead.
        """
        _check_text(source)
        parts = _Reader(source).parts()
        bounded(_shape(parts), source)
        self.source: Final = source
        self.everything: Final = source in ("/:path*", "/(.*)", "/:path(.*)", "/:path(.*)?")
        # A slash at the end is optional; `fullmatch` anchors both ends.
        self._regex: Final = re.compile("".join(map(_expression, parts)) + "/?", re.ASCII | re.DOTALL)

    def __repr__(self) -> str:
        """Show the source."""
        return f"Matcher({self.source!r})"

    def matches(self, path: str) -> bool:
        """Whether the matcher is for *path*, decoded and without a query."""
        return self._regex.fullmatch(path) is not None

    def left_out(self) -> list[str]:
        """Return what a negative lookahead leaves out, as the beginnings of paths: ``["/api...", ...]``.

        Words of a lookahead are beginnings: ``(?!api)`` leaves out ``/apiary`` as well.
        """
        found: list[str] = []
        end = 0
        for match in re.finditer(r"\(\?!", self.source):
            if match.start() < end:  # inside the one before
                continue
            end = _closing(self.source, match.start())
            before = _BEFORE_LOOKAHEAD.sub("", self.source[: match.start()])
            found += [f"{before}{branch}..." for branch in _branches(self.source[match.end() : end])]
        return found


def _branches(pattern: str) -> list[str]:
    """Split a pattern at the bars that stand in no group."""
    branches, depth = [""], 0
    for char in pattern:
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            branches.append("")
        else:
            branches[-1] += char
    return branches


def _check_text(source: object) -> None:
    """Refuse what can match no path.

    Raises:
        ValueError: says why.
    """
    if not isinstance(source, str):
        raise ValueError(f'a matcher is text such as "/admin/:path*", not {source!r}')  # noqa: TRY004 - gathered faults
    if not source.startswith("/"):
        raise ValueError(f'it must begin with "/": write "/{source.lstrip("/")}"')
    if len(source) > LONGEST:
        raise ValueError(f"it has {len(source)} characters and may have {LONGEST}; write several")
    if never := _NEVER.search(source):
        raise ValueError(
            f"{never[0]!r} is in no path that is judged: paths are compared decoded, without query and fragment, and "
            "those with two slashes in a row are refused"
        )


def _expression(part: str | Parameter) -> str:
    """Return a part as a regular expression."""
    if isinstance(part, str):
        return re.escape(part)
    before, after = re.escape(part.prefix), re.escape(part.suffix)
    if not part.pattern:
        return f"(?:{before}{after}){part.modifier}"
    one = f"(?:{part.pattern})"
    if part.modifier in ("*", "+"):
        again = "?" if part.modifier == "*" else ""
        return f"(?:{before}{one}(?:{after}{before}{one})*{after}){again}"
    return f"(?:{before}{one}{after}){part.modifier}"


def _shape(parts: list[str | Parameter]) -> Shape:
    """Return what a whole matcher may cost. A segment ends at the next slash, which costs nothing."""
    total = Shape()
    for part in parts:
        if isinstance(part, Parameter):
            own = Shape() if _is_plain(part.pattern) else shape_of(part.pattern)
            if part.modifier in ("*", "+"):
                _check_repeated(part, own)
                own = Shape(1, varies=True)
            total = total.then(own).then(Shape(choices=int(part.modifier == "?")))
    return total


def _is_plain(pattern: str) -> bool:
    return not pattern or pattern == _SEGMENT or _UP_TO.fullmatch(pattern) is not None


def _check_repeated(part: Parameter, own: Shape) -> None:
    """Refuse a repeated parameter whose pattern could take what separates its repetitions, or vary in several ways.

    Raises:
        ValueError: says which and what to write.
    """
    between = (part.suffix + part.prefix)[0]
    crossing = [text for text in own.repeated if re.fullmatch(text, between, re.ASCII | re.DOTALL)]
    several = own.choices > 0 or own.repetitions > 1
    if several or crossing:
        why = "its choices" if several else f"{crossing[0]} in it"
        raise ValueError(
            f"the pattern {part.pattern!r} is repeated by {part.modifier!r}, and {why} can then take exponential time; "
            "leave out the pattern or the modifier"
        )


class _Reader:
    """Reads a matcher from left to right."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._parts: list[str | Parameter] = []
        self._text = ""
        self._escaped = False

    def parts(self) -> list[str | Parameter]:
        """Return texts and parameters in order.

        Raises:
            ValueError: the matcher is not well formed.
        """
        while self._at < len(self._source):
            char = self._source[self._at]
            if char in ":(":
                self._parameter()
            elif char == "{":
                self._braces()
            else:
                self._text += self._plain()
        self._end_text()
        return self._parts

    def _parameter(self) -> None:
        """Read ``:name``, ``:name(pattern)`` or ``(pattern)``; a slash or a dot before it belongs to it."""
        prefix = ""
        if self._text.endswith(("/", ".")) and not self._escaped:
            self._text, prefix = self._text[:-1], self._text[-1]
        self._end_text()
        named = self._name()
        pattern = self._pattern() or (self._segment(prefix) if named else "")
        self._add(Parameter(prefix, pattern, "", self._modifier()))

    def _braces(self) -> None:
        """Read ``{prefix:name(pattern)suffix}``."""
        self._end_text()
        self._at += 1
        prefix = self._plain_run()
        named = self._name()
        pattern = self._pattern() or (self._segment(prefix) if named else "")
        suffix = self._plain_run()
        if self._source[self._at : self._at + 1] != "}":
            raise ValueError(f"the brace is not closed by character {self._at + 1}; one parameter may stand in braces")
        self._at += 1
        self._add(Parameter(prefix, pattern, suffix, self._modifier()))

    def _add(self, part: Parameter) -> None:
        if part.modifier in ("*", "+") and part.pattern and not part.prefix + part.suffix:
            raise ValueError(
                f"{part.modifier!r} repeats a parameter without a slash before it, so nothing separates its repetitions"
            )
        self._parts.append(part)

    def _name(self) -> bool:
        if self._source[self._at : self._at + 1] != ":":
            return False
        found = _NAME.match(self._source, self._at + 1)
        if found is None:
            raise ValueError(f"the colon at character {self._at + 1} has no name after it; write \\: for a colon")
        self._at = found.end()
        return True

    def _segment(self, prefix: str) -> str:
        """Return the pattern of a parameter without one: a segment, or what ends before the text in front of it."""
        last = self._parts[-1] if self._parts else ""
        before = prefix or (last if isinstance(last, str) else "")
        if not before and self._parts:
            raise ValueError("two parameters stand next to each other; put text between them")
        return _SEGMENT if not before or "/" in before else f"(?:(?!{re.escape(before)})[^/])+?"

    def _pattern(self) -> str:
        """Read ``(pattern)``; empty if there is none."""
        start = self._at
        if self._source[start : start + 1] != "(":
            return ""
        if self._source[start + 1 : start + 2] == "?":
            raise ValueError('a pattern may not begin with "?": write ((?!api).*) with a second pair of parentheses')
        end = _closing(self._source, start)
        pattern = self._source[start + 1 : end]
        if not pattern:
            raise ValueError(f"the parentheses at character {start + 1} are empty")
        try:
            re.compile(pattern, re.ASCII)
        except re.error as error:
            raise ValueError(f"the pattern {pattern!r} is no regular expression: {error}") from None
        self._at = end + 1
        return pattern

    def _modifier(self) -> str:
        found = self._source[self._at : self._at + 1]
        if found not in ("*", "+", "?") or not found:
            return ""
        self._at += 1
        return found

    def _plain_run(self) -> str:
        text = ""
        while self._at < len(self._source) and self._source[self._at] not in ":({}":
            text += self._plain()
        return text

    def _plain(self) -> str:
        """Read one character that stands for itself."""
        char = self._source[self._at]
        if char == "\\" and self._at + 1 < len(self._source):
            self._at, self._escaped = self._at + 2, True
            return self._source[self._at - 1]
        if char in _SPECIAL:
            hint = '; write "/:path*" for any path below' if char == "*" else f"; write \\{char} for the character"
            raise ValueError(f"{char!r} at character {self._at + 1} belongs to no parameter{hint}")
        self._at, self._escaped = self._at + 1, False
        return char

    def _end_text(self) -> None:
        if self._text:
            self._parts.append(self._text)
            self._text = ""


def _closing(source: str, start: int) -> int:
    """Return where the parenthesis that opens at *start* closes.

    Raises:
        ValueError: it does not, or a group inside it would have a number.
    """
    depth, at = 0, start
    while at < len(source):
        char = source[at]
        if char == "\\":
            at += 1
        elif char == "(":
            depth += 1
            if depth > 1 and source[at + 1 : at + 2] != "?":
                raise ValueError(f"a group inside a pattern has to be (?:...), at character {at + 1}")
        elif char == ")":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise ValueError(f"the parenthesis at character {start + 1} is not closed")
