"""The home page: what the session holds, its two clocks, and a small cart that works for anybody."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coatcheck.errors import SignInRequired
from coatcheck.model import Millis
from coatcheck.policy import Policy
from coatcheck.session import AsyncSession
from coatcheck.web.answers import sign_in_location
from coatcheck.web.starlette import session_of

from .accounts import Accounts
from .forms import Form, post
from .goods import GOODS
from .news import News
from .newsroom import Board
from .pages import FLASH, Pages, see_other
from .signing import SIGN_IN
from .words import GONE

MOST_OF_ONE: Final = 99
"""Pieces of one thing that the cart holds."""

USE: Final = """\
from coatcheck import AsyncSessions
from coatcheck.web.starlette import SessionMiddleware, session_of

sessions = AsyncSessions("sqlite:///sessions.db")
app.add_middleware(SessionMiddleware, sessions=sessions)

async def sign_in(request):
    epoch = await sessions.epoch("ada")  # before the password is checked
    await session_of(request).login("ada", epoch=epoch)
"""
"""What an application writes, as the home page shows it to a visitor."""


_RUNS: Final = "Runs from your sign-in, whatever you do."
_LENT: Final = "Acting for somebody ends by itself, whatever you do."


class Countdown(Struct, frozen=True):
    """A clock of the session: how much is left of how much, in milliseconds."""

    name: str
    about: str
    left: Millis
    whole: Millis
    ends: Millis


class Home:
    """The home page and the cart's forms."""

    def __init__(self, pages: Pages, policy: Policy, accounts: Accounts, board: Board, news: News) -> None:
        """Show sessions of *accounts* that live by *policy*, and what *board* recommends."""
        self._pages = pages
        self._policy = policy
        self._accounts = accounts
        self._board = board
        self._news = news

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/", self.page, methods=["GET"]),
            post("/cart/add", self.add),
            post("/cart/remove", self.remove),
        ]

    async def page(self, request: Request) -> Response:
        """Show the session; whoever had one that ended is sent to sign in and told why."""
        session = session_of(request)
        if session.reason is not None:
            raise SignInRequired(session.reason)
        flash = session.pop(FLASH, None)
        await session.save()  # activity renews the idle clock: show it as it stands after this request
        cart: dict[str, int] = session.get("cart", {})
        held = [(key, name, cart[key]) for key, name in GOODS.items() if cart.get(key)]
        person = self._accounts.name_of(session.user_id) if session.user_id else None
        return self._pages.show(
            "home.html",
            session=session,
            flash=flash,
            person=person,
            clocks=self._clocks(session),
            goods=GOODS,
            held=held,
            use=USE,
            choice=self._board.choice,
            changed=self._news.of(session),
        )

    async def add(self, request: Request, form: Form) -> Response:
        """Put one piece into the cart."""
        return await self._change(session_of(request), form, 1, "added to")

    async def remove(self, request: Request, form: Form) -> Response:
        """Take one piece out of the cart."""
        return await self._change(session_of(request), form, -1, "removed from")

    async def _change(self, session: AsyncSession, form: Form, by: int, done: str) -> Response:
        """Count up or down in the cart of whom the form's page was made for; else say what happened meanwhile."""
        thing, made_for = _thing(form), form.get("for", "")
        over = session.reason or (GONE if made_for and session.user_id is None else None)
        if over is not None:
            return see_other(f"{sign_in_location(SIGN_IN, '/', over)}&cart=unchanged")
        if made_for and made_for != session.user_id:
            name = self._accounts.name_of(session.user_id or "")
            session[FLASH] = f"This browser is signed in as {name} now. The cart was not changed."
        else:
            await _count(session, thing, by, f"{GOODS[thing]} {done} your cart.")
        return see_other("/")

    def _clocks(self, session: AsyncSession) -> list[Countdown]:
        if not session.signed_in:
            return []
        # The demo signs in with remember=True or False, so a cookie that survives the browser means "remembered".
        span, now = self._policy.span("remember_me" if session.persistent else "default"), self._pages.now()
        idle, absolute = session.idle_expires_at, session.expires_at
        about = "Starts again when you use this session; noted once a minute."
        if idle is not None and absolute is not None and idle > absolute:
            idle, about = absolute, f"{about} It never outlasts the absolute clock."
        faces = (("Idle clock", about, idle, span.idle), ("Absolute clock", _RUNS, absolute, span.absolute))
        if session.actor_id is not None:
            lent = self._policy.impersonate_ms
            faces = (("Idle clock", about, idle, lent), ("Absolute clock", _LENT, absolute, lent))
        return [
            Countdown(name, about, max(0, ends - now), whole, ends)
            for name, about, end, whole in faces
            if end is not None and whole is not None and (ends := int(end.timestamp() * 1000))
        ]


def _thing(form: Form) -> str:
    thing = form.get("thing", "")
    if thing not in GOODS:
        raise HTTPException(400)
    return thing


async def _count(session: AsyncSession, thing: str, by: int, flash: str) -> None:
    """Count *thing* up or down. A visitor's first piece makes the session; then two clicks at once both count."""

    def count(data: MutableMapping[str, Any]) -> None:
        cart: dict[str, int] = dict(data.get("cart", {}))
        cart[thing] = min(max(cart.get(thing, 0) + by, 0), MOST_OF_ONE)
        data["cart"] = {key: pieces for key, pieces in cart.items() if pieces}
        data[FLASH] = flash

    if session.id is not None:
        await session.transaction(count)
    elif by > 0:
        count(session)
