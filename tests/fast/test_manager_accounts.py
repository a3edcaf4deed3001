"""Several accounts in one browser: put aside, taken up, signed out; no ticket outlives its use, and no data moves."""

from __future__ import annotations

import pytest

from coatcheck import (
    AccountLimitReached,
    CommitRefused,
    ConfigurationError,
    Policy,
    SignInRequired,
    StepUpRequired,
)
from tests.fast._accounts import Jar, browser
from tests.fast.conftest import Build

# --- what is there


def test_one_account_is_no_list(build: Build) -> None:
    """Promise 6: who has one account gets no second cookie, no row beside the session's, and one question less."""
    jar, _ = browser(build, "ada")
    assert (jar.shown(), jar.listed, len(jar.world.store.inner._rows.live)) == (["ada*"], None, 1)
    jar.world.store.calls.clear()
    jar.request("list")
    assert jar.world.store.calls == ["find"]


def test_accounts_add_up(build: Build) -> None:
    """Issue 5, section 4: adding signs nobody out; the one in use is first, then the most recently seen."""
    jar = Jar(build())
    for user in ("ada", "bob", "eve"):
        jar.request("add", user)
        jar.world.clock.advance("2m")
    assert (jar.shown(), jar.user) == (["eve*", "bob", "ada"], "eve")
    ids = jar.ids()
    assert set(ids) == {"ada", "bob", "eve"}
    assert jar.world.run(jar.world.sessions.get(ids["ada"])).live


def test_plain_login_still_ends_another_users_session(build: Build) -> None:
    """Ruling 1: without accounts the session of another user ends, and what waits is as it was."""
    jar, ids = browser(build, "ada", "bob")
    jar.token = jar.world.sign_in("eve", jar.token)
    assert jar.shown() == ["eve*", "ada"]
    assert jar.world.run(jar.world.sessions.get(ids["bob"])).reason == "superseded"


def test_listing_writes_nothing_and_asks_twice(build: Build) -> None:
    """Promise 6: a list costs one look-up of the list and one of all that it names, and no write."""
    jar, _ = browser(build, "ada", "bob", "eve")
    jar.world.store.calls.clear()
    jar.request("list")
    assert jar.world.store.calls == ["find", "find", "find"]


def test_a_request_that_does_not_ask_pays_nothing(build: Build) -> None:
    """Promise 6: looking at the session alone asks for the session alone, whatever the other cookie holds."""
    jar, _ = browser(build, "ada", "bob")
    jar.world.store.calls.clear()
    visit = jar.visit()
    assert visit.session.user_id == "bob"
    visit.answer()
    assert jar.world.store.calls == ["find"]


def test_nothing_secret_is_shown(build: Build) -> None:
    """Promise 7: neither a list, nor a repr, nor an event holds a secret or what the store keeps of one."""
    jar, _ = browser(build, "ada", "bob")
    visit = jar.visit()
    shown = [repr(visit.do("list")), repr(visit._accounts), repr(visit.state.accounts), repr(visit.state)]
    shown += [repr(account.as_json()) for account in visit.do("list")]
    shown += [repr(event.as_json()) for event in jar.world.events]
    assert jar.token is not None
    assert jar.listed is not None
    for secret in (jar.token[27:], jar.listed[27:], jar.listed):
        assert not any(secret in text for text in shown)


# --- switching


def test_switching_changes_who_is_there(build: Build) -> None:
    """Issue 5, section 4: switched without signing out, there and back, each with its own data and roles."""
    jar = Jar(build())
    for user, roles in (("ada", ["admin"]), ("bob", ["user"])):
        visit = jar.visit()
        visit.do("add", user, roles=roles)
        visit.session["whose"] = user
        visit.answer()
    for user, role in (("ada", "admin"), ("bob", "user"), ("ada", "admin")):
        jar.request("switch", jar.ids()[user])
        session = jar.world.load(jar.token)
        assert (session.user_id, session.roles, dict(session)) == (user, (role,), {"whose": user})


def test_what_is_not_saved_stays_with_its_account(build: Build) -> None:
    """Ruling 1: changes of the request that switches are the old account's, and no data moves to the new one."""
    jar, ids = browser(build, "ada", "bob")
    visit = jar.visit()
    visit.session["note"] = "bob's"
    visit.do("switch", ids["ada"])
    assert dict(visit.session) == {}
    visit.session["note"] = "ada's"
    visit.answer()
    assert jar.world.data(jar.token) == {"note": "ada's"}
    jar.request("switch", ids["bob"])
    assert jar.world.data(jar.token) == {"note": "bob's"}


