"""The newsroom: a page for editors, with one thing to do that everybody sees."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coatcheck.model import Millis
from coatcheck.user import User
from coatcheck.web.starlette import session_of, user_of

from .accounts import Accounts
from .forms import Form, post
from .goods import GOODS
from .news import News
from .pages import FLASH, Pages, see_other


class Choice(Struct, frozen=True):
    """What the newsroom recommends on the home page: a thing's word, who chose it, and when."""

    thing: str
    by: str
    at: Millis

    @property
    def name(self) -> str:
        """The thing's name."""
        return GOODS[self.thing]


class Board:
    """Holds the one choice, in this process: it is not anybody's session."""

    choice: Choice | None = None


class Newsroom:
    """The page and its form. The gate lets editors in and nobody else."""

    def __init__(self, pages: Pages, accounts: Accounts, board: Board, news: News) -> None:
        """Write on *board*, with the names of *accounts*."""
        self._pages = pages
        self._accounts = accounts
        self._board = board
        self._news = news

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/newsroom", self.page, methods=["GET"]), post("/newsroom/recommend", self.recommend)]

    async def page(self, request: Request) -> Response:
        """Show what is recommended, and what could be."""
        session = session_of(request)
        choice, changed = self._board.choice, self._news.of(session)
        return self._pages.show("newsroom.html", session=session, choice=choice, changed=changed, goods=GOODS)

    async def recommend(self, request: Request, form: Form) -> Response:
        """Choose."""
        thing = form.get("thing", "")
        if thing not in GOODS:
            raise HTTPException(400)
        self._board.choice = Choice(thing, signed(user_of(request), self._accounts.name_of), self._pages.now())
        session_of(request)[FLASH] = f"{GOODS[thing]} is recommended on everybody's home page."
        return see_other("/newsroom")


def signed(user: User, name_of: Callable[[str], str]) -> str:
    """Return the name of whoever did something: both names where one acts for the other."""
    return f"{name_of(user.actor_id)} for {name_of(user.id)}" if user.actor_id else name_of(user.id)
