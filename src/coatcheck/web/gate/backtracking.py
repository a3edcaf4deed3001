"""How long a pattern may take: what could need exponential time, or the cube of a path's length, is refused.

Python's ``re`` tries every way in which repetitions can share a text between them, and every way to take or leave what
is optional. Three rules keep that small, and all refuse some patterns that would be harmless: nothing that can vary in
length is repeated, at most two repetitions without a bound follow one another, and choices (``?`` and alternatives) are
few. A path has a bound too (`coatcheck.web.gate.paths.LONGEST`).
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

MOST: Final = 2
"""Repetitions without a bound that may follow one another in a matcher."""

CHOICES: Final = 8
"""Choices that a matcher may have; each repetition without a bound takes two of them."""

_OPENING: Final = re.compile(r"\((\?(?::|=|!|<=|<!))?")
_QUANTIFIER: Final = re.compile(r"(?:([*+?])|\{(?=[0-9,])([0-9]*)(,?)([0-9]*)\})\??")
_CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)


class Shape(Struct, frozen=True):
    """What a pattern may cost.

    Attributes:
        repetitions: how many without a bound follow one another, at worst.
        varies: whether it can match texts of different lengths.
        branches: whether there are alternatives in it.
        repeated: the single characters or classes that are repeated without a bound.
        choices: how many times something may be taken or left, or one of several taken.
    """

    repetitions: int = 0
    varies: bool = False
    branches: bool = False
    repeated: tuple[str, ...] = ()
    choices: int = 0

    def then(self, other: Shape, *, ahead: bool = False) -> Shape:
        """Return the shape of this followed by *other*; what only looks *ahead* takes no text away."""
        total = self.repetitions + other.repetitions
        return Shape(
            self.repetitions if ahead else total,
            self.varies or (other.varies and not ahead),
            self.branches or other.branches,
            self.repeated + other.repeated,
            self.choices + other.choices,
        )


def shape_of(pattern: str) -> Shape:
    """Return what a pattern, which `re` has compiled, may cost.

    Raises:
        ValueError: one rule above is broken, or a group is one that JavaScript does not know; says which and why.
    """
    return bounded(_alternatives(pattern, 0)[0], pattern)


def bounded(shape: Shape, pattern: str) -> Shape:
    """Return *shape* if *pattern* has neither too many repetitions that follow one another nor too many choices.

    Raises:
        ValueError: it has.
    """
    if shape.repetitions > MOST:
        raise ValueError(
            f"{pattern!r} repeats without a bound more than {MOST} times in a row, which takes too long on a path made "
            "for it; write what stands between the repetitions, or several matchers"
        )
    if shape.choices + 2 * shape.repetitions > CHOICES:
        raise ValueError(
            f"{pattern!r} has too many optional parts and alternatives in a row, which take exponential time on a path "
            "made for it; write several matchers"
        )
    return shape


def _alternatives(pattern: str, at: int) -> tuple[Shape, int]:
    """Read branches up to the end or a closing parenthesis; return their worst and where they end."""
    shape, at = _sequence(pattern, at)
    several = pattern[at : at + 1] == "|"
    while pattern[at : at + 1] == "|":
        other, at = _sequence(pattern, at + 1)
        most = max(shape.repetitions, other.repetitions)
        choices = max(shape.choices, other.choices)
        shape = Shape(most, varies=True, branches=True, repeated=shape.repeated + other.repeated, choices=choices)
    return (replace(shape, choices=shape.choices + 1) if several else shape), at


def _sequence(pattern: str, at: int) -> tuple[Shape, int]:
    """Read one branch. What only looks ahead or behind counts where it stands and is gone afterwards."""
    shape, worst = Shape(), 0
    while at < len(pattern) and pattern[at] not in "|)":
        if pattern[at] == "(":
            inner, ahead, at = _group(pattern, at)
        else:
            inner, ahead, at = _single(pattern, at)
        worst = max(worst, shape.repetitions + inner.repetitions)
        shape = shape.then(inner, ahead=ahead)
    return replace(shape, repetitions=max(worst, shape.repetitions)), at


def _group(pattern: str, at: int) -> tuple[Shape, bool, int]:
    opening = _OPENING.match(pattern, at)
    kind = (opening and opening[1]) or ""
    if opening is None or (not kind and pattern[at + 1 : at + 2] == "?"):
        raise ValueError(f"{pattern[at : at + 4]!r} is no group that matchers know; write (?:...), (?=...) or (?!...)")
    inner, end = _alternatives(pattern, opening.end())
    quantifier = _QUANTIFIER.match(pattern, end + 1)
    if quantifier is None:
        return inner, kind not in ("", "?:"), end + 1
    if _most(quantifier) != 1 and (inner.varies or inner.branches):
        raise ValueError(
            f"{pattern[at : quantifier.end()]!r} repeats what can itself vary, which can take exponential time; write "
            "one repetition of a class of characters, such as [a-z0-9-]+"
        )
    text = pattern[at : end + 1]
    return _repeated(inner, quantifier, text), False, quantifier.end()


def _single(pattern: str, at: int) -> tuple[Shape, bool, int]:
    """Read one character, escape or class with its quantifier."""
    found = _CLASS.match(pattern, at)
    end = found.end() if found else at + (2 if pattern[at] == "\\" else 1)
    quantifier = _QUANTIFIER.match(pattern, end)
    if quantifier is None:
        return Shape(), False, end
    if pattern[quantifier.end() : quantifier.end() + 1] == "+":
        raise ValueError(f"{pattern[at : quantifier.end() + 1]!r} has two quantifiers; write one")
    return _repeated(Shape(), quantifier, pattern[at:end]), False, quantifier.end()


def _repeated(inner: Shape, quantifier: re.Match[str], text: str) -> Shape:
    """Return the shape of *inner*, whose pattern is *text*, under a quantifier."""
    most = _most(quantifier)
    fixed = quantifier[2] is not None and not quantifier[3]
    if fixed:
        return inner
    if most == 1:
        return replace(inner, varies=True, choices=inner.choices + 1)
    return replace(inner, repetitions=inner.repetitions + 1, varies=True, repeated=(*inner.repeated, text))


def _most(quantifier: re.Match[str]) -> int:
    """Return how often it repeats at most, 0 for a number that is not bounded."""
    if quantifier[1] is not None:
        return 1 if quantifier[1] == "?" else 0
    return int(quantifier[4] or (0 if quantifier[3] else quantifier[2]))
