"""Choosing sessions: each condition, all of them together, and how a selection says itself."""

from __future__ import annotations

from typing import Any

import pytest

from coatcheck import Device, Selection, SessionInfo
from coatcheck.model import replace
from coatcheck.selection import EVERYTHING

DAY = 86_400_000
NOW = 1_800_000_000_000

INFO = SessionInfo(
    id="0" + "A" * 25,
    user_id="ann",
    roles=("editor", "user"),
    created_at=NOW - 10 * DAY,
    last_seen_at=NOW - DAY,
    idle_expires_at=NOW + DAY,
    expires_at=NOW + 20 * DAY,
    ended_at=None,
    reason=None,
    persistent=True,
    lifetime="remember_me",
    version=1,
    generation=1,
    device=Device(browser="Firefox 153", system="Linux", first_address="10.1.2.3", last_address="::ffff:192.0.2.7"),
    data_bytes=0,
)
ANONYMOUS = replace(INFO, user_id=None, roles=(), lifetime="default", device=None)
ENDED = replace(INFO, ended_at=NOW, reason="revoked", roles=(), lifetime="", device=Device())


@pytest.mark.parametrize(
    ("conditions", "matches"),
    [
        ({}, True),
        ({"user_id": "ann"}, True),
        ({"user_id": "an"}, False),
        ({"role": "editor"}, True),
        ({"role": "edit"}, False),
        ({"device": "fireFOX"}, True),
        ({"device": "on linux"}, True),
        ({"device": "chrome"}, False),
        ({"address": "10.1.2.3"}, True),
        ({"address": "10.0.0.0/8"}, True),
        ({"address": "10.1.2.9/8"}, True),
        ({"address": "192.0.2.0/24"}, True),
        ({"address": "::ffff:192.0.2.7"}, True),
        ({"address": "10.1.2.4"}, False),
        ({"address": "2001:db8::/32"}, False),
        ({"created_before": NOW - 10 * DAY}, False),
        ({"created_before": NOW - 10 * DAY + 1}, True),
        ({"created_after": NOW - 10 * DAY}, True),
        ({"created_after": NOW - 10 * DAY + 1}, False),
        ({"seen_before": NOW - DAY}, False),
        ({"seen_before": NOW - DAY + 1}, True),
        ({"seen_after": NOW - DAY}, True),
        ({"seen_after": NOW - DAY + 1}, False),
        ({"signed_in": True}, True),
        ({"signed_in": False}, False),
        ({"remembered": True}, True),
        ({"remembered": False}, False),
        ({"ended": False}, True),
        ({"ended": True}, False),
        ({"reason": "revoked"}, False),
        ({"user_id": "ann", "role": "editor", "device": "chrome"}, False),
        ({"user_id": "ann", "role": "editor", "device": "firefox", "address": "10.0.0.0/8"}, True),
    ],
    ids=str,
)
def test_each_condition_and_all_together(conditions: dict[str, Any], matches: bool) -> None:
    """A session is meant when every condition applies to it; bounds are exact to the millisecond."""
    assert Selection(**conditions).matches(INFO) is matches


@pytest.mark.parametrize(
    ("info", "conditions", "matches"),
    [
        (ANONYMOUS, {"signed_in": False}, True),
        (ANONYMOUS, {"signed_in": True}, False),
        (ANONYMOUS, {"remembered": False}, True),
        (ANONYMOUS, {"device": "unknown browser"}, True),
        (ANONYMOUS, {"address": "0.0.0.0/0"}, False),
        (ENDED, {"ended": True}, True),
        (ENDED, {"reason": "revoked"}, True),
        (ENDED, {"reason": "idle"}, False),
        (ENDED, {"remembered": True}, False),
        (ENDED, {"remembered": False}, False),
        (ENDED, {"role": "editor"}, False),
        (replace(INFO, device=Device(last_address="a proxy's word")), {"address": "0.0.0.0/0"}, False),
    ],
    ids=str,
)
def test_what_is_not_known_does_not_match(info: SessionInfo, conditions: dict[str, Any], matches: bool) -> None:
    """Anonymous and ended sessions match only by what is known of them; an address that is none matches no network."""
    assert Selection(**conditions).matches(info) is matches


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"address": "10.0.0.0/33"}, "neither an address nor a network"),
        ({"address": "home"}, "such as 10.1.2.3"),
        ({"reason": "bored"}, "signed_out"),
        ({"reason": "idle", "ended": False}, "has no reason"),
        ({"user_id": "ann", "signed_in": False}, "has no user"),
        ({"seen_before": 5, "seen_after": 5}, "nothing lies between"),
        ({"created_before": 5, "created_after": 6}, "nothing lies between"),
    ],
    ids=str,
)
def test_what_no_session_can_match_is_refused(conditions: dict[str, Any], message: str) -> None:
    """What cannot be read, or excludes itself, is a ValueError that says what to write."""
    with pytest.raises(ValueError, match=message):
        Selection(**conditions)


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({}, "sessions"),
        ({"user_id": "u-1", "seen_before": NOW - 7 * DAY}, "sessions of user u-1 not seen for 7 days"),
        ({"signed_in": False, "ended": False}, "live anonymous sessions"),
        ({"remembered": True, "role": "editor"}, "remembered sessions with the role editor"),
        ({"device": "iOS", "address": "10.0.0.0/8"}, "sessions in a browser named like 'iOS' from 10.0.0.0/8"),
        (
            {"created_before": NOW - DAY, "created_after": NOW - 2 * DAY, "seen_after": NOW - 3_600_000},
            "sessions begun more than 1 day ago begun in the last 2 days seen in the last 1 hour",
        ),
        ({"ended": True, "reason": "idle"}, "ended sessions that ended for the reason idle"),
        ({"signed_in": True, "remembered": False}, "signed-in unremembered sessions"),
    ],
    ids=str,
)
def test_a_selection_says_itself(conditions: dict[str, Any], words: str) -> None:
    """Every condition is in the words, so that a person who confirms a revocation reads all of it."""
    assert Selection(**conditions).words(NOW) == words


def test_every_condition_is_said() -> None:
    """No condition is left out of the words: each one alone says more than the selection of everything."""
    values: dict[str, Any] = {"address": "10.0.0.0/8", "reason": "idle", "signed_in": True, "remembered": True,
                              "ended": True}  # fmt: skip
    for name in Selection.__struct_fields__:
        value = values.get(name, 5 if name.endswith(("before", "after")) else "x")
        assert Selection(**{name: value}).words(NOW) != EVERYTHING.words(NOW), name


@pytest.mark.parametrize("name", ["user_id", "role", "device", "address"])
@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_blank_part_is_refused(name: str, blank: str) -> None:
    """An unset variable in a script must not choose everybody: no browser's name holds less than nothing."""
    with pytest.raises(ValueError, match=f"{name} is blank; leave it out"):
        Selection(**{name: blank})
