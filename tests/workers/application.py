"""The application that the worker processes serve; the store's URL comes from the environment."""

from __future__ import annotations

import os

from fastapi import FastAPI

from coatcheck import AsyncSessions, Policy
from coatcheck.web.fastapi import CurrentSession, SessionMiddleware, SignedIn

sessions = AsyncSessions.from_env(policy=Policy(max_sessions=5, sweep_every="1s"))
app = FastAPI()
app.add_middleware(SessionMiddleware, sessions=sessions)


@app.post("/login/{user_id}")
async def login(user_id: str, session: CurrentSession) -> int:
    """Sign in and answer with the worker's process id."""
    await session.login(user_id, epoch=await sessions.epoch(user_id))
    return os.getpid()


@app.get("/me")
async def me(user: SignedIn, session: CurrentSession) -> dict[str, object]:
    """Answer with the user, the session's keys and the worker's process id."""
    return {"user": user.id, "data": dict(session), "pid": os.getpid()}


@app.post("/set/{key}")
async def put(key: str, user: SignedIn, session: CurrentSession) -> None:
    """Set one key."""
    session[key] = user.id


@app.post("/revoke-all-of-me")
async def revoke(user: SignedIn) -> int:
    """End every session of the user."""
    return await sessions.revoke_user(user.id)


@app.get("/count/{user_id}")
async def count(user_id: str) -> int:
    """Count a user's live sessions."""
    return len(await sessions.list(user_id))
