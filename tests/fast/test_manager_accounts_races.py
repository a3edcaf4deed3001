"""Accounts of one browser when requests cross, the store does not answer, or the list's own secret is replaced."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from coatcheck import (
    CommitRefused,
    Policy,
    SessionLimitReached,
    SignInRequired,
    StaleLogin,
    StoreUnavailable,
    UnreadableRecord,
)
from coatcheck.account import life
from coatcheck.lifecycle import Cookie
from coatcheck.model import FromTheFuture, replace
from tests.fast._accounts import Jar, browser, reasons
from tests.fast.conftest import Build

# --- races


def crossed(jar: Jar, first: str, second: str, *, delivered: str) -> None:
    """Switch in two tabs at once, both requests judged before either acts; the answers arrive as *delivered*."""
    tabs = {"1": jar.visit(), "2": jar.visit()}
    tabs["1"].do("switch", first)
    with suppress(CommitRefused, SignInRequired):
        tabs["2"].do("switch", second)
    outcomes = {name: visit.leave() for name, visit in tabs.items()}
    for name in delivered:
        tabs[name].deliver(outcomes[name])


@pytest.mark.parametrize("delivered", ["12", "21"])
@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("in_use", [True, False])
def test_two_tabs_switch_at_once(build: Build, delivered: str, same: bool, in_use: bool) -> None:
    """Promises 3 and 11: whichever answer comes last, every account can be chosen afterwards and none is lost."""
    jar, ids = browser(build, "ada", "bob", "eve")
    if not in_use:
        jar.request("park")
    crossed(jar, ids["ada"], ids["ada" if same else "bob"], delivered=delivered)
    assert {name.rstrip("*") for name in jar.shown()} == {"ada", "bob", "eve"}
    for name, session_id in ids.items():
        jar.request("switch", session_id)
        assert jar.user == name


@pytest.mark.parametrize("known", [True, False])
def test_the_loser_of_a_race_has_done_nothing(build: Build, known: bool) -> None:
    """Promise 3: of two requests that put one session aside, one is refused, touches no account and sends no cookie."""
    jar, ids = browser(build, "ada", "bob", "eve")
    if known:
        jar.request("switch", ids["ada"])
        jar.request("switch", ids["eve"])
    first, second = jar.visit(), jar.visit()
    first.do("switch", ids["ada"])
    with pytest.raises(CommitRefused):
        second.do("switch", ids["bob"])
    assert [outcome.cookie for outcome in second.leave()] == [Cookie.KEEP, Cookie.KEEP]
    first.answer()
    assert jar.user == "ada"


def test_a_late_answer_wipes_nothing(build: Build) -> None:
    """Promise 11: a request that only looked, answered after another switched, leaves both cookies alone."""
    jar, ids = browser(build, "ada", "bob")
    late = jar.visit()
    late.do("list")
    jar.request("switch", ids["ada"])
    jar.request("add", "eve")
    late.answer()
    assert (jar.user, len(jar.shown())) == ("eve", 3)
    old = jar.visit()
    jar.request("add", "joan")
    old.do("list")
    old.answer()
    assert (jar.user, len(jar.shown())) == ("joan", 4)


def test_two_new_lists_at_once(build: Build) -> None:
    """Promise 3: where another request has made a new list first, the second is told to repeat it and stays in use."""
    jar, _ = browser(build, "ada", "bob")
    jar.token = jar.world.sign_in("eve", jar.token)
    first = jar.visit()
    first.do("list")
    other = Jar(jar.world)
    other.listed, other.token = jar.listed, jar.world.sign_in("joan")
    other.request("park")
    with pytest.raises(CommitRefused):
        first.do("park")
    first.answer()
    jar.listed = other.listed
    assert (jar.user, sorted(jar.shown())) == ("eve", ["ada", "eve*", "joan"])


# --- what the store does not answer


@pytest.mark.parametrize("verb", ["rotate", "create"])
def test_an_outage_signs_nobody_out(build: Build, verb: str) -> None:
    """Promise 9: adding is not confirmed: 503, and who was in use goes on with a ticket that works."""
    jar, _ = browser(build, "ada")
    visit = jar.visit()
    jar.world.store.down.add(verb)
    with pytest.raises(StoreUnavailable):
        visit.do("add", "bob")
    jar.world.store.down.clear()
    visit.answer()
    assert (jar.user, jar.shown()) == ("ada", ["ada*"])


def test_an_account_that_ends_while_it_is_chosen(build: Build) -> None:
    """Promise 2: it was revoked after it was looked up: who was in use stays, with a ticket that works."""
    jar, ids = browser(build, "ada", "bob")
    visit = jar.visit()
    visit.do("list")
    inner: Any = jar.world.store.inner
    real = inner.rotate

    async def rotate(id: str, **facts: Any) -> Any:
        """End ada's session just before its new secret is asked for."""
        if id == ids["ada"]:
            await inner.end(id, reason="revoked", now=facts["now"])
        return await real(id, **facts)

    inner.rotate = rotate
    with pytest.raises(SignInRequired):
        visit.do("switch", ids["ada"])
    visit.answer()
    assert (jar.user, jar.shown()) == ("bob", ["bob*"])


