"""Forms in Starlette: whose page they come from, and what they say. Every route that changes something is made here."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coatcheck.web.origins import DECIDED_BY, Refused, judge_origin
from coatcheck.web.proxies import TrustedProxies

Form: TypeAlias = Mapping[str, str]
Handler: TypeAlias = Callable[[Request, Form], Awaitable[Response]]

LARGEST: Final = 16 * 1024
"""Bytes that a form may have."""

NOBODY_BEFORE_US: Final = TrustedProxies()
"""No proxy is believed."""

_log: Final = logging.getLogger("coatcheck.web")


def post(path: str, handler: Handler, *, proxies: TrustedProxies = NOBODY_BEFORE_US) -> Route:
    """Return a route for a form: *handler* runs only for requests from our own pages, with the form's fields."""

    async def guarded(request: Request) -> Response:
        refuse_other_sites(request, proxies)
        return await handler(request, await fields(request))

    return Route(path, guarded, methods=["POST"])


def refuse_other_sites(request: Request, proxies: TrustedProxies = NOBODY_BEFORE_US) -> None:
    """Refuse a form that another site's page sent (CS-7, CS-8, CS-14).

    Raises:
        HTTPException: 403; the answer may not be stored and says what it depends on (G-18).
    """
    client = request.client.host if request.client else None
    headers = request.headers.raw
    place = proxies.resolve(client, request.url.scheme, request.headers.get("host"), headers)
    verdict = judge_origin(request.method, headers, place.origin)
    if isinstance(verdict, Refused):
        _log.warning("a form was refused: %s", verdict.reason)
        raise HTTPException(403, headers={"vary": b", ".join(DECIDED_BY).decode()})


async def fields(request: Request) -> Form:
    """Return the form's fields; of a repeated one the last.

    Raises:
        HTTPException: 415, 413 or 400 for what our pages do not send.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", ""):
        raise HTTPException(415)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise HTTPException(413)
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20, errors="strict"))
    except ValueError:
        raise HTTPException(400) from None
