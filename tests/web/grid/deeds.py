"""What the application does in each route: the words of the scenarios, once for every framework and every rival.

========================================  ==============================================================================
``GET /plain``                            answers without looking at the session; cacheable
``GET /read``                             ``{"data", "user", "roles", "reason"}``
``POST /set?k=v``                         assigns keys; the handler calls its answer ``public, max-age=600``
``POST /unset?key=``, ``/clear``          removes a key; removes all
``POST /append?item=``                    appends to a list in place
``POST /types``, ``/big?size=``, ``/bad`` assigns values of every plain type; a long text; what no store can hold
``POST /login?user=&remember=&roles=``    signs in
``POST /checked_login?user=&gate=``       reads the epoch, waits at the gate (the password is being checked), signs in
``POST /logout``, ``POST /rotate``        signs out; changes the ticket as for a change of privilege
``GET /me``                               ``{"id", "roles"}`` of the signed-in user; others are refused
``/slow?gate=&k=v``                       reads, waits at the gate, assigns
``POST /fail``, ``/fail_signed_in``       assigns a key, or signs in, and has a bug
``POST /abort``                           assigns a key and answers 409 with the framework's own exception
``GET /stream?gate=``                     assigns a key, sends one piece, waits at the gate, sends two
``POST /go``                              assigns a key and redirects to ``/read``
``POST /everything?user=``                assigns, signs in, rotates and assigns again
``POST /own_cookie``, ``/vary``, ``/edge`` assigns a key; the handler has headers of its own
``GET /devices``                          the user's sessions: ``[{"id", "current"}]``
``POST /revoke?id=``                      ends one of the user's own sessions
``POST /revoke_user?user=&keep=me``       ends all sessions of a user, but one's own if asked
``POST /set_roles?user=&roles=``          changes the roles of a user
========================================  ==============================================================================

They are ``async def``, finished in one step where the application blocks. What a session offers beyond a mapping is
said by `Sessionlike`; what a library does not have raises `NotOffered` and is answered with 501.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from tests.web.grid.gates import Gate

T = TypeVar("T")
Headers = list[tuple[str, str]]


class NotOffered(Exception):
    """The library has no word for this."""


class Bug(Exception):
    """A mistake in a handler."""


class Backstage(Protocol):
    """What handlers need beside the session."""

    manager: Any
    """The library's way to sessions of others, `coatcheck.AsyncSessions` or `coatcheck.Sessions` for us."""
    gates: dict[str, Gate]


@dataclass(frozen=True)
class Call:
    """One request, as its handler sees it."""

    session: Any
    query: Mapping[str, str]
    stage: Backstage


@dataclass(frozen=True)
class Json:
    """An answer of JSON."""

    value: Any
    status: int = 200
    headers: Headers = field(default_factory=list[tuple[str, str]])


@dataclass(frozen=True)
class Redirect:
    """Send the browser elsewhere with 303."""

    to: str


@dataclass(frozen=True)
class Abort:
    """Answer with the framework's own exception."""

    status: int


@dataclass(frozen=True)
class Pieces:
    """Answer piece by piece; the gate is between the first and the second."""

    gate: Gate
    pieces: tuple[bytes, ...] = (b"one", b"two", b"three")


Reply = Json | Redirect | Abort | Pieces
Deed = Callable[[Call], Coroutine[Any, Any, Reply]]
Do = Callable[[Deed, Call], Coroutine[Any, Any, Reply]]
DEEDS: Final[dict[str, tuple[tuple[str, ...], Deed]]] = {}


def deed(*methods: str) -> Callable[[Deed], Deed]:
    """Make a function a route of its own name."""

    def add(function: Deed) -> Deed:
        DEEDS[f"/{function.__name__}"] = (methods or ("POST",), function)
        return function

    return add


async def simply(deed: Deed, call: Call) -> Reply:
    """Do a deed; rivals have more to say about it."""
    return await deed(call)


async def done(result: Any) -> Any:
    """Return what a verb returned, awaited where it must be."""
    return await result if inspect.isawaitable(result) else result


def assign(session: MutableMapping[str, Any], query: Mapping[str, str]) -> None:
    """Assign the keys of a query that are data."""
    for key, value in query.items():
        if key != "gate":
            session[key] = value


@deed("GET")
async def plain(_call: Call) -> Reply:
    """Answer without looking."""
    return Json("plain", headers=[("cache-control", "public, max-age=600")])


@deed("GET")
async def read(call: Call) -> Reply:
    """Show what the session holds."""
    session = call.session
    data, roles = dict(session), list(session.roles)
    return Json({"data": data, "user": session.user_id, "roles": roles, "reason": session.reason})


@deed()
async def set(call: Call) -> Reply:  # noqa: A001 - the route's name
    """Assign."""
    assign(call.session, call.query)
    return Json("set", headers=[("cache-control", "public, max-age=600")])


@deed()
async def unset(call: Call) -> Reply:
    """Remove a key."""
    del call.session[call.query["key"]]
    return Json("unset")


@deed()
async def clear(call: Call) -> Reply:
    """Remove every key."""
    call.session.clear()
    return Json("cleared")


