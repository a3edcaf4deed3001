"""A request for the page of exchange tickets, from the address with a ticket to the signed-in browser.

====================================  =============================================================================
request                               answer
====================================  =============================================================================
GET with a ticket                     303 to the clean address; the ticket is in a short-lived cookie, and unused:
                                      what opens links in mails by itself uses up nothing
GET                                   the page that names the account, and who is signed in now if that is another
POST from this page                   the ticket is used, and the browser signed in with a new id
POST from this page, "stay"           nothing is used; the ticket's cookie goes
POST from elsewhere                   403; from a page that is out of date, the page again
any of them without a good ticket     400 and one page, whatever the reason
====================================  =============================================================================
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

from coatcheck import csrf_tokens
from coatcheck.csrf_state import Doubt
from coatcheck.errors import InsecureTransport, WrongCarrier
from coatcheck.manager import exchanging, opening
from coatcheck.manager.exchanging import Offer
from coatcheck.state import State
from coatcheck.tokens import parse
from coatcheck.web import entering_pages as pages
from coatcheck.web.answers import Answer
from coatcheck.web.csrf_fields import NoMultipart, token_in
from coatcheck.web.entering import LIFE, Entering, ticket_cookie
from coatcheck.web.origins import Refused, judge_origin
from coatcheck.web.redirects import safe_next

if TYPE_CHECKING:
    from coatcheck.web.request import Request

ReadBody = Callable[[], Awaitable[bytes | None]]


async def enter(entering: Entering, state: State, request: Request, read_body: ReadBody) -> Answer:
    """Answer a request for the page; the table is in the module's text.

    Raises:
        WrongCarrier: it came with a bearer token.
        InsecureTransport: it came over plain http from a host that is not local.
        CsrfRefused: a POST came from elsewhere.
        StoreUnavailable, SessionLimitReached: nobody was signed in.
    """
    if state.visit.carrier != "cookie":
        raise WrongCarrier("This page")
    if state.visit.insecure is not None:
        raise InsecureTransport(state.visit.insecure)
    if request.method not in ("GET", "HEAD", "POST"):
        return pages.not_so()
    visit = _Visit(entering, state, request)
    if request.method == "POST":
        return await visit.post(read_body)
    shown = _tickets_in(request.scope.get("query_string", b""), entering.parameter)
    made = visit.clean(shown) if shown else await visit.page()
    return Answer(made.status, made.headers, b"") if request.method == "HEAD" else made


class _Visit:
    """One request for the page."""

    def __init__(self, entering: Entering, state: State, request: Request) -> None:
        self._entering, self._state, self._request = entering, state, request
        self._cookie = ticket_cookie(secure=request.place.scheme == "https")
        held = self._cookie.read(request.octets_of(b"cookie"))
        self._token = held if isinstance(held, str) else None
        self._presented = held is not None

    def clean(self, shown: list[str]) -> Answer:
        """Move a ticket from the address into its cookie; nobody is asked whether it is any good."""
        good = len(shown) == 1 and parse(shown[0]) is not None
        text = self._cookie.write(shown[0], max_age=LIFE) if good else self._cookie.delete()
        return pages.onward(self._local(self._entering.path), text)

    async def page(self) -> Answer:
        """Show what the ticket offers, and use nothing."""
        offer = await self._offer()
        return self._no_good() if offer is None else await self._ask(offer)

    async def post(self, read_body: ReadBody) -> Answer:
        """Do what the button says, if it is the button of a page of ours that is still true."""
        self._refuse_elsewhere()
        offer = await self._offer()
        if offer is None:
            return self._no_good()
        await self._load()
        token, choice = await self._fields(read_body)
        key = await self._state.core.key()
        if token is None or not csrf_tokens.check(key, self._bound(offer), token):
            return await self._ask(offer)
        if choice == "keep":
            return pages.onward(self._local("/"), self._cookie.delete())
        if choice != "enter":
            return await self._ask(offer)
        if not await exchanging.redeem(self._state, offer):
            return self._no_good()
        return pages.onward(safe_next(offer.next), self._cookie.delete())

    async def _offer(self) -> Offer | None:
        if self._token is None:
            return None
        offer = await exchanging.look_up(self._state.core, self._token)
        if offer is None:
            exchanging.refuse(self._state.core, "unknown")
        return offer

    async def _load(self) -> None:
        """Load the browser's own session; one that cannot be read is no reason to replace it."""
        if self._state.loads and not self._state.looked:
            await opening.fill(self._state)
        self._state.look()

    async def _ask(self, offer: Offer) -> Answer:
        await self._load()
        state, present = self._state, exchanging.stands_in_the_way(self._state, offer)
        name = await self._name(offer.pending.user_id)
        if name is None:
            return self._no_good()
        token = csrf_tokens.make(await state.core.key(), self._bound(offer), state.core.random)
        if present is None:
            return pages.confirmation(name, token)
        return pages.question(name, await self._name(present) or present, token)

    def _bound(self, offer: Offer) -> bytes:
        """Return what the page's token is bound to: a page that named nobody else must not replace anybody."""
        state = self._state
        record = state.record if exchanging.stands_in_the_way(state, offer) is not None else None
        replaced = None if record is None else record.id
        return csrf_tokens.of_exchange(self._token or "", replaced, tenant=state.core.tenant)

    def _refuse_elsewhere(self) -> None:
        """Refuse a form of another site. What says nothing of where it comes from has its token looked at."""
        request = self._request
        verdict = judge_origin("POST", request.scope["headers"], request.place.origin)
        if isinstance(verdict, Refused) and verdict.reason != "no_origin":
            Doubt(reason=verdict.reason, method="POST", path=request.route_path).refuse(self._state.core)

    async def _fields(self, read_body: ReadBody) -> tuple[str | None, str | None]:
        kinds = self._request.values_of(b"content-type")
        body = await read_body() if len(kinds) == 1 else None
        if body is None:
            return None, None
        try:
            return token_in(kinds[0], body, "csrf_token"), token_in(kinds[0], body, "choice")
        except NoMultipart:
            return None, None

    async def _name(self, user_id: str) -> str | None:
        if self._entering.name_of is None:
            return user_id
        named = self._entering.name_of(user_id)
        return await named if inspect.isawaitable(named) else named

    def _no_good(self) -> Answer:
        made = pages.no_good()
        return pages.with_cookies(made, self._cookie.delete()) if self._presented else made

    def _local(self, path: str) -> str:
        """Return a path of this application as a browser must ask for it."""
        root = quote(self._request.scope.get("root_path") or "", safe="/~")
        return safe_next(root + path)


def _tickets_in(query: bytes, parameter: str) -> list[str]:
    try:
        fields = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return [""]
    return [value for name, value in fields if name == parameter]
