"""The pages that only show: overview, sessions, one session, one user, the policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from coatcheck.counting import Counts
from coatcheck.model import SessionInfo
from coatcheck.policy_words import explain
from coatcheck.selection import Selection
from coatcheck.sessions import AsyncSessions
from coatcheck.stores.contract import Capability
from coatcheck.web.console import seeking
from coatcheck.web.console.figures import checks, figures, table
from coatcheck.web.console.naming import Naming
from coatcheck.web.console.pages import Pages
from coatcheck.web.console.spans import SPANS, Span
from coatcheck.web.console.stories import Stories
from coatcheck.web.console.users import Users

ROWS: Final = 50
"""Sessions that one step of a page reads."""

STEPS: Final = 10
"""Steps that a page takes at most to find sessions that fit its filter."""

TRAIL: Final = 30
"""Earlier pages that "previous" leads back to."""


class Filter(Struct, frozen=True):
    """What the page of sessions shows: of live ones or of all, and of which devices."""

    show: str
    device: str

    @property
    def selection(self) -> Selection:
        """The filter as a selection."""
        ended = {"live": False, "ended": True}.get(self.show)
        return Selection(ended=ended, device=self.device or None)


class Looking:
    """The routes of those pages."""

    def __init__(self, sessions: AsyncSessions, pages: Pages, naming: Naming, users: Users, stories: Stories) -> None:
        """Show what *sessions* knows."""
        self._naming = naming
        self._users = users
        self._stories = stories
        self._sessions = sessions
        self._pages = pages

    def routes(self) -> list[Route]:
        """Return the routes."""
        shown = {
            "/": self.overview,
            "/live": self.live,
            "/sessions": self.browse,
            "/session": self.session,
            "/user": self.user,
            "/policy": self.policy,
        }
        return [Route(path, page, methods=["GET"]) for path, page in shown.items()]

    async def overview(self, request: Request) -> Response:
        """Show what happens: live sessions, plots, whether all is well, the policy's sentence."""
        return HTMLResponse(self._pages.render(request, "overview.html", **await self._moving(request)))

    async def live(self, request: Request) -> Response:
        """Return the part of the overview that moves, for the script that swaps it in place."""
        return HTMLResponse(self._pages.render(request, "live.html", **await self._moving(request)))

    async def _moving(self, request: Request) -> dict[str, object]:
        span = SPANS.get(request.query_params.get("span", "hour"), SPANS["hour"])
        live, counts = await self._count(), await self._counts(span)
        drawn = figures(counts, span, live) if counts is not None else []
        return {
            "span": span,
            "spans": SPANS.values(),
            "live": live,
            "figures": drawn,
            "table": table(drawn),
            "checks": checks(counts) if counts is not None else [],
            "explanation": explain(self._sessions.policy),
            "store": self._sessions.store.traits.name,
        }

    async def _count(self) -> int | None:
        return await self._sessions.count() if self._can(Capability.BROWSE) else None

    async def _counts(self, span: Span) -> list[Counts] | None:
        """Return the counts of a span; ``None`` from a store that keeps none."""
        if not self._can(Capability.COUNTERS):
            return None
        return await self._sessions.counts(span.every, since=span.begin(self._pages.now()))

    def _can(self, capability: Capability) -> bool:
        return capability in self._sessions.store.traits.capabilities

    async def browse(self, request: Request) -> Response:
        """List sessions, newest first, from a cursor on, and how to go on and back."""
        wanted = Filter(request.query_params.get("show", "all"), seeking.refuse_cookie(_device(request)))
        after, trail = request.query_params.get("after") or None, request.query_params.getlist("back")[-TRAIL:]
        try:
            infos, following = await self._page(wanted.selection, after)
        except ValueError:
            raise HTTPException(400) from None
        kept = {"show": wanted.show, "device": wanted.device}
        links = {
            "next": _address(kept, following, [*trail, after or ""]) if following else None,
            "previous": _address(kept, trail[-1], trail[:-1]) if trail else None,
            "newest": _address(kept, None, []) if after else None,
        }
        names = await self._naming.names(info.user_id for info in infos)
        finds = self._naming.finds
        return self._pages.show(
            request, "sessions.html", infos=infos, names=names, filter=wanted, links=links, finds=finds
        )

    async def _page(self, selection: Selection, after: str | None) -> tuple[list[SessionInfo], str | None]:
        """Return sessions that fit, and the cursor after them; bounded, also where few of many fit."""
        infos: list[SessionInfo] = []
        for _ in range(STEPS):
            page, after = await self._sessions.browse(limit=ROWS - len(infos), after=after)
            infos += filter(selection.matches, page)
            if after is None or 2 * len(infos) >= ROWS:
                break
        return infos, after

    async def session(self, request: Request) -> Response:
        """Show one session's story."""
        wanted = seeking.session_id(request.query_params.get("id", ""))
        if wanted is None:
            raise HTTPException(404, "session")
        return await self._stories.show(request, wanted)

    async def user(self, request: Request) -> Response:
        """Show a user's sessions, live and ended."""
        wanted = await self._users.meant(request.query_params.get("id", ""))
        if wanted is None:
            raise HTTPException(404, "user")
        return await self._users.show(request, wanted)

    async def policy(self, request: Request) -> Response:
        """Show the policy in force."""
        return self._pages.show(request, "policy.html", explanation=explain(self._sessions.policy))


def _device(request: Request) -> str:
    return request.query_params.get("device", "").strip()[:100]


def _address(kept: Mapping[str, str], after: str | None, trail: list[str]) -> str:
    """Return the relative address of another page of the list."""
    parts = [(name, value) for name, value in kept.items() if value]
    parts += [("after", after)] if after else []
    return f"sessions?{urlencode([*parts, *(('back', cursor) for cursor in trail[-TRAIL:])])}"