@pytest.mark.parametrize("error", [StaleLogin, SessionLimitReached])
def test_a_refused_sign_in_changes_nothing(build: Build, error: type[Exception]) -> None:
    """Promises 2 and 4: a stale epoch, or a limit that rejects: who was in use stays in use."""
    jar, _ = browser(build, "ada", policy=Policy(max_sessions=1, at_limit="reject"))
    epoch = jar.world.run(jar.world.sessions.epoch("bob"))
    if error is StaleLogin:
        jar.world.run(jar.world.sessions.revoke_user("bob"))
    else:
        jar.world.sign_in("bob")
    visit = jar.visit()
    with pytest.raises(error):
        visit.do("add", "bob", epoch=epoch)
    visit.answer()
    assert (jar.user, jar.shown()) == ("ada", ["ada*"])


def test_a_sign_out_that_is_not_confirmed_is_owed(build: Build) -> None:
    """Ruling 8: the store did not answer: the account leaves the list at once, and ends when the store is back."""
    jar, ids = browser(build, "ada", "bob")
    visit = jar.visit()
    visit.do("list")
    jar.world.store.down.add("end")
    with pytest.raises(StoreUnavailable):
        visit.do("sign_out", ids["ada"])
    assert [account.user_id for account in visit.do("list")] == ["bob"]
    jar.world.store.down.clear()
    jar.world.clock.advance("2s")
    jar.visit().answer()
    assert jar.world.run(jar.world.sessions.get(ids["ada"])).reason == "signed_out"


@pytest.mark.parametrize("down", ["end", "all"])
def test_signing_out_of_all_in_an_outage(build: Build, down: str) -> None:
    """Ruling 8: both cookies are deleted whatever the store says, and what it knows of ends when it is back."""
    jar, ids = browser(build, "ada", "bob")
    copied = jar.listed
    visit = jar.visit()
    jar.world.store.down.add(down)
    with pytest.raises(StoreUnavailable):
        visit.do("sign_out_all")
    visit.answer()
    assert (jar.token, jar.listed) == (None, None)
    jar.world.store.down.clear()
    jar.world.clock.advance("2s")
    jar.listed = copied
    assert jar.shown() == []
    known = ids if down == "end" else {"bob": ids["bob"]}
    assert reasons(jar, known) == {"signed_out"}


def test_a_record_of_a_newer_release_is_left_alone(build: Build) -> None:
    """Promise 12: it is neither shown nor chosen nor forgotten: it is still named after the list was made anew."""
    jar, ids = browser(build, "ada", "bob")
    inner: Any = jar.world.store.inner
    real = inner.find

    async def find(wanted: Any) -> Any:
        """Say that ada's session was written by a newer release."""
        found = await real(wanted)
        return [FromTheFuture(each.id, 9) if each is not None and each.id == ids["ada"] else each for each in found]

    inner.find = find
    jar.request("add", "eve")
    assert jar.shown() == ["eve*", "bob"]
    inner.find = real
    assert {name.rstrip("*") for name in jar.shown()} == {"eve", "bob", "ada"}