def test_every_ticket_of_before_is_dead(build: Build) -> None:
    """7.2.4: switching kills the ticket that was in use, and the one of the last time, and keeps both public ids."""
    jar, ids = browser(build, "ada")
    seen = [jar.token]
    jar.request("add", "bob")
    ids = jar.ids()
    for user in ("ada", "bob", "ada"):
        seen.append(jar.token)
        jar.request("switch", ids[user])
        assert jar.token is not None
        assert jar.token[:26] == ids[user]
        assert [jar.world.user(token) for token in seen] == [None] * len(seen)


def test_the_lists_ticket_opens_no_session_and_no_session_opens_a_list(build: Build) -> None:
    """SM-4: each ticket is good in its own cookie alone."""
    jar, _ = browser(build, "ada", "bob")
    assert jar.world.user(jar.listed) is None
    jar.listed = jar.token
    assert jar.shown() == ["bob*"]


def test_an_account_that_joins_makes_a_new_list(build: Build) -> None:
    """7.2.4, SM-1: a list that somebody planted or copied before gains nothing: it is over when another one joins."""
    jar, _ = browser(build, "mallory", "eve")
    planted = jar.listed
    jar.request("sign_out", jar.ids()["eve"])
    jar.request("add", "ada")
    jar.request("add", "bob")
    thief = Jar(jar.world)
    thief.listed = planted
    assert thief.shown() == []
    with pytest.raises(CommitRefused):
        thief.request("switch", jar.ids()["ada"])


def test_switching_among_those_that_are_named_keeps_the_list(build: Build) -> None:
    """Promise 5: a lost answer loses no account: the list is the same, and both are there to be chosen again."""
    jar, ids = browser(build, "ada", "bob")
    jar.request("switch", ids["ada"])
    visit = jar.visit()
    visit.do("switch", ids["bob"])
    visit.answer(lost=True)
    assert jar.user is None
    assert sorted(jar.shown()) == ["ada", "bob"]
    jar.request("switch", ids["bob"])
    assert jar.user == "bob"


def test_only_what_this_browser_holds_can_be_chosen(build: Build) -> None:
    """SM-11: an id is no ticket: another browser's session, a stranger's and nonsense are all the same refusal."""
    jar, _ = browser(build, "ada", "bob")
    elsewhere = jar.world.sign_in("eve")[:26]
    for wrong in (elsewhere, "x", "", "0" * 26):
        with pytest.raises(SignInRequired) as caught:
            jar.request("switch", wrong)
        assert caught.value.reason == "none"
        jar.request("sign_out", wrong)
    assert (jar.user, jar.world.run(jar.world.sessions.get(elsewhere)).live) == ("bob", True)


def test_switching_to_oneself_is_harmless(build: Build) -> None:
    """A form sent twice: the account in use stays in use with its ticket."""
    jar, ids = browser(build, "ada", "bob")
    before = jar.token
    jar.request("switch", ids["bob"])
    assert jar.token == before


def test_freshness_is_each_accounts_own(build: Build) -> None:
    """7.5.1: coming back to an account proves nothing: its sign-in is as old as it was."""
    jar, ids = browser(build, "ada")
    jar.world.clock.advance("2h")
    jar.request("add", "bob")
    ids = jar.ids()
    jar.world.load(jar.token).require_fresh("1h")
    jar.request("switch", ids["ada"])
    with pytest.raises(StepUpRequired):
        jar.world.load(jar.token).require_fresh("1h")


def test_switching_is_told(build: Build) -> None:
    """G-18: the log says who came into use and what was put aside."""
    jar, ids = browser(build, "ada", "bob")
    jar.request("switch", ids["ada"])
    (event,) = jar.world.events.only("session.switched")
    assert (event.session_id, event.user_id, dict(event.details)) == (ids["ada"], "ada", {"from_session": ids["bob"]})


@pytest.mark.parametrize("verb", ["park", "switch", "sign_out", "sign_out_all"])
def test_a_request_that_only_reads_changes_no_account(build: Build, verb: str) -> None:
    """CS-16: a link or an image of another site sends a GET, and that is refused with the line to write."""
    jar, ids = browser(build, "ada", "bob")
    visit = jar.visit(may_change=False)
    with pytest.raises(ConfigurationError, match="POST"):
        visit.do(verb, *([ids["ada"]] if verb in ("switch", "sign_out") else []))
    assert jar.shown() == ["bob*", "ada"]


def test_without_the_option_it_says_so(build: Build) -> None:
    """Errors speak: an application that did not switch accounts on is told the line to write."""
    jar = Jar(build())
    visit = jar.visit()
    visit.state.browser = None
    with pytest.raises(ConfigurationError, match=r"SessionMiddleware\(accounts=5\)"):
        visit.do("list")


# --- what waits obeys everything


