"""A user with very many sessions: listing them and revoking them."""

from __future__ import annotations

import statistics
import time

from bench.scale.engines import open_store
from bench.scale.people import now
from bench.scale.results import OneUser


async def list_and_revoke(url: str, users: list[str], sessions: int) -> OneUser:
    """List each user's *sessions* sessions, then end them all, and return the medians."""
    store = open_store(url)
    listed: list[float] = []
    revoked: list[float] = []
    try:
        for user_id in users:
            begun = time.perf_counter()
            found = await store.list_user(user_id, now=now())
            listed.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            ended = await store.end_user(user_id, reason="revoked", now=now())
            revoked.append(time.perf_counter() - begun)
            if (len(found), len(ended)) != (sessions, sessions):
                raise LookupError(f"{len(found)} sessions were listed and {len(ended)} ended, not {sessions}")
    finally:
        await store.close()
    return OneUser(
        sessions=sessions,
        list_ms=round(statistics.median(listed) * 1000, 1),
        revoke_ms=round(statistics.median(revoked) * 1000, 1),
    )