@pytest.mark.parametrize("value", [b"\xc1", b"\x00\xa1x", b"\x00\x91\x01", b""])
def test_a_damaged_list_names_nobody(build: Build, value: bytes) -> None:
    """Promise 12: a list that cannot be read is no 500: the account in use is there, the others sign in again."""
    jar, _ = browser(build, "ada", "bob")
    rows = jar.world.store.inner._rows.live
    (listed,) = (record for record in rows.values() if record.origin.carrier == "accounts")
    rows[listed.id] = replace(listed, data={"coatcheck.accounts": value})
    assert jar.shown() == ["bob*"]


def test_a_list_of_a_newer_release_is_loud(build: Build) -> None:
    """Promise 12: 503, and the cookie of the list is kept."""
    jar, _ = browser(build, "ada", "bob")
    inner: Any = jar.world.store.inner
    real, listed = inner.find, jar.listed
    assert listed is not None

    async def find(wanted: Any) -> Any:
        """Say that the list was written by a newer release."""
        found = await real(wanted)
        return [FromTheFuture(each.id, 9) if each is not None and each.id == listed[:26] else each for each in found]

    inner.find = find
    visit = jar.visit()
    with pytest.raises(UnreadableRecord):
        visit.do("list")
    visit.answer()
    assert jar.listed == listed


# --- the list's own secret


def test_the_lists_secret_is_rotated_by_age(build: Build) -> None:
    """Ruling 3: it is rotated like a session's; a lost answer loses nothing, and the old one is refused in the end."""
    jar, _ = browser(build, "ada", "bob", policy=Policy(rotate_every="1h"))
    first = jar.listed
    jar.world.clock.advance("2h")
    visit = jar.visit()
    visit.do("list")
    visit.answer(lost=True)
    assert sorted(jar.shown()) == ["ada", "bob*"]
    assert jar.listed != first
    assert sorted(jar.shown()) == ["ada", "bob*"]
    jar.world.clock.advance("1m")
    jar.listed = first
    assert jar.shown() == ["bob*"]
    assert len(jar.world.events.only("session.theft_suspected")) == 1


def test_a_stolen_list_ends_with_what_it_names(build: Build) -> None:
    """7.2.4, Policy(on_theft="end"): its old secret came back after the new one was in use: what waits ends too."""
    jar, ids = browser(build, "ada", "bob", policy=Policy(rotate_every="1h", on_theft="end"))
    first = jar.listed
    jar.world.clock.advance("2h")
    for _ in range(2):
        jar.shown()
    jar.world.clock.advance("1m")
    thief = Jar(jar.world)
    thief.listed = first
    assert thief.shown() == []
    assert jar.world.run(jar.world.sessions.get(ids["ada"])).reason == "revoked"


def test_the_list_lives_as_long_as_what_it_names(build: Build) -> None:
    """Promise 8: the list is over when nothing on it can stand any more, and not before: it is prolonged with use."""
    policy = Policy(idle_timeout="1h", absolute_timeout="30d", remember_idle_timeout="10d")
    assert life(policy) == 10 * 86_400_000
    jar, ids = browser(build, "ada", "bob", policy=policy)
    jar.request("sign_out_all")
    ids = jar.holds("ada", "bob", remember=True)
    for _ in range(3):
        jar.world.clock.advance("6d")
        jar.request("switch", ids["ada"])
        jar.request("switch", ids["bob"])
    jar.world.clock.advance("9d")
    assert sorted(jar.shown()) == ["ada", "bob*"]


@pytest.mark.parametrize(("remember", "ends"), [((True, True), False), ((True, False), True), ((False, True), True)])
def test_the_cookie_ends_with_the_browser_where_one_accounts_does(
    build: Build, remember: tuple[bool, bool], ends: bool
) -> None:
    """Ruling 2: an account that must not survive the browser is not kept for it by another one's cookie."""
    jar = Jar(build())
    for user, choice in zip(("ada", "bob"), remember, strict=True):
        jar.request("add", user, remember=choice)
    visit = jar.visit()
    visit.do("park")
    assert (visit.leave()[1].deadline is None) is ends
