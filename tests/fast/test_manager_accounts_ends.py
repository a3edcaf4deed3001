"""Accounts of one browser at their edges: signing out, visitors, impersonation, half-finished sign-ins, tokens."""

from __future__ import annotations

import pytest

from coatcheck import SignInRequired, TooLate, WrongCarrier
from coatcheck.refusals import ActingForAnother
from coatcheck.state import Phase
from tests.fast._accounts import Jar, browser, reasons
from tests.fast.conftest import Build


def log_out(jar: Jar) -> None:
    """Sign out of the session in use alone."""
    visit = jar.visit()
    jar.world.run(visit.session.logout())
    visit.answer()


# --- signing out


def test_logout_ends_the_one_in_use_alone(build: Build) -> None:
    """S-47: signing out of one account leaves the others; nobody is signed in until one of them is chosen."""
    jar, ids = browser(build, "ada", "bob")
    log_out(jar)
    assert (jar.token, jar.user, jar.shown()) == (None, None, ["ada"])
    jar.request("switch", ids["ada"])
    assert (jar.user, jar.shown()) == ("ada", ["ada*"])


def test_one_account_is_signed_out(build: Build) -> None:
    """S-47: one that waits, and the one in use by the same verb: each ends on the server with its reason."""
    jar, ids = browser(build, "ada", "bob", "eve")
    jar.request("sign_out", ids["ada"])
    assert (sorted(jar.shown()), jar.user) == (["bob", "eve*"], "eve")
    jar.request("sign_out", ids["eve"])
    assert (jar.shown(), jar.token) == (["bob"], None)
    assert reasons(jar, {name: ids[name] for name in ("ada", "eve")}) == {"signed_out"}


def test_all_are_signed_out(build: Build) -> None:
    """S-47: every account of this browser ends, both cookies are deleted, and no row of the list is left."""
    jar, ids = browser(build, "ada", "bob", "eve")
    copied = jar.listed
    jar.request("sign_out_all")
    assert (jar.token, jar.listed, reasons(jar, ids)) == (None, None, {"signed_out"})
    assert jar.world.store.inner._rows.live == {}
    jar.listed = copied
    assert jar.shown() == []


def test_all_are_signed_out_where_nobody_is_in_use(build: Build) -> None:
    """S-47: also after one account was signed out and before another was chosen."""
    jar, ids = browser(build, "ada", "bob")
    log_out(jar)
    jar.request("sign_out_all")
    assert (jar.listed, reasons(jar, ids)) == (None, {"signed_out"})


def test_parking_leaves_nobody_in_use(build: Build) -> None:
    """Issue 5, section 4: put aside, nobody is signed in, the ticket is dead, and the next sign-in adds an account."""
    jar, ids = browser(build, "ada")
    before = jar.token
    jar.request("park")
    assert (jar.token, jar.world.user(before), jar.shown()) == (None, None, ["ada"])
    jar.token = jar.world.sign_in("bob")
    assert jar.shown() == ["bob*", "ada"]
    jar.request("switch", ids["ada"])
    assert sorted(jar.shown()) == ["ada*", "bob"]


def test_nobody_parks_nobody(build: Build) -> None:
    """Errors speak: a visitor has no account to put aside, whether they stored something or not."""
    jar = Jar(build())
    for token in (None, jar.world.visitor(a=1)):
        jar.token = token
        with pytest.raises(SignInRequired):
            jar.request("park")


def test_a_visitors_session_ends_when_an_account_is_chosen(build: Build) -> None:
    """Ruling 1: what somebody stored while nobody was signed in goes to no account by choosing it."""
    jar, ids = browser(build, "ada")
    jar.request("park")
    jar.token = jar.world.visitor(cart=[1])
    anonymous = jar.token[:26]
    jar.request("switch", ids["ada"])
    assert (jar.user, jar.world.data(jar.token)) == ("ada", {})
    assert jar.world.run(jar.world.sessions.get(anonymous)).reason == "superseded"


