"""A FastAPI application that uses every dependency, in async and plain endpoints, a router, a task and sockets."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request, WebSocket

from coatcheck import AsyncSession, AsyncSessions, TooLate, User
from coatcheck.web.fastapi import BlockingSession, Current, CurrentSession, SessionMiddleware, SignedIn, session_of

router = APIRouter()


@dataclass
class Line:
    """One thing in a cart."""

    name: str
    count: int = 1


@dataclass
class Cart:
    """What a visitor wants to buy."""

    lines: list[Line] = field(default_factory=list[Line])
    note: str = ""


# --- the application


@router.get("/data")
async def data(session: CurrentSession) -> dict[str, Any]:
    """Show what the session holds."""
    return dict(session)


@router.post("/set")
async def put(key: str, value: str, session: CurrentSession) -> None:
    """Assign a key."""
    session[key] = value


@router.get("/me")
async def me(user: SignedIn) -> list[Any]:
    """Show who is signed in."""
    return [user.id, user.roles]


@router.post("/login")
async def login(user_id: str, session: CurrentSession, role: str = "user") -> None:
    """Sign in."""
    await session.login(user_id, roles=[role])


@router.get("/same")
async def same(request: Request, session: CurrentSession, cart: Current[Cart]) -> bool:
    """Whether every way leads to the same objects."""
    return request.session is session is session_of(request) and session_of(request, Cart) is cart


@router.post("/cart")
async def add(line: Line, cart: Current[Cart]) -> int:
    """Add to the cart."""
    cart.lines.append(line)
    return len(cart.lines)


@router.post("/cart/more")
def more(cart: Current[Cart], note: str) -> Cart:
    """Change what is inside what is inside, in a plain endpoint."""
    cart.lines[0].count += 1
    cart.note = note
    return cart


@router.post("/refuse")
async def refuse(session: CurrentSession) -> None:
    """Change, then refuse."""
    session["tries"] = session.get("tries", 0) + 1
    raise HTTPException(422, "no")


@router.post("/fail")
async def fail(session: CurrentSession) -> None:
    """Change, then fail."""
    session["tries"] = 99
    raise RuntimeError("a bug in the endpoint")


# --- plain endpoints


@router.post("/plain/set")
def plain_set(key: str, value: str, session: BlockingSession) -> None:
    """Assign a key."""
    session[key] = value


@router.post("/plain/save")
def plain_save(session: BlockingSession) -> None:
    """Commit at once, then fail."""
    session["saved"] = True
    session.save()
    session["lost"] = True
    raise RuntimeError("a bug after the save")


@router.post("/plain/login")
def plain_login(user_id: str, session: BlockingSession) -> str | None:
    """Sign in."""
    session.login(user_id, roles=["editor"])
    return session.id


@router.post("/plain/rotate")
def plain_rotate(session: BlockingSession, user: SignedIn) -> str:
    """Change the ticket."""
    session.rotate()
    return user.id


@router.post("/plain/logout")
def plain_logout(session: BlockingSession) -> None:
    """Sign out."""
    session.logout()


@router.post("/plain/count")
def plain_count(session: BlockingSession) -> int:
    """Count without losing one."""
    return session.transaction(counted, deadline="30s")


@router.post("/plain/reload")
def plain_reload(session: BlockingSession) -> dict[str, Any]:
    """Drop what was changed."""
    session["dropped"] = True
    session.reload()
    return dict(session)


def counted(values: MutableMapping[str, Any]) -> int:
    """Count."""
    count: int = values.get("count", 0) + 1
    values["count"] = count
    return count


# --- a router behind a dependency


async def editor(user: SignedIn) -> User:
    """Let editors pass."""
    if not user.has("editor"):
        raise HTTPException(403, "editors only")
    return user


desk = APIRouter(prefix="/desk", dependencies=[Depends(editor)])


@desk.get("/who")
async def who(user: Annotated[User, Depends(editor)], session: CurrentSession) -> list[Any]:
    """Show who passed."""
    return [user.id, session.user_id]


# --- after the answer, and beside it


async def afterwards(session: AsyncSession, done: list[str]) -> None:
    """Work on the session once the answer has left."""
    session["later"] = "saved"
    await session.save()
    for verb in (session.login("eve"), session.logout(), session.rotate()):
        try:
            await verb
        except TooLate as refused:
            done.append(str(refused))
    session["later"] = "never saved"


@router.post("/background")
async def background(request: Request, session: CurrentSession, tasks: BackgroundTasks) -> None:
    """Leave work for later."""
    tasks.add_task(afterwards, session, request.app.state.done)


@router.websocket("/ws")
async def socket(websocket: WebSocket, session: CurrentSession, cart: Current[Cart]) -> None:
    """Do what each message says."""
    await websocket.accept()
    async for word in websocket.iter_text():
        if word == "save":
            cart.note = "from the socket"
            await session.save()
        elif word == "reload":
            await session.reload()
        elif word == "user":
            await websocket.send_text(session.user.id)
        await websocket.send_json([session.user_id, cart.note])


@router.websocket("/ws/signed-in")
async def guarded(websocket: WebSocket, user: SignedIn) -> None:
    """Greet who is signed in."""
    await websocket.accept()
    await websocket.send_text(user.id)
    await websocket.close()


def create(sessions: AsyncSessions, **options: Any) -> FastAPI:
    """Return the application."""
    app = FastAPI()
    app.add_middleware(SessionMiddleware, sessions=sessions, **options)
    app.include_router(router)
    app.include_router(desk)
    app.state.done = []
    return app
