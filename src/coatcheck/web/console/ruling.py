"""Revoking by rule: a form, a preview of what it means, a typed confirmation, and a run that shows how far it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from time import monotonic
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from coatcheck.errors import CoatcheckError, Unconfirmed
from coatcheck.model import Millis
from coatcheck.selection import Selection
from coatcheck.sessions import AsyncSessions
from coatcheck.stores.contract import Capability
from coatcheck.web.console.acting import note
from coatcheck.web.console.naming import Naming
from coatcheck.web.console.pages import Pages
from coatcheck.web.console.rules import RuleFault, begun_by, preview, selection_of, written
from coatcheck.web.console.words import sessions_text
from coatcheck.web.forms import Form, post
from coatcheck.web.proxies import TrustedProxies

EVERY: Final = 0.25
"""Seconds between two lines of progress, at least."""

ON: Final = "It goes on when this page is closed."
"""Said with every line of progress but the last: the stylesheet shows one line, so it is gone when all is done."""

_log: Final = logging.getLogger("coatcheck.console")


class Run:
    """A revocation under way, and how far it has come. It goes on when the page that watches it is closed."""

    def __init__(self, sessions: AsyncSessions, selection: Selection) -> None:
        """Begin."""
        self.looked = self.ended = 0
        self._moved = asyncio.Event()
        self.work = asyncio.create_task(sessions.revoke_where(selection, on_progress=self._progress))
        self.work.add_done_callback(lambda _: self._moved.set())

    def _progress(self, looked: int, ended: int) -> None:
        self.looked, self.ended = looked, ended
        self._moved.set()

    async def watch(self) -> AsyncIterator[tuple[int, int]]:
        """Yield how far it is, now and then, until it is over."""
        last = monotonic()
        yield self.looked, self.ended
        while not self.work.done():
            await self._moved.wait()
            self._moved.clear()
            if monotonic() - last >= EVERY and not self.work.done():
                last = monotonic()
                yield self.looked, self.ended


class Ruling:
    """The page and its form."""

    def __init__(self, sessions: AsyncSessions, pages: Pages, naming: Naming, proxies: TrustedProxies) -> None:
        """Revoke from *sessions*."""
        self._sessions = sessions
        self._pages = pages
        self._naming = naming
        self._proxies = proxies
        self._runs: set[Run] = set()

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/rule", self.page, methods=["GET"]),
            post("/rule/preview", self.preview, proxies=self._proxies),
            post("/rule/run", self.run, proxies=self._proxies),
            post("/revoke-everybody", self.revoke_everybody, proxies=self._proxies),
        ]

    async def page(self, request: Request) -> Response:
        """Show the empty form."""
        return await self._form(request, written({}))

    async def preview(self, request: Request, form: Form, *, fault: str | None = None) -> Response:
        """Say what the rule means and how many sessions it would end. By POST: what is typed stays out of addresses.

        *fault* is why the sessions of an earlier preview were not ended.
        """
        fields, at = written(form), self._pages.now()
        try:
            selection = selection_of(fields, at)
        except RuleFault as unread:
            return await self._form(request, fields, faults=unread.faults, status=400)
        if selection is None:
            return await self._form(request, fields, faults={"": "Write into at least one field."}, status=400)
        return await self._previewed(request, fields, selection, at, fault=fault)

    async def _previewed(
        self, request: Request, fields: dict[str, str], selection: Selection, at: Millis, *, fault: str | None = None
    ) -> Response:
        """Show what a rule means; *fault* is what was wrong with the typed confirmation."""
        found = await preview(self._sessions, begun_by(selection, at))
        names = await self._naming.names(info.user_id for info in found.first)
        more = {"found": found, "names": names, "words": selection.words(at), "at": at}
        return await self._form(request, fields, **more, not_confirmed=fault, status=400 if fault else 200)

    async def _form(self, request: Request, fields: dict[str, str], *, status: int = 200, **more: object) -> Response:
        can_count = Capability.BROWSE in self._sessions.store.traits.capabilities
        facts: dict[str, object] = {
            "found": None, "names": {}, "words": "", "at": 0, "faults": {}, "not_confirmed": None,
            "not_everybody": None, "live": await self._sessions.count() if can_count else None, **more,
        }  # fmt: skip
        return self._pages.show(request, "rule.html", status=status, fields=fields, **facts)

    async def revoke_everybody(self, request: Request, form: Form) -> Response:
        """End every session of everybody, if that word was typed."""
        if form.get("typed", "").strip() != "everybody":
            fault = "Nothing was done: what was typed is not the word everybody."
            return await self._form(request, written({}), not_everybody=fault, status=400)
        ended = await self._sessions.revoke_all()
        note(request, "revoke_all", ended)
        detail = (
            "Everybody is signed out from their next request on, you too, and sign-ins that were under way are refused."
        )
        return self._pages.message(request, 200, f"{sessions_text(ended)} ended", detail)

    async def run(self, request: Request, form: Form) -> Response:
        """End what the preview showed, if its number was typed; answer with the progress as it happens."""
        fields, at, count = written(form), _number(form, "at"), _number(form, "count")
        try:
            selection = selection_of(fields, at)
        except RuleFault as wrong:
            return await self._form(request, fields, faults=wrong.faults, status=400)
        if selection is None:
            raise HTTPException(400)
        if form.get("typed", "").strip().replace(",", "") != str(count):
            fault = "Nothing was done: what was typed is not the number of these sessions."
            return await self._previewed(request, fields, selection, at, fault=fault)
        chosen = begun_by(selection, at)
        if await self._sessions.count_where(chosen) > count:
            fault = "Nothing was done: meanwhile the rule applies to more sessions. This is how many they are now."
            return await self.preview(request, form, fault=fault)
        return self._run(request, chosen, selection.words(at))

    def _run(self, request: Request, selection: Selection, words: str) -> Response:
        """Begin to end these sessions, and answer with the progress."""
        run = Run(self._sessions, selection)
        self._runs.add(run)
        run.work.add_done_callback(lambda work: self._over(request, run, work, words))
        page = self._pages.render(request, "running.html", words=words)
        return StreamingResponse(_told(run, page), media_type="text/html")

    def _over(self, request: Request, run: Run, work: asyncio.Task[int], words: str) -> None:
        """Let go of a run that is over, and log what it did."""
        self._runs.discard(run)
        if work.cancelled():
            note(request, "revoke_where cancelled", run.ended, rule=words)
        elif (fault := work.exception()) is not None:
            note(request, "revoke_where failed", run.ended, rule=words)
            _log.error("a revocation by rule failed", exc_info=fault)
        else:
            note(request, "revoke_where", work.result(), rule=words)


async def _told(run: Run, page: str) -> AsyncIterator[str]:
    """Yield the page with the progress in it. What a browser has shown stays: the stylesheet shows the last line."""
    begin, _, rest = page.partition("<!-- progress -->")
    between, _, end = rest.partition("<!-- outcome -->")
    yield begin
    async for looked, ended in run.watch():
        yield f"<li>{looked:,} looked at, {ended:,} ended <small>{ON}</small></li>\n"
    yield f'{between}<p class="outcome card" role="status">{await _outcome(run)}</p>{end}'


async def _outcome(run: Run) -> str:
    """Say how a run went, in words that hold nothing from elsewhere."""
    try:
        ended = await run.work
    except Unconfirmed:
        return f"{sessions_text(run.ended)} ended, but too few replicas confirmed it. Run the rule again to ask again."
    except CoatcheckError as fault:
        return f"{fault.title}. {sessions_text(run.ended)} had ended by then. Run the rule again to go on."
    except Exception:  # noqa: BLE001 - the headers are gone; `_over` logs it
        return f"Something went wrong and was written to the log. {sessions_text(run.ended)} had ended by then."
    return f"Done: {sessions_text(ended)} ended. Their browsers are signed out from their next request on."


def _number(form: Form, name: str) -> Millis:
    text = form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise HTTPException(400)
    return int(text)
