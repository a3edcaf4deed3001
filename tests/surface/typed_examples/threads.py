"""The types that the blocking manager hands out."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import timedelta
from typing import Any, assert_type

from coatcheck import BlockingSession, Policy, SessionInfo, Sessions, StoreUnavailable

sessions = Sessions("memory://", policy=Policy(idle_timeout=timedelta(minutes=30), at_limit="reject", max_sessions=1))
assert_type(Sessions.from_env({}), Sessions)


def names(data: MutableMapping[str, Any]) -> list[str]:
    """Answer with the keys."""
    return list(data)


def work(token: str | None) -> None:
    """Load, change, save, look."""
    session = sessions.load(token)
    assert_type(session, BlockingSession)
    session.login("ada", epoch=sessions.epoch("ada"))
    assert_type(session.transaction(names), list[str])
    outcome = sessions.save(session)
    assert_type(outcome.token, str | None)
    infos = sessions.list("ada")
    assert_type(infos, list[SessionInfo])
    assert_type([info.device.name for info in infos if info.device], list[str])
    assert_type(sessions.transaction(infos[0].id, names), list[str])
    assert_type(sessions.revoke_user("ada"), int)


def guarded() -> bool:
    """Catch what a store that is down raises."""
    try:
        with Sessions("memory://") as opened:
            assert_type(opened, Sessions)
    except StoreUnavailable as fault:
        assert_type(fault.status, int)
        return False
    return True
