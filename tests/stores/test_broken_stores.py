"""The conformance suite notices every broken store, and nothing in a good one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coatcheck.model import replace
from coatcheck.stores.contract import Store, Traits
from coatcheck.stores.memory import MemoryStore
from coatcheck.testing.contract import Bench, OpenStore, StoreContract
from tests.stores import broken, broken_counts, broken_origins

TESTS = sorted(name for name in dir(StoreContract) if name.startswith("test_"))

EXPECTED: dict[type[MemoryStore], set[str]] = {
    broken.AdoptsTakenIds: {
        "test_create_never_overwrites_a_live_session",
        "test_create_never_overwrites_a_tombstone",
        "test_of_simultaneous_creates_of_one_id_one_wins",
    },
    broken.AdoptsUnknownIds: {"test_an_unknown_id_answers_none_and_makes_no_row"},
    broken.Resurrects: {
        "test_nothing_brings_an_ended_session_back",
        "test_no_request_in_flight_brings_a_session_back",
    },
    broken.LosesUpdates: {"test_many_writers_lose_nothing"},
    broken.RacesTheLimit: {
        "test_a_hundred_sign_ins_at_once_leave_five",
        "test_a_hundred_sign_ins_at_once_are_rejected_past_five",
    },
    broken.LeavesWhatIsOver: {"test_a_sign_in_under_a_limit_ends_what_is_over"},
    broken.LocksTheLimitTooLate: {
        "test_a_hundred_sign_ins_at_once_leave_five",
        "test_a_hundred_sign_ins_at_once_are_rejected_past_five",
    },
    broken.ForgetsTheIndex: {
        "test_end_user_ends_all_but_the_one_to_keep",
        "test_live_sessions_are_listed_most_recent_first",
        "test_no_sign_in_with_the_old_password_survives",
    },
    broken.IgnoresGeneration: {"test_another_generation_is_refused"},
    broken.IgnoresTheEpoch: {
        "test_a_stale_epoch_is_refused",
        "test_a_request_that_began_before_the_raise_is_refused",
        "test_no_sign_in_with_the_old_password_survives",
        "test_no_old_sign_in_survives_everybody_out",
    },
    broken.ListsTheExpired: {"test_only_live_sessions_are_listed"},
    broken.CountsTheExpired: {"test_expired_and_ended_sessions_do_not_count"},
    broken.CommitsToTheExpired: {
        "test_a_session_is_dead_at_its_idle_deadline",
        "test_a_session_is_dead_at_its_absolute_deadline",
    },
    broken.LeaksInRepr: {"test_reprs_of_the_store_and_its_answers_hold_no_digest"},
    broken.LeaksInError: {"test_errors_hold_no_digest"},
    broken.LeaksInList: {"test_lists_hold_no_digest"},
    broken.TouchesBackward: {
        "test_activity_moves_forward_only",
        "test_simultaneous_activity_ends_at_the_latest",
    },
    broken.EndsAnyones: {"test_a_revoke_reaches_only_the_owners_session"},
    broken.StopsSweepingEarly: {
        "test_sweeping_while_there_is_more_forgets_everything_old",
        "test_sweeping_while_there_is_more_reaches_the_bound",
    },
    broken.SweepsForEver: {
        "test_sweeping_while_there_is_more_forgets_everything_old",
        "test_sweeping_while_there_is_more_reaches_the_bound",
    },
    broken.SparesTheExpired: {"test_set_roles_changes_what_could_come_back"},
    broken.SuspendsWhenClosing: {"test_a_blocking_store_never_suspends"},
    broken.TellsSeconds: {"test_the_clock_is_in_milliseconds"},
    broken_counts.OverwritesCounts: {"test_counts_are_added_to_their_minute_hour_and_day"},
    broken_counts.RacesTheCounts: {"test_everybodys_counts_add_up"},
    broken_counts.RemembersMinutes: {"test_buckets_are_forgotten_when_their_time_is_over"},
    broken_counts.CountsTooMuch: {"test_counts_are_read_in_order_and_within_bounds"},
    broken_origins.DropsOrigins: {
        "test_an_origin_comes_back_as_it_was",
        "test_an_origin_survives_a_commit_and_a_touch",
        "test_an_origin_survives_every_change_of_privilege",
        "test_an_origin_is_not_handed_on",
    },
    broken_origins.ForgetsOriginsInCommits: {"test_an_origin_survives_a_commit_and_a_touch"},
    broken_origins.ForgetsOriginsInRotations: {"test_an_origin_survives_every_change_of_privilege"},
    broken_origins.HandsOriginsOn: {"test_an_origin_is_not_handed_on"},
    broken_origins.ListsWithoutOrigins: {"test_lists_show_the_origin", "test_pages_show_the_origin"},
}


def red_tests(open_store: OpenStore) -> dict[str, str]:
    """Run the whole suite and return the failed tests, each with what it said."""
    red: dict[str, str] = {}
    for name in TESTS:
        try:
            with Bench(open_store) as bench:
                getattr(StoreContract(), name)(bench)
        except pytest.skip.Exception:
            continue
        except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001  (any failure is red)
            red[name] = f"{type(failure).__name__}: {failure}".partition("\n")[0]
    return red


def test_the_memory_store_is_green() -> None:
    """The suite finds nothing in a store that keeps the contract, so that red means something (promises 1 to 8)."""
    assert len(TESTS) > 80
    assert red_tests(MemoryStore) == {}


@pytest.mark.parametrize("store", EXPECTED, ids=lambda store: store.__name__)
def test_a_broken_store_is_red(store: type[MemoryStore], record_property: Callable[[str, object], None]) -> None:
    """Each fault turns the tests of its promise red, and leaves most others green (promises 1 to 8)."""
    red = red_tests(store)
    record_property("red", sorted(red))
    said = "\n".join(f"  {name}: {text}" for name, text in red.items())
    assert EXPECTED[store] <= set(red), f"not noticed: {sorted(EXPECTED[store] - set(red))}; red were\n{said}"
    assert len(red) < len(TESTS) / 3, f"one fault, and the suite no longer says which:\n{said}"


def test_a_capability_that_is_not_declared_is_skipped() -> None:
    """A store of required verbs alone is asked for nothing more, and each skip says why."""

    def plain() -> Store:
        return _Plain()

    skipped: set[str] = set()
    for name in TESTS:
        try:
            with Bench(plain) as bench:
                getattr(StoreContract(), name)(bench)
        except pytest.skip.Exception as skip:
            skipped.add(str(skip))
    names = ("LIST", "BROWSE", "SWEEP", "SIDE", "LEASE", "COUNTERS", "persistent", "shared")
    assert skipped == {f"store does not declare {name}" for name in names} | {
        "open_store takes no tenant",
        "the test file has no fixture plant",
    }


class _Plain:
    """The required verbs and nothing else: what is asked for beyond them is an `AttributeError`."""

    def __init__(self) -> None:
        """Stand before a memory store."""
        self._whole = MemoryStore()

    def __getattr__(self, name: str) -> object:
        """Hand out the verbs of `Store` alone."""
        if name not in dir(Store):
            raise AttributeError(name)
        return getattr(self._whole, name)

    @property
    def traits(self) -> Traits:
        """Declare no capability."""
        return replace(self._whole.traits, capabilities=frozenset())
