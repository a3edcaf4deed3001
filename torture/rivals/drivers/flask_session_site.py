"""Flask-Session: Redis or cachelib's files; `session_interface.regenerate` at sign-in, as its documentation advises."""

# pyright: basic, reportMissingImports=false
# mypy: disable-error-code="import-not-found"
# (the library is installed in the rivals' own environment alone)

from __future__ import annotations

import time
from typing import Any

import msgspec
from flask import Flask, Response, current_app, request, session
from flask_session import Session

from torture.rivals.calling import WsgiCaller
from torture.rivals.wire import Body


def build(variant: str, url: str) -> WsgiCaller:
    """Build it over the Redis, or the folder, at *url*."""
    app = Flask("torture")
    app.config.update(SESSION_COOKIE_SECURE=True, **_store(variant, url))
    Session(app)
    for path, act in {"/set": _put, "/in": _sign_in, "/out": _sign_out, "/renew": _renew}.items():
        app.add_url_rule(path, path, act, methods=["POST"])
    app.add_url_rule("/read", "/read", _read, methods=["GET"])
    return WsgiCaller(app)


def _store(variant: str, url: str) -> dict[str, Any]:
    if variant == "redis":
        from redis import Redis

        return {"SESSION_TYPE": "redis", "SESSION_REDIS": Redis.from_url(url)}
    from cachelib.file import FileSystemCache

    return {"SESSION_TYPE": "cachelib", "SESSION_CACHELIB": FileSystemCache(url, threshold=0)}


def _answer(body: Body | None = None) -> Response:
    return Response(msgspec.json.encode(body or Body()), mimetype="application/json")


def _work() -> None:
    time.sleep(int(request.args.get("work", "0")) / 1000)


def _read() -> Response:
    data = {key: value for key, value in session.items() if key.startswith("k")}
    body = Body(session.get("user"), data)
    _work()
    return _answer(body)


def _put() -> Response:
    answer = _read()
    session[request.args["key"]] = int(request.args["value"])
    return answer


def _sign_in() -> Response:
    body = Body(request.args["user"], checked=time.monotonic_ns())
    _work()
    _renew()
    session["user"] = body.user
    return _answer(body)


def _sign_out() -> Response:
    session.clear()
    return _answer()


def _renew() -> Response:
    interface: Any = current_app.session_interface
    interface.regenerate(session)
    return _answer()
