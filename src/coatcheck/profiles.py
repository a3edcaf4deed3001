"""Published time-out guidance as data: dated, with its source.

Each profile holds the settings that `coatcheck.policy.Policy` takes. A profile is a reading of its source on the day
it names; when the source changes, a new profile is added and the old one keeps its meaning.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct


class Profile(Struct, frozen=True, kw_only=True):
    """Settings with their reason.

    Attributes:
        name: how `Policy.from_profile` knows it.
        summary: what it is for, in one sentence.
        source: where the numbers come from.
        dated: the day the source was read (ISO 8601).
        settings: the options of `Policy` that it sets.
    """

    name: str
    summary: str
    source: str
    dated: str
    settings: dict[str, Any]


_OWASP: Final = "OWASP Session Management Cheat Sheet (git 6b8819d, 2026-08-17), Session Expiration"
_NIST: Final = "NIST SP 800-63B-4 (final, 2025), sections 2.1.3, 2.2.3, 2.3.3 and 5.1"

# Section 5.1: a bearer secret should not survive a restart of the browser, so the NIST profiles' cookies end with it.
# They refuse `remember=True`, because a remembered browser must not replace authentication.
_BROWSER: Final[dict[str, Any]] = {"persistent": False, "allow_remember": False}

PROFILES: Final[dict[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile(
            name="owasp_low",
            summary="Low-risk applications: the long end of OWASP's idle range, a working day in all.",
            source=_OWASP,
            dated="2026-11-21",
            settings={**_BROWSER, "idle_timeout": "30m", "absolute_timeout": "8h"},
        ),
        Profile(
            name="owasp_high",
            summary="High-value applications: the long end of OWASP's 2 to 5 minutes idle, four hours in all.",
            source=_OWASP,
            dated="2026-11-21",
            settings={**_BROWSER, "idle_timeout": "5m", "absolute_timeout": "4h"},
        ),
        Profile(
            name="nist_aal1",
            summary="Assurance level 1: at most 30 days in all, no idle timeout asked for.",
            source=_NIST,
            dated="2026-11-21",
            settings={**_BROWSER, "idle_timeout": None, "absolute_timeout": "30d", "aal": 1},
        ),
        Profile(
            name="nist_aal2",
            summary="Assurance level 2: one hour idle, then locked until one factor is shown; 24 hours in all.",
            source=_NIST,
            dated="2026-11-21",
            settings={**_BROWSER, "idle_timeout": "1h", "absolute_timeout": "24h", "aal": 2, "on_idle": "lock"},
        ),
        Profile(
            name="nist_aal3",
            summary="Assurance level 3: 15 minutes idle, 12 hours in all.",
            source=_NIST,
            dated="2026-11-21",
            settings={**_BROWSER, "idle_timeout": "15m", "absolute_timeout": "12h", "aal": 3},
        ),
    )
}

_OWN: Final = "coatcheck, docs/concepts.md, The default policy"
_GUARDED: Final[dict[str, Any]] = {"persistent": False, "allow_remember": False}

PRESETS: Final[dict[str, Profile]] = {
    preset.name: preset
    for preset in (
        Profile(
            name="web",
            summary="Ordinary sites: whoever comes once a week stays signed in, and a stolen ticket is of use for 30 "
            "days at most.",
            source=_OWN,
            dated="2026-11-21",
            settings={},
        ),
        Profile(
            name="sensitive",
            summary="Accounts with something to lose: half an hour idle and a working day in all, so that a browser "
            "left open helps whoever comes next for half an hour at most.",
            source=_OWN,
            dated="2026-11-21",
            settings={**_GUARDED, "idle_timeout": "30m", "absolute_timeout": "12h"},
        ),
        Profile(
            name="critical",
            summary="Money, health, administration: a quarter of an hour idle and eight hours in all, because little "
            "time with a stolen session does much harm.",
            source=_OWN,
            dated="2026-11-21",
            settings={**_GUARDED, "idle_timeout": "15m", "absolute_timeout": "8h"},
        ),
        Profile(
            name="remember_me",
            summary="Every sign-in is remembered for 30 days and claims the lowest assurance level for it, although "
            "NIST SP 800-63B-4, section 5.1, advises against secrets that outlive a restart of the browser.",
            source=_OWN,
            dated="2026-11-21",
            settings={"idle_timeout": "30d", "absolute_timeout": "30d", "aal": 1},
        ),
    )
}
"""The choices that `coatcheck.policy.Policy` has verbs for; ``web`` sets nothing, because it is the default."""
