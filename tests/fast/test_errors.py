"""What is raised: one tree, a code and a status each, and no secrets in messages."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest

import coatcheck
from coatcheck import errors, refusals
from coatcheck.errors import CoatcheckError, ConfigurationError, DataTooLarge, MissingExtra, SignInRequired
from tests.surface.markdown import anchors

STATUS = {
    "coatcheck_error": 500, "configuration": 500, "missing_extra": 500, "store_unavailable": 503,
    "unconfirmed": 503, "unreadable_record": 503, "wrong_event_loop": 500, "session_error": 500,
    "sign_in_required": 401,
    "commit_refused": 409, "session_gone": 401, "privilege_changed": 409, "stale_login": 401,
    "session_limit_reached": 409, "contended": 503, "not_loaded": 500, "insecure_transport": 500, "too_late": 500,
    "transaction_misuse": 500, "not_awaited": 500, "data_error": 500, "not_encodable": 500, "data_too_large": 413,
    "data_mismatch": 500, "wrong_carrier": 400, "step_up_required": 401, "role_required": 403, "path_refused": 400,
    "path_denied": 403, "csrf_refused": 403, "callback_refused": 400, "acting_for_another": 403,
    "account_limit_reached": 409,
}  # fmt: skip


MODULES = ("coatcheck.errors", "coatcheck.refusals")


def tree(kind: type[CoatcheckError] = CoatcheckError) -> list[type[CoatcheckError]]:
    """Return an error class of the library and all below it."""
    below = [each for each in kind.__subclasses__() if each.__module__ in MODULES]
    return [kind, *(each for child in below for each in tree(child))]


def test_codes_and_statuses() -> None:
    """Promise 9: every error has a code of its own and the status that adapters answer with."""
    assert {kind.code: kind.status for kind in tree()} == STATUS
    assert len(tree()) == len(STATUS)


def test_tree_is_drawn_and_exported() -> None:
    """S-102: every class stands in the drawing at the top of its module and can be imported from the package."""
    for kind in tree():
        assert kind.__name__ in f"{errors.__doc__} {refusals.__doc__}"
        assert getattr(coatcheck, kind.__name__) is kind
        assert kind.__doc__


def test_not_encodable_is_a_type_error() -> None:
    """S-04: code that expects a TypeError for a bad value gets one."""
    assert issubclass(errors.NotEncodable, TypeError)


@pytest.mark.parametrize(("faults", "text"), [("one", "one"), (["one"], "one"), (["one", "two"], "- one\n- two")])
def test_configuration_error_lists_faults(faults: Any, text: str) -> None:
    """Policy: a single fault reads as a sentence, several as a list."""
    error = ConfigurationError(faults)
    assert str(error) == text
    assert isinstance(error.faults, tuple)


def test_missing_extra_prints_the_command() -> None:
    """Section 3 of the design: an absent dependency is named with the command that adds it."""
    error = MissingExtra("redis://", "redis", "redis-py")
    assert str(error) == 'redis:// needs redis-py, which is not installed: pip install "coatcheck[redis]"'
    assert isinstance(error, ConfigurationError)


@pytest.mark.parametrize("reason", [*errors.REASONS, "something new"])
def test_sign_in_required_tells_people_why(reason: str) -> None:
    """S-39: each reason has a sentence for people; an unknown one is told as not signed in."""
    error = SignInRequired(reason)
    assert error.reason == reason
    assert str(error) == errors.REASONS.get(reason, "You are not signed in.")
    assert str(error).endswith(".")


def test_data_too_large_names_keys_and_sizes() -> None:
    """Section 3 of the design: the refusal names the sizes, the option, and the largest keys."""
    error = DataTooLarge(20_000, 16_384, [("a", 9000), ("b", 8000)])
    assert (error.size, error.limit, error.largest) == (20_000, 16_384, (("a", 9000), ("b", 8000)))
    for part in ("20000 bytes", "data_limit is 16384", "'a' 9000 bytes, 'b' 8000 bytes"):
        assert part in str(error)


MADE: dict[type[CoatcheckError], CoatcheckError] = {
    ConfigurationError: ConfigurationError(["one", "two"]),
    MissingExtra: MissingExtra("redis://", "redis", "redis"),
    SignInRequired: SignInRequired("idle"),
    DataTooLarge: DataTooLarge(2, 1, [("a", 2)]),
    refusals.StepUpRequired: refusals.StepUpRequired(max_age=300, aal=2),
    refusals.PathRefused: refusals.PathRefused("dot_segment", "it has a dot segment"),
    refusals.PathDenied: refusals.PathDenied(),
    refusals.RoleRequired: refusals.RoleRequired(["editor"]),
    errors.Unconfirmed: errors.Unconfirmed("one replica", epoch=3),
    errors.UnreadableRecord: errors.UnreadableRecord.written_in("id", 9),
}
"""Errors with a constructor of their own; the others take a message."""


@pytest.mark.parametrize("kind", tree(), ids=lambda kind: kind.code)
def test_a_traceback_ends_with_where_it_is_explained(kind: type[CoatcheckError]) -> None:
    """Issue 4: the last line names the page and the heading; the message itself stays as it is."""
    error = MADE.get(kind) or kind("what happened")
    assert error.help == f"docs/reference/errors.md#{kind.code}"
    lines = traceback.format_exception_only(error)
    assert lines[-1] == f"See {error.help}\n"
    assert "errors.md" not in str(error)
    error.add_note("what the application adds")
    assert traceback.format_exception_only(error)[-1] == "what the application adds\n"


def test_every_error_has_its_heading() -> None:
    """Issue 4: what a message points to is there, and says more than the message."""
    page = Path(__file__).resolve().parents[2] / errors.PAGE
    assert sorted({kind.code for kind in tree()} - anchors(page.read_text())) == []
