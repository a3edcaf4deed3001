"""`Gate`: the rules of an application, checked once, asked for every request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from coatcheck.errors import ConfigurationError
from coatcheck.model import Millis
from coatcheck.web.gate import explaining, headers, judging
from coatcheck.web.gate.explaining import Explanation
from coatcheck.web.gate.headers import HeaderNames
from coatcheck.web.gate.judging import Book, Case, Decision, Inquiry, Standing
from coatcheck.web.gate.paths import why_bad
from coatcheck.web.gate.rules import (
    DEFAULTS,
    SIGN_IN_PAGE,
    STEP_UP_PAGE,
    Compiled,
    Default,
    Requirement,
    Rule,
    compile_matchers,
    compile_rules,
)


class Gate:
    """Rules by path and method, for ``SessionMiddleware(gate=...)``.

    Args:
        rules: the first that matches path and method decides.
        default: what becomes of the paths that no rule matches: ``"public"``, ``"signed_in"`` or ``"deny"``.
        sign_in_url: where people sign in. If it is a path on this site it is open to everybody whatever the rules say,
            and its answers are ``noindex`` and ``no-store``. ``None``: there is no such page, and the answer is 401.
        step_up_url: where people who are signed in prove it again; treated alike.
        matcher: judge only the paths that one of these matchers is for, as ``config.matcher`` of Next.js does;
            everything when not given.
        skip: matchers of paths that are not judged, such as ``["/static/:path*"]``.
        header_names: the headers that tell what is downstream who is signed in.
        form_overrides: the application takes another method from a form's field ``_method``. The gate does not read
            forms, so that it then judges every POST of a form as PUT, PATCH and DELETE as well. Methods in headers
            (``X-HTTP-Method-Override`` and the like) and in the query (``_method``) are always judged.

    Attributes:
        sign_in_url: as above.
        step_up_url: as above.
        unguarded: what is not judged, in words; logged once when the application starts.

    Raises:
        ConfigurationError: holds everything that is wrong.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        *,
        default: Default,
        sign_in_url: str | None = "/login",
        step_up_url: str | None = None,
        matcher: str | Sequence[str] | None = None,
        skip: str | Sequence[str] = (),
        header_names: HeaderNames | None = None,
        form_overrides: bool = False,
    ) -> None:
        """Check everything; nothing is asked of anybody yet."""
        names = header_names or HeaderNames()
        compiled, faults = compile_rules(rules)
        inside, matcher_faults = compile_matchers(matcher, "matcher") if matcher is not None else ((), [])
        outside, skip_faults = compile_matchers(skip, "skip") if skip else ((), [])
        pages, page_faults = _pages(sign_in_url, step_up_url)
        faults += [*matcher_faults, *skip_faults, *page_faults, *names.faults(), *_default_faults(default)]
        if faults:
            raise ConfigurationError(faults)
        self.sign_in_url: Final = sign_in_url
        self.step_up_url: Final = step_up_url
        self._names: Final = names
        self._stripped: Final = headers.canonical_names(names)
        self._book: Final = Book(
            rules=compiled,
            default=DEFAULTS[default],
            default_word=default,
            pages=pages,
            inside=inside,
            outside=outside,
            form_overrides=form_overrides,
        )
        self.unguarded: Final[tuple[str, ...]] = tuple(dict.fromkeys(_unguarded(self._book)))

    def __repr__(self) -> str:
        """Show how many rules there are, and the default."""
        return f"<Gate of {len(self._book.rules)} rules, default {self._book.default_word!r}>"

    def strip(self, raw: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return a request's headers without those that only the gate may write; for every request."""
        return headers.stripped(raw, self._stripped)

    def consider(self, inquiry: Inquiry) -> Case:
        """Say what has to be decided about a request; ``looks`` says whether its session is needed for that."""
        return judging.consider(self._book, inquiry)

    def decide(self, case: Case, standing: Standing | None, now: Millis) -> Decision:
        """Decide. *standing* may be ``None`` only where the case does not look."""
        return judging.decide(case, standing, now)

    def headers_for(self, standing: Standing | None) -> list[tuple[bytes, bytes]]:
        """Return the headers that tell what is downstream who is signed in; none for nobody."""
        if standing is None or standing.user_id is None or standing.session_id is None:
            return []
        return headers.made(self._names, standing.user_id, standing.roles, standing.session_id)

    def explain(self, inquiry: Inquiry, standing: Standing | None = None, now: Millis = 0) -> Explanation:
        """Say which rule decides about a request, and why; for nobody signed in when *standing* is not given."""
        return explaining.explain(self._book, inquiry, standing or Standing(), now, self.sign_in_url)


def _default_faults(default: object) -> Iterator[str]:
    if default not in DEFAULTS:
        yield (
            f'default={default!r} is not known; say what becomes of paths that no rule matches: "public", "signed_in" '
            'or "deny"'
        )


def _pages(sign_in: object, step_up: object) -> tuple[tuple[tuple[str, str, Requirement], ...], list[str]]:
    """Return the pages that are open whatever the rules say, and what is wrong with their addresses."""
    pages: list[tuple[str, str, Requirement]] = []
    faults: list[str] = []
    for name, url, requirement in (("sign-in", sign_in, SIGN_IN_PAGE), ("step-up", step_up, STEP_UP_PAGE)):
        option = f"{name.replace('-', '_')}_url"
        if url is None or (isinstance(url, str) and url.startswith(("https://", "http://"))):
            continue
        path = url.partition("?")[0].partition("#")[0] if isinstance(url, str) else ""
        if not isinstance(url, str) or not url.isascii() or "%" in path or why_bad(path) is not None:
            faults.append(f'{option}={url!r} must be a plain path such as "/{name}", or an https address')
            continue
        pages.append((name, path.rstrip("/") or "/", requirement))
    return tuple(pages), faults


def _unguarded(book: Book) -> Iterator[str]:
    """Say in words which paths are not judged."""
    yield from (f"{matcher.source} (skip)" for matcher in book.outside)
    for matcher in book.inside:
        yield from (f"{path} (matcher)" for path in matcher.left_out())
    if book.inside and not any(matcher.left_out() or matcher.everything for matcher in book.inside):
        yield f"every path but {', '.join(matcher.source for matcher in book.inside)} (matcher)"
    if book.default_word == "public":
        yield from _left_to_the_default(book)
        yield 'every path that no rule matches (default="public")'


def _left_to_the_default(book: Book) -> Iterator[str]:
    """Name what a rule's lookahead leaves out and no other rule takes in: with the articles' string, every API."""
    for rule in book.rules:
        for path in _lookaheads(rule):
            ruling = judging.ruling_for(book, "GET", path.rstrip("."))
            if rule.requirement.signed_in and ruling.by.startswith("the default"):
                yield f"{path} (left out by rule {rule.number})"


def _lookaheads(rule: Compiled) -> list[str]:
    return [path for matcher in rule.matchers for path in matcher.left_out()]
