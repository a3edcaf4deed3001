"""What an answer writes: as little as possible, at most one verb, and nothing on what is over."""

from __future__ import annotations

from typing import Any

import pytest

from coatcheck import (
    CommitRefused,
    DataTooLarge,
    InsecureTransport,
    Policy,
    PrivilegeChanged,
    SessionGone,
    SignInRequired,
)
from coatcheck.codec import encode
from coatcheck.lifecycle import Cookie
from coatcheck.state import Visit
from coatcheck.transitions import data_size
from tests.fast._world import World
from tests.fast.conftest import Build


def test_what_reading_costs(build: Build) -> None:
    """Promise 6, S-38: unlooked: one read; looked within touch_every: one read; then one touch, and no cookie."""
    world = build()
    token = world.sign_in(data={"n": [1]})
    steps: list[tuple[str, bool, list[str]]] = [
        ("59999ms", True, ["find"]), ("1h", False, ["find"]), ("1ms", True, ["find", "touch"]), ("59s", True, ["find"])
    ]  # fmt: skip
    for advance, looks, expected in steps:
        world.clock.advance(advance)
        world.store.calls.clear()
        session = world.load(token)
        if looks:
            assert session["n"] == [1]
        outcome = world.save(session)
        assert (world.store.calls, outcome.cookie) == (expected, Cookie.KEEP)
    assert world.store.row().last_seen_at == world.clock.now_ms - 59_000


def test_a_write_is_one_verb_and_carries_the_activity(build: Build) -> None:
    """Section 3 of the design: a change is one commit, which records activity too when it is due."""
    world = build()
    token = world.sign_in()
    world.clock.advance("2m")
    world.store.calls.clear()
    session = world.load(token)
    session["n"] = 1
    world.save(session)
    assert world.store.calls == ["find", "commit"]
    assert world.store.row().last_seen_at == world.clock.now_ms


def test_different_keys_both_win(build: Build) -> None:
    """Promise 3: two requests that change different keys both win; of the same key the last commit wins."""
    world = build()
    token = world.sign_in(data={"same": 0, "gone": 1})
    left, right = world.load(token), world.load(token)
    left["left"], left["same"] = 1, 1
    right["right"], right["same"] = 2, 2
    del right["gone"]
    world.save(left)
    world.save(right)
    assert world.data(token) == {"left": 1, "right": 2, "same": 2}


@pytest.mark.parametrize("end", ["revoke", "revoke_user", "revoke_all", "logout", "login", "expire"])
def test_late_write_is_refused(build: Build, end: str) -> None:
    """Promise 2, ruling 4: a request in flight when its session ends commits nothing and brings nothing back."""
    world = build(Policy.sensitive())
    token = world.sign_in(data={"n": 1})
    late, other = world.load(token), world.load(token)
    late["n"] = 2
    acts: dict[str, Any] = {
        "revoke": lambda: world.sessions.revoke(late.id), "revoke_user": lambda: world.sessions.revoke_user("ada"),
        "revoke_all": world.sessions.revoke_all, "logout": other.logout,
        "login": lambda: other.login("ada"), "expire": lambda: world.clock.advance("31m"),
    }  # fmt: skip
    world.run(acts[end]())
    made = len(world.store.inner._rows.live)
    with pytest.raises(SessionGone):
        world.save(late)
    assert len(world.store.inner._rows.live) == made
    assert world.user(token) is None
    assert [event.details["why"] for event in world.events.only("session.commit_refused")] == ["gone"]
    assert world.save(late).token is None


def test_write_across_generations_is_refused(build: Build) -> None:
    """Promise 3: a change from before a change of privilege is refused with an event, not merged upward."""
    world = build()
    token = world.sign_in(data={"n": 1})
    late = world.load(token)
    late["n"] = 2
    world.run(world.sessions.set_roles("ada", ["reader"]))
    with pytest.raises(PrivilegeChanged):
        world.run(late.save())
    assert dict(late) == {"n": 1}
    assert [event.details["why"] for event in world.events.only("session.commit_refused")] == ["generation"]
    assert world.data(token) == {"n": 1}


def test_refused_save_can_be_caught(build: Build) -> None:
    """Ruling 4: a handler may call save() itself, catch the refusal, and answer as it likes, without a cookie."""
    world = build()
    session = world.load(world.sign_in())
    session["n"] = 1
    world.run(world.sessions.revoke_user("ada"))
    with pytest.raises(CommitRefused):
        world.run(session.save())
    assert world.save(session).token is None


