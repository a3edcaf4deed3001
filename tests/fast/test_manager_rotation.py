"""New secrets: by age, by privilege, and because roles were changed elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from coatcheck import CommitRefused, Policy, PrivilegeChanged, SessionGone, SignInRequired
from coatcheck.lifecycle import Cookie
from coatcheck.state import Visit
from tests.fast._world import Browser, World
from tests.fast.conftest import Build


def aged(build: Build, policy: Policy | None = None, **data: Any) -> tuple[World, str]:
    """Sign in and wait until the secret is due for rotation."""
    world = build(policy)
    token = world.sign_in(data=data)
    world.clock.advance("24h")
    world.events.clear()
    return world, token


def test_rotation_by_age(build: Build) -> None:
    """Ruling 3, promise 8: after rotate_every the next request gets a new secret, the same id, deadlines and data."""
    world, token = aged(build, n=1)
    before = world.store.row()
    session, outcome = world.visit(token)
    assert outcome.cookie is Cookie.SEND
    assert outcome.token is not None
    assert (outcome.token[:27], outcome.token != token) == (token[:27], True)
    after = world.store.row()
    assert (after.expires_at, after.created_at, after.generation) == (before.expires_at, before.created_at, 1)
    assert (world.data(outcome.token), session.user_id) == ({"n": 1}, "ada")
    assert [(event.name, event.details["by"]) for event in world.events] == [("session.regenerated", "age")]


def test_rotation_by_age_can_be_off(build: Build) -> None:
    """Ruling 3: with rotate_every=None the secret stays."""
    world, token = aged(build, Policy(rotate_every=None))
    assert world.visit(token)[1].cookie is Cookie.KEEP


def test_never_on_prefetch_or_stream(build: Build) -> None:
    """Ruling 14: where the ticket may not change neither a due rotation nor the successor is sent."""
    world, token = aged(build)
    quiet = Visit(may_rotate=False)
    assert world.visit(token, quiet)[1].cookie is Cookie.KEEP
    assert world.events == []
    successor = world.visit(token)[1].token
    assert world.visit(token, quiet)[1].cookie is Cookie.KEEP
    assert world.visit(token)[1].token == successor


def test_lost_answer_signs_nobody_out(build: Build) -> None:
    """Ruling 3, promise 5: a browser that never received the new secret goes on with the old one, and gets it again."""
    world, token = aged(build)
    browser = Browser(world, token)
    for _ in range(5):
        browser.request(lost=True)
        world.clock.advance("1h")
    assert browser.request() == "ada"
    assert browser.token != token
    world.clock.advance("1m")
    assert browser.request() == "ada"
    assert world.events.names == ["session.regenerated"]


@pytest.mark.parametrize("writes", [False, True])
def test_parallel_requests_get_the_same_successor(build: Build, writes: bool) -> None:
    """Ruling 3, promises 3 and 11: requests that meet in a rotation get one successor, and their changes all hold."""
    world, token = aged(build)
    sessions = [world.load(token) for _ in range(4)]
    for number, session in enumerate(sessions):
        _ = session.user_id
        if writes:
            session[f"key{number}"] = number
    sent = {world.save(session).token for session in sessions}
    assert len(sent) == 1
    assert sent != {token}
    assert world.data(sent.pop()) == ({f"key{number}": number for number in range(4)} if writes else {})
    assert world.events.names == ["session.regenerated"]


def test_grace_and_theft(build: Build) -> None:
    """Ruling 3: once the new secret was seen the old one is served without a cookie, and after the grace is theft."""
    world, token = aged(build)
    successor = world.visit(token)[1].token
    world.visit(successor)
    world.clock.advance("29999ms")
    session, outcome = world.visit(token)
    assert (session.user_id, outcome.cookie) == ("ada", Cookie.KEEP)
    world.clock.advance("1ms")
    session, outcome = world.visit(token)
    assert (session.user_id, session.reason, outcome.cookie) == (None, "superseded", Cookie.KEEP)
    (event,) = world.events.only("session.theft_suspected")
    assert (event.user_id, event.details["ended"]) == ("ada", False)
    assert world.user(successor) == "ada"


def test_theft_can_end_the_session(build: Build) -> None:
    """Ruling 3: with on_theft="end" the late secret ends the session, with one event of each kind."""
    world, token = aged(build, Policy(on_theft="end"))
    successor = world.visit(token)[1].token
    world.visit(successor)
    world.clock.advance("31s")
    assert world.visit(token)[0].user_id is None
    assert world.load(successor).reason == "revoked"
    assert world.events.names == ["session.regenerated", "session.theft_suspected", "session.ended"]
    assert world.events[1].details["ended"] is True


def test_privilege_rotation_kills_at_once(build: Build) -> None:
    """Promise 5, ruling 14: after rotate() the old secret is dead, without theft event, deletion or another session."""
    world = build()
    token = world.sign_in(data={"n": 1})
    late, session = world.load(token), world.load(token)
    session["n"] = 2
    world.run(session.rotate())
    assert world.user(token) is None
    fresh = world.sent(session)
    assert (world.user(fresh), world.data(fresh), fresh[:26] == token[:26]) == ("ada", {"n": 2}, True)
    late["n"] = 3
    with pytest.raises(PrivilegeChanged):
        world.save(late)
    again = world.load(token)
    again["n"] = 4
    with pytest.raises(SessionGone):
        world.save(again)
    assert world.visit(token)[1].cookie is Cookie.KEEP
    assert world.data(fresh) == {"n": 2}
    assert not world.events.only("session.theft_suspected")
    assert [event.details["by"] for event in world.events.only("session.regenerated")] == ["privilege"]


def test_write_by_a_waiting_secret_after_a_privilege_rotation(build: Build) -> None:
    """Ruling 14, promise 11: a secret whose successor never arrived is refused after step-up, and makes no session."""
    world, token = aged(build)
    world.visit(token)
    session = world.load(token)
    world.run(session.rotate())
    world.save(session)
    late = world.load(token)
    late["n"] = 1
    with pytest.raises(CommitRefused):
        world.save(late)
    assert world.run(world.sessions.count()) == 1
    assert not world.events.only("session.theft_suspected")


def test_write_by_a_waiting_secret_after_a_login(build: Build) -> None:
    """Ruling 5, promise 11: a secret whose successor never arrived is superseded by a login, and makes no session."""
    world, token = aged(build)
    world.visit(token)
    world.sign_in(token=token)
    late = world.load(token)
    late["n"] = 1
    with pytest.raises(SessionGone):
        world.save(late)
    assert world.run(world.sessions.count()) == 1


def test_waiting_secret_of_a_revoked_session_is_told_why(build: Build) -> None:
    """S-39, ruling 5: who holds the secret from before a lost answer learns that the session was revoked."""
    world, token = aged(build)
    world.visit(token)
    world.run(world.sessions.revoke_user("ada"))
    session, outcome = world.visit(token)
    assert (session.reason, outcome.cookie) == ("revoked", Cookie.DELETE)


def test_only_the_current_secret_is_confirmed(build: Build) -> None:
    """Ruling 3: a late first sight of a secret that was replaced meanwhile does not confirm its successor."""
    world, token = aged(build)
    second = world.visit(token)[1].token
    world.clock.advance("24h")
    late = world.load(second, Visit(may_rotate=False))
    _ = late.user_id
    world.visit(second)
    world.save(late)
    world.clock.advance("1m")
    assert world.user(second) == "ada"
    assert not world.events.only("session.theft_suspected")


def test_rotate_needs_a_session(build: Build) -> None:
    """Promise 5: there is nothing to rotate for a visitor without a session."""
    world = build()
    with pytest.raises(SignInRequired):
        world.run(world.load().rotate())


def test_rotation_never_moves_the_absolute_deadline(build: Build) -> None:
    """S-33, promise 8: a session that is rotated by both kinds all the time ends when it was to end."""
    world = build(Policy(idle_timeout="10h", absolute_timeout="1d", rotate_every="1h"))
    browser = Browser(world, world.sign_in())
    for hour in range(1, 25):
        world.clock.advance("1h")
        found = browser.request()
        assert found == ("ada" if hour < 24 else None)
        if hour % 3 == 0 and found:
            browser.request(lambda session: session.rotate())
    assert world.run(world.sessions.count()) == 0


def test_set_roles_is_obeyed_by_the_next_request(build: Build) -> None:
    """S-08, promise 5: every live session of the user has the new roles at once and is answered with a new secret."""
    world = build()
    browsers = [Browser(world, world.sign_in(roles=["admin"])) for _ in range(3)]
    world.sign_in("bob", roles=["admin"])
    assert world.run(world.sessions.set_roles("ada", ["reader"])) == 3
    for browser in browsers:
        before = browser.token
        assert browser.request(lambda session: session.roles) == ("reader",)
        assert browser.token != before
        assert browser.request(lambda session: session.roles) == ("reader",)
    assert [event.details["by"] for event in world.events.only("session.regenerated")] == ["roles"] * 3
    assert world.events.only("session.roles_changed")[0].details["sessions"] == 3


def test_set_roles_and_parallel_requests(build: Build) -> None:
    """S-08, ruling 3: requests in parallel after a change of roles all succeed, obey it, and get one new secret."""
    world = build()
    token = world.sign_in()
    flying = world.load(token)
    flying["n"] = 0
    world.run(world.sessions.set_roles("ada", ["reader"]))
    sessions = [world.load(token) for _ in range(3)]
    for number, session in enumerate(sessions):
        session[f"key{number}"] = session.roles
    sent = {world.save(session).token for session in sessions}
    assert len(sent - {token}) == len(sent) == 1
    assert set(world.data(sent.pop())) == {"key0", "key1", "key2"}
    with pytest.raises(PrivilegeChanged):
        world.save(flying)


@pytest.mark.parametrize("act", ["revoke", "roles", "step up"])
def test_refused_rotation_sends_no_cookie(build: Build, act: str) -> None:
    """Promise 11: a request due for rotation whose session ended or changed does not send its ticket again."""
    world, token = aged(build)
    session, other = world.load(token), world.load(token)
    _ = session.user_id
    if act == "revoke":
        world.run(world.sessions.revoke(session.id))
    elif act == "roles":
        world.run(world.sessions.set_roles("ada", ["reader"]))
    else:
        world.run(other.rotate())
    assert world.save(session).token is None


def test_reload_before_the_successor_arrived(build: Build) -> None:
    """Ruling 3: reload() in a request that waits for the successor does not count as having seen it."""
    world, token = aged(build)
    world.visit(token)
    browser = Browser(world, token)
    browser.request(lambda session: session.reload())
    browser.request(lambda session: session.reload(), lost=True)
    world.clock.advance("1m")
    assert browser.request() == "ada"
    assert not world.events.only("session.theft_suspected")


def test_transaction_of_the_old_holder_confirms_nothing(build: Build) -> None:
    """Ruling 3: a transaction in a request that holds the old secret does not count as having seen the new one."""
    world, token = aged(build)
    session = world.load(token)
    world.visit(token)
    world.run(session.transaction(lambda data: data.update(n=1)))
    browser = Browser(world, token)
    browser.receive(world.save(session))
    world.clock.advance("1m")
    assert browser.request(lambda each: each.get("n")) == 1
    assert not world.events.only("session.theft_suspected")


def test_transaction_keeps_a_due_rotation(build: Build) -> None:
    """Ruling 9: a transaction changes neither the ticket nor what the answer owes: the rotation still happens once."""
    world, token = aged(build)
    browser = Browser(world, token)
    browser.request(lambda session: session.transaction(lambda data: data.update(n=1)))
    assert browser.token != token
    assert world.data(browser.token or "") == {"n": 1}
    assert world.events.names == ["session.regenerated"]
