"""What an application says about CSRF: ``SessionMiddleware(csrf=Csrf(...))``. It is on without saying anything.

Browsers tell whose page sent a request (`coatcheck.web.origins`); what they tell decides, and a token only where they
tell nothing. `Csrf` names the exceptions to that, each of them on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from coatcheck.web.csrf_paths import pattern_faults

__all__ = ["Callback", "Csrf"]

Tokens: TypeAlias = Literal["fallback", "always"]
"""When a token is asked for: where a request does not say whose page it is from, or also where it does (N-10)."""

_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_SAID_BY_ALL: Final = frozenset({"cookie", "authorization", "origin", "referer", "host", "content-type"})
"""Headers that other sites can make a browser send, or that mean something else."""


class Callback(Struct, frozen=True):
    """A route that another site's page posts an answer to: OpenID Connect's ``form_post``, SAML.

    Attributes:
        path: where the answer arrives, in the words of ``Csrf(exempt=...)``. It is exempt from what concerns origins,
            and judged by what ``begin`` left in this browser, which is good for one answer within ten minutes.
        begin: the path whose handler sends the browser to the other site. What it writes to the session is not the
            session's: it is what the handler at ``path`` finds there.
    """

    path: str
    begin: str


class Csrf(Struct, frozen=True, kw_only=True):
    """How requests that change something are judged.

    A path is written as the application's router sees it, decoded and without ``root_path``; ``*`` stands for one whole
    segment. Other spellings of a path (``//``, ``..``, ``%2f``, another case) match nothing.

    Attributes:
        token: ``"fallback"`` asks for a token where a request says nothing of where it comes from and has a cookie of
            ours; ``"always"`` asks every unsafe request with a cookie of ours for one, whatever it says.
        exempt: paths that are not judged at all, such as a payment provider's webhook.
        callbacks: routes that another site answers to.
        protect_safe: paths that change something although they are asked for with a safe method.
        report_only: tell of what would be refused (``csrf.refused`` with ``reported``) and refuse nothing.
        header: the request header that may carry a token.
        field: the form field that may carry one.
    """

    token: Tokens = "fallback"  # noqa: S105 - a word that says when, no token
    exempt: Sequence[str] = ()
    callbacks: Sequence[Callback] = ()
    protect_safe: Sequence[str] = ()
    report_only: bool = False
    header: str = "x-csrf-token"
    field: str = "csrf_token"

    def faults(self) -> list[str]:
        """List all that is wrong, one sentence each, with its remedy; empty when all is well."""
        return [*_word_faults(self), *_path_faults(self), *_callback_faults(self.callbacks)]


def _word_faults(csrf: Csrf) -> Iterator[str]:
    if csrf.token not in ("fallback", "always"):
        yield f'Csrf(token={csrf.token!r}) is not known; write "fallback" or "always"'
    header = csrf.header.lower()
    if not _NAME.fullmatch(header) or header in _SAID_BY_ALL or header.startswith(("sec-", "proxy-")):
        yield f'Csrf(header={csrf.header!r}) cannot carry a token: write a name of its own, such as "x-csrf-token"'
    if not csrf.field:
        yield 'Csrf(field="") names no form field; write one such as "csrf_token"'
    if not isinstance(csrf.report_only, bool):
        yield f"Csrf(report_only={csrf.report_only!r}) must be True or False"


def _path_faults(csrf: Csrf) -> Iterator[str]:
    yield from pattern_faults("exempt", csrf.exempt)
    yield from pattern_faults("protect_safe", csrf.protect_safe)


def _callback_faults(callbacks: Iterable[Callback]) -> Iterator[str]:
    for callback in callbacks:
        if not isinstance(callback, Callback):
            yield f'Csrf(callbacks=[{callback!r}]) must hold Callback("/where/it/answers", begin="/where/it/begins")'
            continue
        yield from pattern_faults("callbacks", [callback.path, callback.begin])
        if callback.path == callback.begin:
            yield f"Csrf(callbacks=[...]): {callback.path!r} cannot both begin and answer; give it two routes"
