"""A FastAPI application with every line of the design's sketch: typed dependencies, sign-in, lists, revocation."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

from coatcheck import AsyncSessions, Policy
from coatcheck.web.fastapi import CurrentSession, SessionMiddleware, SignedIn

app = FastAPI()
sessions = AsyncSessions("sqlite:///sessions.db", policy=Policy(max_sessions=5))
app.add_middleware(SessionMiddleware, sessions=sessions)


class Login(BaseModel):
    """What the form sends."""

    user_id: str
    password: str


@app.post("/login")
async def login(form: Login, session: CurrentSession) -> None:
    """Sign in."""
    epoch = await sessions.epoch(form.user_id)
    await session.login(form.user_id, epoch=epoch, roles=["editor"])


@app.get("/cart")
async def cart(user: SignedIn, session: CurrentSession) -> list[object]:
    """Read who it is and until when, and write a key."""
    session["cart"] = ["apples"]
    return [user.id, user.roles, session.expires_at]


@app.post("/logout")
async def logout(session: CurrentSession) -> None:
    """Sign out."""
    await session.logout()


@app.post("/everything-else")
async def operate(session_id: str, session: CurrentSession) -> None:
    """List and revoke."""
    await sessions.list("user-123")
    await sessions.revoke(session_id)
    await sessions.revoke_user("user-123", keep=session.id)
