"""Who a try is counted for, and how it is paid."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request

from coatcheck.web.proxies import normalise

from .limiter import Limiter


def client_key(request: Request) -> str:
    """Return what tries are counted by: the address, of IPv6 the /64 that one subscriber has (CVE-2026-45364)."""
    found = normalise(request.client.host) if request.client else None
    if found is None:
        return "unknown"
    return str(found) if found.version == 4 else found.exploded[:19]


def pay(limiter: Limiter, request: Request) -> None:
    """Pay for a try of the address that *request* came from.

    Raises:
        HTTPException: 429 with ``Retry-After``: it tried too often.
    """
    key = client_key(request)
    wait = limiter.wait(key)
    if wait:
        raise HTTPException(429, headers={"retry-after": str(wait)})
    limiter.spend(key)