def test_refused_touch_changes_nothing(build: Build) -> None:
    """Ruling 4, promise 11: a touch that is refused is no error, and its answer does not send the dead ticket again."""
    world = build(Policy(absolute_timeout=None))
    token = world.sign_in()
    world.clock.advance("2m")
    session = world.load(token)
    _ = session.user_id
    world.run(world.sessions.revoke(session.id))
    assert world.save(session).token is None


@pytest.mark.parametrize("reason", ["idle", "absolute", "revoked", "signed_out", "evicted"])
def test_write_on_a_dead_ticket_makes_a_new_session(build: Build, reason: str) -> None:
    """Ruling 5: with an ended ticket a read deletes the cookie, and a write makes a fresh anonymous session."""
    world = build(Policy(idle_timeout="1h", absolute_timeout="90m", max_sessions=1))
    token = world.sign_in(data={"secret": 1})
    kill(world, token, reason)
    session, outcome = world.visit(token)
    assert (session.user_id, dict(session), outcome.cookie) == (None, {}, Cookie.DELETE)
    assert session.reason == ("expired" if reason == "absolute" else reason)
    session = world.load(token)
    session["n"] = 1
    fresh = world.sent(session)
    assert fresh[:26] != token[:26]
    assert (world.data(fresh), world.user(fresh)) == ({"n": 1}, None)


def kill(world: World, token: str, reason: str) -> None:
    """End a session in this way."""
    if reason == "idle":
        world.clock.advance("1h")
    elif reason == "absolute":
        world.clock.advance("50m")
        world.visit(token)
        world.clock.advance("40m")
    elif reason == "revoked":
        world.run(world.sessions.revoke_user("ada"))
    elif reason == "signed_out":
        world.run(world.load(token).logout())
    else:
        world.sign_in()


def test_superseded_ticket_never_makes_a_session(build: Build) -> None:
    """Ruling 5, promise 11: a late request with a replaced ticket wipes nothing, and its changes are refused."""
    world = build()
    old = world.visitor(cart=1)
    new = world.sign_in(token=old)
    session, outcome = world.visit(old)
    assert (session.reason, outcome.cookie) == ("superseded", Cookie.KEEP)
    session = world.load(old)
    session["n"] = 1
    with pytest.raises(SessionGone):
        world.save(session)
    assert (world.run(world.sessions.count()), world.user(new)) == (1, "ada")
    assert world.events.only("session.commit_refused")[0].details["why"] == "superseded"


def test_wrong_secret_is_told_no_reason(build: Build) -> None:
    """S-39: only the holder of the right secret learns how a session ended."""
    world = build()
    token = world.sign_in()
    world.run(world.sessions.revoke_user("ada"))
    session, outcome = world.visit(token[:27] + "A" * 43)
    assert (session.reason, outcome.cookie) == (None, Cookie.KEEP)


def test_warning_and_limit(build: Build) -> None:
    """Section 3 of the design: above 4 KiB an event warns; above 16 KiB the save is refused, by its keys."""
    world = build()
    token = world.sign_in(data={"a": "x" * 2000})
    assert not world.events.only("session.data_large")
    session = world.load(token)
    session["b"] = "x" * 3000
    world.save(session)
    (event,) = world.events.only("session.data_large")
    assert int(event.details["size"] or 0) > 5000
    assert str(event.details["largest"]).startswith("b 300")
    session = world.load(token)
    session["c"], session["tiny"] = "x" * 12_000, 1
    with pytest.raises(DataTooLarge) as caught:
        world.save(session)
    assert [key for key, _ in caught.value.largest] == ["c", "b", "a"]
    assert caught.value.limit == 16_384
    assert set(world.data(token)) == {"a", "b"}
    del session["c"]
    world.save(session)
    assert set(world.data(token)) == {"a", "b", "tiny"}


def test_limit_counts_what_others_stored_meanwhile(build: Build) -> None:
    """Promise 3: two requests that fit alone and not together: the second is refused, and nothing is lost."""
    world = build()
    token = world.sign_in()
    left, right = world.load(token), world.load(token)
    left["left"], right["right"] = "x" * 9000, "x" * 9000
    world.save(left)
    with pytest.raises(DataTooLarge) as caught:
        world.save(right)
    assert {key for key, _ in caught.value.largest} == {"left", "right"}
    assert set(world.data(token)) == {"left"}


