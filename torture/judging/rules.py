"""Every rule with the promise it belongs to, for reports, and for the test that breaks each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from torture.judging import (
    answers,
    causes,
    clocks,
    death,
    giving_way,
    graces,
    limits,
    privileges,
    reading,
    refusals,
    updates,
)

CHECKER: Final = 3
"""Which checker this is. 3 asks for the cause of every end and for an answer to every step; 2 counted a rule as tested
only where it could have failed; 1 counted every look."""

RULES: Final[Mapping[str, int]] = {
    "only minted tickets open": 1,
    "a made-up id leaves no row": 1,
    "an id is given once": 1,
    death.DEAD: 2,
    death.STALE: 2,
    refusals.SIGN_IN: 2,
    death.OWNER: 2,
    death.ONCE: 2,
    causes.CAUSE: 2,
    updates.LOST: 3,
    updates.GHOST: 3,
    updates.COUNT: 3,
    refusals.CHANGE: 3,
    limits.HELD: 4,
    limits.NEEDED: 4,
    giving_way.KIND: 4,
    giving_way.VICTIM: 4,
    privileges.REPLACED: 5,
    privileges.OLD: 5,
    privileges.ROLES: 5,
    privileges.STALE: 5,
    privileges.ONE: 5,
    clocks.HOLDER: 5,
    graces.GRACE: 5,
    reading.FREE: 6,
    reading.ONCE: 6,
    reading.COOKIE: 6,
    "no digest is shown": 7,
    clocks.LATE: 8,
    clocks.FIXED: 8,
    clocks.FORWARD: 8,
    clocks.EARLY: 8,
    answers.ANSWERED: 9,
    answers.CODE: 12,
    "nothing crashes": 12,
}
"""A session that a sign-in replaced and that lives on breaks promise 5 by the rule of promise 2."""
