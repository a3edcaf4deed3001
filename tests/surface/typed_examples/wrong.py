"""What a type checker refuses: every line that is marked as wrong, and no other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from fastapi import FastAPI
from starlette.requests import Request

from coatcheck import AsyncSessions, Policy, SessionInfo, Sessions
from coatcheck.web.fastapi import BlockingSession, Current, CurrentSession, SessionMiddleware, SignedIn, session_of

app = FastAPI()
sessions = AsyncSessions("memory://")


@dataclass
class Cart:
    """What a visitor wants to buy."""

    count: int = 0


Policy(idle_timeout=30)  # wrong: minutes or seconds?
Policy(timedelta(minutes=30))  # wrong: which of the clocks?
Policy(at_limit="evict_all")  # wrong: no such rule
Policy(on_theft="panic")  # wrong: no such answer
AsyncSessions(6379)  # wrong: not a store
AsyncSessions("memory://", policy="web")  # wrong: not a policy
Sessions("memory://", listeners=[3])  # wrong: not a listener
app.add_middleware(SessionMiddleware)  # wrong: no manager
app.add_middleware(SessionMiddleware, sessions=Sessions("memory://"))  # wrong: blocks the loop
app.add_middleware(SessionMiddleware, sessions=sessions, same_site="maybe")  # wrong: no such value


async def verbs(session: CurrentSession, user: SignedIn) -> None:
    """Misuse a session."""
    session.login("ada")  # wrong: never awaited
    session.logout()  # wrong: never awaited
    sessions.revoke("id")  # wrong: never awaited
    await session.login(user)  # wrong: a user is not an id
    await session.login("ada", epoch="7")  # wrong: an epoch is a number
    await session.login("ada", remember="yes")  # wrong: not a boolean
    session[7] = "seven"  # wrong: keys are text
    session.user_id = "eve"  # wrong: signing in changes it
    await session.regenerate_id()  # wrong: another library's word
    session.permanent = True  # wrong: another library's word
    await sessions.delete_user("ada")  # wrong: another library's word
    user.roles = ("admin",)  # wrong: a user is not changed
    await session.transaction(len, deadline=2)  # wrong: seconds or minutes?


async def blocking(session: BlockingSession) -> None:
    """Await what is called."""
    await session.save()  # wrong: returns nothing to wait for
    await session.login("ada")  # wrong: returns nothing to wait for


async def data(request: Request, cart: Current[Cart]) -> str:
    """Take data for what it is not."""
    text: str = session_of(request, Cart)  # wrong: it is a cart
    cart.colour = "red"  # wrong: carts have none
    info: SessionInfo = await sessions.list(text)  # wrong: it is a list
    text += info.secret_digest  # wrong: lists hold none
    return cart.count  # wrong: it is a number