@pytest.mark.parametrize(
    ("end", "reason"), [("revoke", "revoked"), ("revoke_user", "revoked"), ("revoke_all", "revoked"), ("idle", "idle")]
)
def test_what_waits_can_end(build: Build, end: str, reason: str) -> None:
    """Promises 2 and 8: revoked from elsewhere or idle for too long, it leaves the list and cannot be chosen."""
    jar, ids = browser(build, "ada", "bob", policy=Policy(idle_timeout="30m"))
    if end == "idle":
        for _ in range(3):
            jar.world.clock.advance("20m")
            visit = jar.visit()
            assert visit.session.user_id == "bob"
            visit.answer()
    else:
        argument = {"revoke": [ids["ada"]], "revoke_user": ["ada"], "revoke_all": []}[end]
        jar.world.run(getattr(jar.world.sessions, end)(*argument))
    assert "ada" not in jar.shown()
    with pytest.raises(SignInRequired) as caught:
        jar.request("switch", ids["ada"])
    assert caught.value.reason == ("none" if end == "revoke_all" else reason)


def test_the_absolute_clock_runs_on(build: Build) -> None:
    """Promise 8: neither waiting nor coming back moves an account's absolute deadline."""
    jar, ids = browser(build, "ada", "bob", policy=Policy(idle_timeout="2h", absolute_timeout="3h"))
    jar.world.clock.advance("100m")
    jar.request("switch", ids["ada"])
    jar.world.clock.advance("70m")
    jar.request("switch", ids["bob"])
    jar.world.clock.advance("10m")
    assert (jar.user, jar.shown()) == (None, [])


def test_roles_changed_meanwhile_are_obeyed(build: Build) -> None:
    """S-08: `set_roles` reaches what waits; coming into use it has the new ones and a new secret already."""
    jar, ids = browser(build, "ada", "bob")
    jar.world.run(jar.world.sessions.set_roles("ada", ["editor"]))
    assert [account.roles for account in jar.request("list")] == [("user",), ("editor",)]
    jar.request("switch", ids["ada"])
    visit = jar.visit()
    assert visit.session.roles == ("editor",)
    assert visit.leave()[0].token is None


def test_limits_count_what_waits(build: Build) -> None:
    """Promise 4: an account that waits is one of its user's sessions, and may be pushed out by another device."""
    jar, _ = browser(build, "ada", "bob", policy=Policy(max_sessions=1))
    jar.world.sign_in("ada")
    assert jar.shown() == ["bob*"]


def test_a_locked_account_is_brought_back_by_its_sign_in(build: Build) -> None:
    """NIST AAL2: the idle clock locks what waits; it is listed, and only signing in goes on with its data."""
    jar = Jar(build(Policy(idle_timeout="30m", absolute_timeout="8h", on_idle="lock")))
    visit = jar.visit()
    visit.do("add", "ada")
    visit.session["draft"] = 1
    visit.answer()
    jar.request("add", "bob")
    for _ in range(2):
        jar.world.clock.advance("20m")
        jar.request("list")
    ada = jar.request("list")[1]
    assert (ada.user_id, ada.locked) == ("ada", True)
    with pytest.raises(SignInRequired) as caught:
        jar.request("switch", ada.session_id)
    assert (caught.value.reason, jar.user) == ("locked", "bob")
    jar.request("add", "ada")
    assert (jar.shown(), jar.world.data(jar.token)) == (["ada*", "bob"], {"draft": 1})


def test_nobody_is_there_twice(build: Build) -> None:
    """Ruling 1: adding a user who waits here replaces that session, with its data; one in use signs in anew."""
    jar, ids = browser(build, "ada", "bob")
    jar.request("add", "ada")
    assert (jar.shown(), jar.ids()["ada"] != ids["ada"]) == (["ada*", "bob"], True)
    assert jar.world.run(jar.world.sessions.get(ids["ada"])).reason == "superseded"
    jar.request("add", "ada")
    assert jar.shown() == ["ada*", "bob"]


def test_a_sign_in_that_knows_of_no_accounts_leaves_no_double(build: Build) -> None:
    """Issue 5, section 4: after park() any sign-in will do; the user's older session ends at the next change."""
    jar, ids = browser(build, "ada", "bob")
    jar.request("park")
    jar.token = jar.world.sign_in("ada", jar.token)
    assert jar.shown() == ["ada*", "bob"]
    jar.request("switch", ids["bob"])
    assert jar.world.run(jar.world.sessions.get(ids["ada"])).reason == "superseded"
    assert jar.shown() == ["bob*", "ada"]


def test_there_is_a_bound(build: Build) -> None:
    """N-5: the browser holds as many as the option says; a refusal changes nothing, and one that left makes room."""
    jar, ids = browser(build, "ada", "bob", "eve", most=3)
    with pytest.raises(AccountLimitReached) as caught:
        jar.request("add", "joan")
    assert (caught.value.status, caught.value.most, jar.user) == (409, 3, "eve")
    jar.request("sign_out", ids["ada"])
    jar.request("add", "joan")
    assert (jar.shown()[0], set(jar.shown()[1:])) == ("joan*", {"bob", "eve"})
