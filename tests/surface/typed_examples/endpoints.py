"""The types that FastAPI endpoints receive, asynchronous and plain."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Annotated, Any, assert_type

from fastapi import Depends, FastAPI, WebSocket

import coatcheck
from coatcheck import AsyncSession, AsyncSessions, User
from coatcheck.web.fastapi import BlockingSession, Current, CurrentSession, SessionMiddleware, SignedIn

app = FastAPI()
app.add_middleware(SessionMiddleware, sessions=AsyncSessions("memory://"), sign_in_url="/sign-in")


@dataclass
class Cart:
    """What a visitor wants to buy."""

    count: int = 0


def total(data: MutableMapping[str, Any]) -> int:
    """Answer with a number."""
    return int(data["count"])


@app.get("/async")
async def asynchronous(session: CurrentSession, cart: Current[Cart], user: SignedIn) -> int:
    """Receive the session, its data and the user."""
    assert_type(session, AsyncSession)
    assert_type(cart, Cart)
    assert_type(user, User)
    cart.count += 1
    return cart.count


@app.get("/plain")
def plain(session: BlockingSession, cart: Current[Cart], user: SignedIn) -> int:
    """Call the verbs instead of awaiting them."""
    assert_type(session, coatcheck.BlockingSession)
    assert_type(cart, Cart)
    assert_type(user, User)
    session.login("ada", roles=["editor"], remember=False)
    session.save()
    session.rotate()
    session.logout()
    return assert_type(session.transaction(total), int)


async def basket(cart: Current[Cart]) -> int:
    """Depend on the data from a dependency of one's own."""
    return assert_type(cart.count, int)


@app.get("/count")
async def counted(count: Annotated[int, Depends(basket)]) -> int:
    """Receive what the dependency made."""
    return count


@app.websocket("/ws")
async def socket(websocket: WebSocket, session: CurrentSession) -> None:
    """Receive the session of a WebSocket."""
    await websocket.accept()
    assert_type(session, AsyncSession)
