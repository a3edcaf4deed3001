"""An application named on the command line, and the sessions inside it."""

from __future__ import annotations

import contextlib
import importlib
import sys
import traceback
from collections.abc import Iterator
from types import ModuleType
from typing import Annotated, Any, Final, TypeAlias, cast

import typer
from msgspec import Struct

from coatcheck.blocking import Sessions
from coatcheck.errors import CoatcheckError, ConfigurationError
from coatcheck.policy import Policy
from coatcheck.sessions import AsyncSessions
from coatcheck.web.asgi import SessionMiddleware
from coatcheck.web.settings import Settings

Manager: TypeAlias = AsyncSessions | Sessions

App: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="APP",
        help="Where it is, such as shop.main:app: an ASGI application, an AsyncSessions or Sessions, or a Policy.",
        show_default=False,
    ),
]

_DEPTH: Final = 50
"""Applications inside one another that are looked into."""


class Found(Struct, frozen=True, kw_only=True):
    """What an application says of its sessions.

    Attributes:
        name: where it was found, as it was written.
        policy: the policy in force.
        manager: the manager, where there is one.
        settings: the middleware's checked options, where there is a middleware.
        others: other middlewares with sessions in the application, each in words; nothing is said of them.
    """

    name: str
    policy: Policy
    manager: Manager | None = None
    settings: Settings | None = None
    others: tuple[str, ...] = ()


def find(name: str) -> Found:
    """Import what *name* leads to and look for its sessions.

    Raises:
        ConfigurationError: it leads nowhere, or to something without sessions; says so in one sentence.
    """
    target = load(name)
    if isinstance(target, Policy):
        return Found(name=name, policy=target)
    if isinstance(target, AsyncSessions | Sessions):
        return Found(name=name, policy=target.policy, manager=target)
    met = list(_inside(target, _DEPTH))
    middlewares = [(where, one) for where, one in met if isinstance(one, SessionMiddleware)]
    if not middlewares:
        raise ConfigurationError(_nothing_in(name, target, foreign=any(_is_starlettes(one) for _, one in met)))
    _, first = middlewares[0]
    others = dict.fromkeys(_called(where, one) for where, one in middlewares if not _same(one, first))
    return Found(
        name=name, policy=first.sessions.policy, manager=first.sessions, settings=first.settings, others=tuple(others)
    )


def _same(one: SessionMiddleware, other: SessionMiddleware) -> bool:
    """Whether two middlewares are one: a built application holds what it was told to build, and what it built."""
    return one.sessions is other.sessions and one.settings.options == other.settings.options


def _called(where: str, middleware: SessionMiddleware) -> str:
    name = middleware.settings.options.cookie_name
    return f"the SessionMiddleware {f'at {where}' if where else 'further in'} with the cookie {name}"


def load(name: str) -> object:
    """Return the object that an import string names.

    Raises:
        ConfigurationError: it leads nowhere; says so in one sentence.
    """
    path, colon, attributes = name.partition(":")
    if not (path and colon and attributes):
        raise ConfigurationError(f"{name!r} must say a module and a name in it, such as shop.main:app")
    found: object = _import(path)
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            raise ConfigurationError(f"the module {path} has no {attributes!r}{_instead(found)}")
        found = getattr(found, attribute)
    return found


def _import(path: str) -> ModuleType:
    """Import a module as a server would, from this directory too. What it prints goes to stderr."""
    if sys.path[:1] != [""]:
        sys.path.insert(0, "")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(path)
    except ModuleNotFoundError as missing:
        if missing.name is not None and (path == missing.name or path.startswith(missing.name + ".")):
            raise ConfigurationError(
                f"there is no module {path!r} to import from this directory; run the command where the application's "
                "server is started"
            ) from None
        raise ConfigurationError(f"importing {path} needs {missing.name}, which is not installed") from None
    except CoatcheckError as error:
        raise ConfigurationError(f"importing {path} failed: {error}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the application raises is told
        # Not its message: that is the application's, and may hold anything.
        raise ConfigurationError(f"importing {path} raised {type(error).__name__} {_place(error)}") from None


def _place(error: BaseException) -> str:
    """Say where an error came from."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"in {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""


def _instead(found: object) -> str:
    """Name what in a module could be meant."""
    if not isinstance(found, ModuleType):
        return ""
    kinds = (Policy, AsyncSessions, Sessions)
    names = [name for name, value in vars(found).items() if isinstance(value, kinds) or _is_application(value)]
    return f"; there is {', '.join(names)}" if names else ""


def _is_application(value: object) -> bool:
    """Whether this looks like an application object rather than a class or a function."""
    return hasattr(value, "user_middleware") or isinstance(value, SessionMiddleware)


def _inside(app: Any, depth: int, where: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, object]]:
    """Give an application and what is inside it, from the outside in, each with the path that it is mounted at."""
    seen = set() if seen is None else seen
    if app is None or depth == 0 or id(app) in seen:
        return
    seen.add(id(app))
    yield where, app
    for entry in _list(getattr(app, "user_middleware", None)):
        yield where, _made(entry) or getattr(entry, "cls", None)
    inner = [(where, getattr(app, name, None)) for name in ("middleware_stack", "app", "_app")]
    routes = _list(getattr(app, "routes", None))
    inner += [(f"{where}{getattr(route, 'path', '')}", getattr(route, "app", None)) for route in routes]
    for place, one in inner:
        if callable(one):
            yield from _inside(one, depth - 1, place, seen)


def _made(entry: Any) -> SessionMiddleware | None:
    """Build a middleware that is only listed so far, as Starlette does with the first request; opens nothing.

    Raises:
        ConfigurationError: it cannot be built with its options.
    """
    kind: object = getattr(entry, "cls", None)
    if not (isinstance(kind, type) and issubclass(kind, SessionMiddleware)):
        return None
    options = cast("dict[str, Any]", getattr(entry, "kwargs", None) or getattr(entry, "options", {}))
    try:
        return kind(_no_app, **options)
    except TypeError as error:
        raise ConfigurationError(
            f"coatcheck's SessionMiddleware cannot be built: {str(error).rpartition('() ')[2]}; write "
            "app.add_middleware(SessionMiddleware, sessions=sessions)"
        ) from None


def _is_starlettes(one: object) -> bool:
    """Whether this is Starlette's own session middleware, or its class."""
    kind = one if isinstance(one, type) else type(one)
    return f"{kind.__module__}.{kind.__qualname__}" == "starlette.middleware.sessions.SessionMiddleware"


async def _no_app(_scope: object, _receive: object, _send: object) -> None:
    """Stand in for the application inside."""


def _list(value: object) -> list[Any]:
    return list(cast("list[Any]", value)) if isinstance(value, list | tuple) else []


def _nothing_in(name: str, target: object, *, foreign: bool = False) -> str:
    if foreign:
        return (
            f"the SessionMiddleware in {name} is Starlette's own, which keeps sessions in the cookie; write: "
            "from coatcheck.web.starlette import SessionMiddleware; app.add_middleware(SessionMiddleware, "
            "sessions=sessions)"
        )
    kind = type(target).__name__
    wanted = "an AsyncSessions, a Sessions, a Policy, or an ASGI application with SessionMiddleware"
    if isinstance(target, ModuleType | type) or type(target).__name__ == "function":
        return f"{name} is a {kind}; name {wanted}, as it is after it was built"
    if _is_application(target) or callable(target):
        return (
            f"{name} is a {kind} without SessionMiddleware; add it: "
            "app.add_middleware(SessionMiddleware, sessions=sessions)"
        )
    return f"{name} is a {kind}; name {wanted}"