def test_limit_counts_what_others_removed_meanwhile(build: Build) -> None:
    """Promise 3: what does not fit beside keys that another request has removed since fits, and is saved."""
    world = build()
    token = world.sign_in(data={"old": "x" * 9000})
    left, right = world.load(token), world.load(token)
    del left["old"]
    right["new"] = "x" * 9000
    world.save(left)
    world.save(right)
    assert set(world.data(token)) == {"new"}


def test_sizes_are_those_that_the_store_found(build: Build) -> None:
    """Promise 3: the error names the merged size to the byte, and the changes stay, to be made smaller."""
    world = build(Policy(data_limit=100, data_warning=100))
    token = world.sign_in(data={"a": "x" * 40})
    left, right = world.load(token), world.load(token)
    left["b"], right["c"] = "x" * 30, "x" * 50
    world.save(left)
    with pytest.raises(DataTooLarge) as caught:
        world.save(right)
    stored = world.store.row().data
    assert caught.value.size == data_size(stored) + 1 + len(encode("x" * 50))
    assert [key for key, _ in caught.value.largest] == ["c", "a", "b"]
    assert [event.details["why"] for event in world.events.only("session.commit_refused")] == ["too_large"]
    right["c"] = "x"
    world.save(right)
    assert set(world.data(token)) == {"a", "b", "c"}


def test_what_is_too_large_by_itself_is_not_sent(build: Build) -> None:
    """Promise 6: a change that alone passes the limit asks no store, and a transaction says the same."""
    world = build()
    token = world.sign_in()
    session = world.load(token)
    session["big"] = "x" * 20_000
    world.store.calls.clear()
    with pytest.raises(DataTooLarge):
        world.save(session)
    assert world.store.calls == []
    session_id = world.store.row().id
    for size in (20_000, 9000):
        with pytest.raises(DataTooLarge):
            world.run(world.sessions.transaction(session_id, lambda data, n=size: data.update(a="x" * n, b="x" * 9000)))
    told = [(event.session_id, event.details["why"]) for event in world.events.only("session.commit_refused")]
    assert told == [(session_id, "too_large")] * 3
    assert world.data(token) == {}


def test_policy_without_anonymous_sessions(build: Build) -> None:
    """S-03: where nobody may store data who is not signed in, a write says so and makes no row, also a typed one."""
    world = build(Policy(anonymous=False))
    session = world.load()
    with pytest.raises(SignInRequired):
        session["n"] = 1
    session._state.data.set("n", 1)
    with pytest.raises(SignInRequired):
        world.save(session)
    assert world.store.writes == []


def test_plain_http_reads_and_does_not_write(build: Build) -> None:
    """Ruling 6: over plain http reading is anonymous, and the first write raises with the remedy."""
    world = build()
    session = world.load(None, Visit(insecure="use https"))
    assert dict(session) == {}
    with pytest.raises(InsecureTransport, match="use https"):
        session["n"] = 1
    assert world.save(session).cookie is Cookie.KEEP


@pytest.mark.parametrize(
    ("policy", "sent"),
    [
        (Policy(absolute_timeout=None), True),
        (Policy(absolute_timeout=None, persistent=False), False),
        (Policy(), False),
    ],
    ids=["no absolute", "browser session", "absolute"],
)
def test_cookie_is_sent_again_only_without_an_absolute_deadline(build: Build, policy: Policy, sent: bool) -> None:
    """Ruling 17, promise 6: at most once per touch_every, and with the record's new deadline."""
    world = build(policy.adjusted(rotate_every=None))
    token = world.sign_in()
    for advance, due in (("59s", False), ("1s", True), ("59s", False), ("3d", True)):
        world.clock.advance(advance)
        _, outcome = world.visit(token)
        assert (outcome.cookie is Cookie.SEND) is (sent and due)
        if sent and due:
            assert (outcome.token, outcome.deadline) == (token, world.store.row().idle_expires_at)


def test_login_holds_when_a_later_save_is_refused(build: Build) -> None:
    """Section 4 of the design: login holds from the moment it returns; data refused afterwards does not undo it."""
    world = build()
    session = world.load()
    world.run(session.login("ada"))
    session["big"] = "x" * 20_000
    with pytest.raises(DataTooLarge):
        world.run(session.save())
    del session["big"]
    outcome = world.save(session)
    assert outcome.token is not None
    assert world.user(outcome.token) == "ada"
