"""The count of what a kill cost, on small stories written by hand: every kind of loss is seen, and nothing else."""

from __future__ import annotations

import pytest

from torture.killing.steps import Sight, Step, Verb
from torture.killing.tally import Count, Found, added, count

MS = 1_000_000
LIVE, DEAD, NONE = Sight("live"), Sight("dead", 0, "revoked"), Sight("none")


def step(verb: Verb, at: int, answer: str = "ok", **facts: object) -> Step:
    """Return a step of Ann's that took a millisecond."""
    return Step(at * MS, (at + 1) * MS, verb, answer, "ann", **facts)  # type: ignore[arg-type]  # what a test says


def counted(steps: list[Step], before: Sight, after: Sight | None = None, *, epoch: int = 9, live: int = 1) -> Count:
    """Count a kill at 100 ms; every session is seen alike, Ann has one epoch throughout."""
    ids = {each.session for each in steps if each.session} | {dead for each in steps for dead in each.ended}
    first = Found(sights=dict.fromkeys(ids, before), epochs={"ann": epoch})
    last = Found(sights=dict.fromkeys(ids, after or before), live={"ann": ["s"] * live}, epochs={"ann": epoch})
    return count(steps, safe_at=0, killed_at=100 * MS, limit=3, before=first, after=last)


SIGNED = step("sign_in", 10, session="s")
ENDED = step("revoke", 20, session="s")
EVICTED = step("sign_in", 20, session="t", ended=("s",))
WRITTEN = step("commit", 20, session="s", value=1)


@pytest.mark.parametrize(
    ("steps", "before", "after", "kept", "lost"),
    [
        ([SIGNED], LIVE, LIVE, {"sign_in": 1}, {}),
        ([SIGNED], NONE, NONE, {}, {"sign_in": 1}),
        ([SIGNED, WRITTEN], Sight("live", 1), None, {"sign_in": 1, "commit": 1}, {}),
        ([SIGNED, WRITTEN], LIVE, None, {"sign_in": 1}, {"commit": 1}),
        ([SIGNED, ENDED], DEAD, DEAD, {"revocation": 1}, {}),
        ([SIGNED, ENDED], NONE, NONE, {"revocation": 1}, {}),
        ([SIGNED, ENDED], LIVE, DEAD, {}, {"revocation": 1}),
        ([SIGNED, EVICTED], LIVE, LIVE, {"sign_in": 1}, {"eviction": 1}),
        ([step("sign_in", 10, "unknown", session="s")], NONE, NONE, {}, {}),
        ([SIGNED, step("revoke", 20, "unknown", session="s")], DEAD, DEAD, {}, {}),
        ([SIGNED, step("revoke_user", 20, "unknown")], DEAD, DEAD, {}, {}),
    ],
)  # fmt: skip
def test_kept_and_lost(
    steps: list[Step], before: Sight, after: Sight | None, kept: dict[str, int], lost: dict[str, int]
) -> None:
    """An acknowledged step whose effect is gone is lost; one without an answer is neither."""
    total = counted(steps, before, after)

    assert (total.kept, total.lost, total.strange) == (kept, lost, [])


def test_an_end_that_was_repeated_is_told_from_one_that_was_not() -> None:
    """Alive at the first look and dead at the second was repeated; alive at both is undone for good."""
    assert counted([SIGNED, ENDED], LIVE, DEAD).repeated == {"revocation": 1}
    assert counted([SIGNED, ENDED], LIVE, LIVE).lost_for_good == {"revocation": 1}
    assert counted([SIGNED, ENDED], DEAD, LIVE).lost_for_good == {"revocation": 1}


def test_a_revocation_of_a_user_counts_its_epoch_and_every_session() -> None:
    """Whoever was signed in is dead after it, and the epoch lies above the one that was read before."""
    steps = [SIGNED, step("revoke_user", 20, value=5)]

    assert counted(steps, DEAD, epoch=5).kept == {"revocation": 2}
    assert counted(steps, DEAD, epoch=4).lost == {"revocation": 1}
    assert counted(steps, LIVE, epoch=5).lost == {"revocation": 1}
    assert counted([*steps, step("sign_in", 30, session="t")], LIVE, epoch=5).kept["sign_in"] == 1


def test_what_nobody_wrote_is_strange() -> None:
    """A value that was never sent, an end that nobody asked for, a session that cannot be read."""
    assert counted([SIGNED], Sight("live", 7)).strange == ["s holds 7, which nobody wrote"]
    assert counted([SIGNED], DEAD).strange == ["s ended as revoked, and nobody ended it"]
    assert counted([SIGNED], Sight("unreadable")).strange == ["s cannot be read"]


def test_limits_and_ages_and_silences_are_counted() -> None:
    """More live sessions than the limit is a breach; the oldest loss has its age; what has no answer is named."""
    silent = [step("commit", 50, "unknown", session="s", value=1), step("revoke", 60, "unconfirmed", session="s")]

    total = counted([SIGNED, *silent], NONE, live=4)

    assert (total.breaches, total.oldest) == (1, 89.0)
    early = Found(sights={"s": LIVE}, live={"ann": ["s"] * 4}, epochs={"ann": 9})
    late = Found(sights={"s": LIVE}, live={"ann": ["s"]}, epochs={"ann": 9})
    assert count([SIGNED], safe_at=0, killed_at=100 * MS, limit=3, before=early, after=late).breaches == 1
    assert total.unknown == {"commit": 1, "unconfirmed": 1}
    assert added([total, total]).unknown == {"commit": 2, "unconfirmed": 2}
    assert added([total, total]).oldest == 89.0


def test_a_loss_that_was_safe_already_is_told_from_one_of_the_last_steps() -> None:
    """What was acknowledged before snapshot or replicas had everything must not be lost; what came after may be."""
    steps, nothing = [SIGNED, step("sign_in", 60, session="t")], Found(sights={"s": NONE, "t": NONE})

    total = count(steps, safe_at=50 * MS, killed_at=100 * MS, limit=3, before=nothing, after=nothing)

    assert (total.lost, total.too_old, total.span) == ({"sign_in": 2}, 1, 50.0)
    assert (added([total, total]).too_old, added([total, total]).span) == (2, 50.0)