def test_adding_from_a_visitors_session_carries_its_data(build: Build) -> None:
    """Ruling 1: a sign-in carries what a visitor stored, as login() does; one that waits is no part of that."""
    jar, _ = browser(build, "ada")
    jar.request("park")
    jar.token = jar.world.visitor(cart=[1])
    jar.request("add", "bob")
    assert (jar.world.data(jar.token), jar.shown()) == ({"cart": [1]}, ["bob*", "ada"])


def test_adding_carries_nothing_from_another_account(build: Build) -> None:
    """Ruling 1: what ada stored, saved or not, is not bob's."""
    jar, ids = browser(build, "ada")
    visit = jar.visit()
    visit.session["note"] = "ada's"
    visit.do("add", "bob")
    assert dict(visit.session) == {}
    visit.answer()
    jar.request("switch", ids["ada"])
    assert jar.world.data(jar.token) == {"note": "ada's"}


# --- impersonation, half-finished sign-ins, other carriers, answers that have left


def test_nobody_changes_accounts_while_acting_for_another(build: Build) -> None:
    """SM-23: adding, parking and switching are refused; the list shows who acts, and signing out of all ends both."""
    jar, ids = browser(build, "bob", "joan")
    visit = jar.visit()
    jar.world.run(visit.session.impersonate("ada"))
    visit.answer()
    for verb, arguments in (("add", ["eve"]), ("park", []), ("switch", [ids["bob"]])):
        with pytest.raises(ActingForAnother):
            jar.request(verb, *arguments)
    assert (jar.user, jar.shown()) == ("ada", ["joan*", "bob"])
    jar.request("sign_out_all")
    assert reasons(jar, ids) == {"signed_out"}
    assert jar.world.run(jar.world.sessions.list("ada")) == []


def test_an_impersonation_never_waits(build: Build) -> None:
    """SM-23: it is no account: when it is over its way back is joan's own session, which this browser may choose."""
    jar, ids = browser(build, "bob", "joan")
    jar.request("switch", ids["bob"])
    jar.request("switch", ids["joan"])
    visit = jar.visit()
    jar.world.run(visit.session.impersonate("ada"))
    visit.answer()
    jar.world.clock.advance("61m")
    assert (jar.user, sorted(jar.shown())) == (None, ["bob", "joan"])
    jar.request("switch", ids["joan"])
    assert jar.user == "joan"


def test_a_half_finished_sign_in_is_no_account(build: Build) -> None:
    """E-9: with one factor of two nobody joins the list; finished, they do; given up for another, it is over."""
    jar, ids = browser(build, "ada")
    jar.request("park")
    visit = jar.visit()
    jar.world.run(visit.session.begin_login("bob", amr=["pwd"]))
    visit.answer()
    assert jar.shown() == ["ada"]
    with pytest.raises(SignInRequired):
        jar.request("park")
    visit = jar.visit()
    jar.world.run(visit.session.finish_login(amr=["otp"]))
    visit.answer()
    assert jar.shown() == ["bob*", "ada"]
    jar.request("park")
    visit = jar.visit()
    jar.world.run(visit.session.begin_login("eve", amr=["pwd"]))
    visit.answer()
    begun = jar.token
    jar.request("switch", ids["ada"])
    assert (jar.user, jar.world.load(begun).pending_user_id) == ("ada", None)


def test_other_carriers_have_none(build: Build) -> None:
    """Section 5: a request with a bearer token has no accounts, and its token is not exchanged for another."""
    jar, ids = browser(build, "ada", "bob")
    visit = jar.visit()
    visit.state.visit = type(visit.state.visit)(carrier="bearer")
    assert visit.do("list") == []
    for verb, arguments in (("add", ["eve"]), ("switch", [ids["ada"]]), ("sign_out_all", [])):
        with pytest.raises(WrongCarrier):
            visit.do(verb, *arguments)


@pytest.mark.parametrize("phase", [Phase.ANSWERED, Phase.SNAPSHOT])
def test_too_late_is_told(build: Build, phase: Phase) -> None:
    """Ruling 15: once the headers have left, and in a WebSocket, no account changes; they can be listed."""
    jar, ids = browser(build, "ada", "bob")
    visit = jar.visit()
    visit.state.phase = phase
    assert len(visit.do("list")) == 2
    with pytest.raises(TooLate, match=r"accounts\.switch\(\)"):
        visit.do("switch", ids["ada"])