@deed()
async def append(call: Call) -> Reply:
    """Change what is inside a value, in place."""
    if "items" not in call.session:
        call.session["items"] = []
    else:
        call.session["items"].append(call.query["item"])
    return Json(len(call.session["items"]))


@deed()
async def types(call: Call) -> Reply:
    """Assign values of every type that JSON has."""
    call.session["value"] = {"text": "ä€😀", "int": 2**53 - 1, "float": 0.5, "none": None, "list": [True, False, {}]}
    return Json("typed")


@deed()
async def big(call: Call) -> Reply:
    """Assign more than a session may hold."""
    call.session["big"] = "x" * int(call.query["size"])
    return Json("big")


@deed()
async def bad(call: Call) -> Reply:
    """Assign what could not be restored."""
    call.session["bad"] = object()
    return Json("bad")


@deed()
async def login(call: Call) -> Reply:
    """Sign in."""
    await _login(call)
    return Json("in")


@deed()
async def checked_login(call: Call) -> Reply:
    """Sign in, with a while between the epoch and the sign-in."""
    epoch = await done(call.stage.manager.epoch(call.query["user"]))
    await call.stage.gates[call.query["gate"]].wait()
    await done(call.session.login(call.query["user"], epoch=epoch))
    return Json("in")


@deed()
async def logout(call: Call) -> Reply:
    """Sign out."""
    await done(call.session.logout())
    return Json("out")


@deed()
async def rotate(call: Call) -> Reply:
    """Change the ticket."""
    await done(call.session.rotate())
    return Json("rotated")


@deed("GET", "POST")
async def me(call: Call) -> Reply:
    """Show the signed-in user."""
    user = call.session.user
    return Json({"id": user.id, "roles": list(user.roles)})


@deed("GET", "POST")
async def slow(call: Call) -> Reply:
    """Read, wait, assign."""
    before = dict(call.session)
    await call.stage.gates[call.query["gate"]].wait()
    assign(call.session, call.query)
    return Json(before)


@deed()
async def fail(call: Call) -> Reply:
    """Assign, and have a bug."""
    call.session["kept"] = "no"
    raise Bug("a bug in the handler")


@deed()
async def fail_signed_in(call: Call) -> Reply:
    """Sign in, and have a bug."""
    await _login(call)
    raise Bug("a bug in the handler")


@deed()
async def abort(call: Call) -> Reply:
    """Assign, and answer with an exception of the framework's."""
    call.session["tries"] = int(call.session.get("tries", 0)) + 1
    return Abort(409)


@deed("GET")
async def stream(call: Call) -> Reply:
    """Assign, and answer piece by piece."""
    call.session["streamed"] = "yes"
    return Pieces(call.stage.gates[call.query["gate"]])


@deed()
async def go(call: Call) -> Reply:
    """Assign, and redirect."""
    call.session["went"] = "yes"
    return Redirect("/read")


@deed()
async def everything(call: Call) -> Reply:
    """Assign, sign in, rotate, assign."""
    call.session["a"] = "1"
    await _login(call)
    await done(call.session.rotate())
    call.session["b"] = "2"
    return Json("all")


@deed()
async def own_cookie(call: Call) -> Reply:
    """Assign, beside a cookie of the application's."""
    call.session["a"] = "1"
    return Json("theme", headers=[("set-cookie", "theme=dark; Path=/")])


@deed("GET")
async def vary(call: Call) -> Reply:
    """Look, beside what the answer varies by anyway."""
    return Json(len(call.session), headers=[("vary", "Accept-Encoding")])


@deed()
async def edge(call: Call) -> Reply:
    """Assign, beside headers that tell single caches to store the answer."""
    call.session["a"] = "1"
    told = ("surrogate-control", "cdn-cache-control", "x-accel-expires")
    return Json(
        "edge", headers=[*((name, "max-age=600") for name in told), ("expires", "Thu, 01 Jan 2099 00:00:00 GMT")]
    )


@deed("GET")
async def devices(call: Call) -> Reply:
    """List the user's sessions."""
    infos = await done(call.stage.manager.list(call.session.user.id))
    return Json([{"id": info.id, "current": info.id == call.session.id} for info in infos])


@deed()
async def revoke(call: Call) -> Reply:
    """End one of the user's own sessions."""
    ended = await done(call.stage.manager.revoke(call.query["id"], user_id=call.session.user.id))
    return Json(ended)


@deed()
async def revoke_user(call: Call) -> Reply:
    """End all sessions of a user."""
    keep = call.session.id if call.query.get("keep") == "me" else None
    return Json(await done(call.stage.manager.revoke_user(call.query["user"], keep=keep)))


@deed()
async def set_roles(call: Call) -> Reply:
    """Change a user's roles."""
    roles = call.query["roles"].split()
    return Json(await done(call.stage.manager.set_roles(call.query["user"], roles)))


async def _login(call: Call) -> None:
    remember = {"yes": True, "no": False}.get(call.query.get("remember", ""))
    roles = call.query["roles"].split() if "roles" in call.query else None
    await done(call.session.login(call.query["user"], remember=remember, roles=roles))
