"""Tokens for other carriers than a cookie: what opens through which, and what an exchange ticket gives, once."""

from __future__ import annotations

import logging
from typing import Any, get_args

import pytest
from rich.pretty import pretty_repr

from coatcheck import Issued, Policy, SessionLimitReached, SignInRequired, StaleLogin
from coatcheck.errors import StoreUnavailable, WrongCarrier
from coatcheck.manager import ending, exchanging
from coatcheck.model import replace
from coatcheck.origin import Carrier, Origin
from coatcheck.state import State, Visit
from coatcheck.tokens import parse
from tests.fast._world import World
from tests.fast.conftest import Build

MADE: tuple[Carrier, ...] = ("cookie", "bearer", "exchange")
BEARER = Visit(carrier="bearer")
PAIRS: list[tuple[Carrier, Carrier]] = [(made, shown) for made in MADE for shown in get_args(Carrier)]


def issued(world: World, user_id: str = "ada", **options: Any) -> Issued:
    """Issue a bearer token."""
    made: Issued = world.run(world.sessions.issue(user_id, **options))
    return made


def ticket_for(world: World, user_id: str = "ada", **options: Any) -> Issued:
    """Issue an exchange ticket."""
    made: Issued = world.run(world.sessions.issue_exchange(user_id, **options))
    return made


def token_of(world: World, carrier: Carrier) -> str:
    """Return a token that is made for *carrier*."""
    if carrier == "cookie":
        return world.sign_in()
    return (issued if carrier == "bearer" else ticket_for)(world).token


def redeem(world: World, token: str, session: Any = None) -> Any:
    """Use an exchange ticket in a request; return the session, or ``None`` if nobody was signed in."""
    session = world.load() if session is None else session
    core = world.sessions._core
    offer = world.run(exchanging.look_up(core, token))
    done = offer is not None and world.run(exchanging.redeem(session._state, offer))
    return session if done else None


# -- the wall


@pytest.mark.parametrize(("made", "shown"), PAIRS)
def test_a_token_opens_through_its_own_carrier_alone(build: Build, made: Carrier, shown: Carrier) -> None:
    """SM-4, 10.1.1: a record names its carrier; through any other one its token is that of nobody."""
    world = build()
    token = token_of(world, made)
    world.store.calls.clear()
    session = world.load(token, Visit(carrier=shown))
    assert (session.id is not None) == (made == shown)
    if made != shown:
        assert (session.user_id, session.reason, dict(session)) == (None, None, {})
        (event,) = world.events.only("cookie.rejected")
        assert event.details["why"] == "carrier"
        assert world.store.writes == []


@pytest.mark.parametrize(("made", "shown"), [pair for pair in PAIRS if pair[0] != pair[1]])
def test_what_is_left_of_an_ended_session_says_nothing_to_another_carrier(
    build: Build, made: Carrier, shown: Carrier
) -> None:
    """9.2.2, S-47: the digest is the carrier's too, so that no reason is told and no cookie is deleted elsewhere."""
    world = build()
    token = token_of(world, made)
    assert world.run(world.sessions.revoke(token[:26]))
    session, outcome = world.visit(token, Visit(carrier=shown))
    assert (session.reason, outcome.cookie.value) == (None, "keep")


@pytest.mark.parametrize(("shown", "named"), [pair for pair in PAIRS if pair[0] != pair[1]])
def test_the_record_is_asked_as_well_as_the_digest(build: Build, shown: Carrier, named: Carrier) -> None:
    """SM-4: a record that names another carrier stays shut although the digest fits."""
    world = build()
    token = token_of(world, shown)
    assert world.load(token, Visit(carrier=shown)).id is not None
    world.store.put(replace(world.store.row(), origin=Origin(carrier=named)))
    assert world.load(token, Visit(carrier=shown)).id is None


def test_a_sign_out_that_is_owed_is_not_that_of_another_carrier(build: Build) -> None:
    """Promise 2: a bearer token shown as a cookie while the store is down signs nobody out when it is back."""
    world = build()
    token = issued(world).token
    core, state = world.sessions._core, State(world.sessions._core)
    state.ticket, state.problem = parse(token), StoreUnavailable("down")
    with pytest.raises(StoreUnavailable):
        world.run(ending.logout(state))
    assert len(core.unjudged) == 1
    assert world.load(token, BEARER).user_id == "ada"
    world.clock.advance("2s")
    world.run(ending.retry_pending(core, most=10))
    assert (len(core.unjudged), world.load(token, BEARER).user_id) == (0, "ada")


# -- bearer tokens


def test_a_bearer_session_is_a_session_like_any_other(build: Build) -> None:
    """7.2.2, S-12: lists show it with its carrier and label; it is revoked, counted and judged like a browser's."""
    world = build()
    made = issued(world, roles=["editor"], label="build server", amr=["pwd"], aal=1)
    (info,) = world.run(world.sessions.list("ada"))
    assert (info.id, info.carrier, info.label, info.roles) == (made.session.id, "bearer", "build server", ("editor",))
    assert info == made.session
    session = world.load(made.token, BEARER)
    assert (session.user_id, session.amr, session.aal, session.lifetime) == ("ada", ("pwd",), 1, "default")
    assert world.run(world.sessions.revoke(made.session.id))
    assert world.load(made.token, BEARER).reason == "revoked"


def test_tokens_of_one_user_are_unrelated(build: Build) -> None:
    """7.2.2: two tokens share nothing but the user's tag in the id."""
    world = build()
    first, second = issued(world).token, issued(world).token
    assert (first[:4], first[4:26] == second[4:26], first[27:] == second[27:]) == (second[:4], False, False)


def test_the_policys_clocks_hold(build: Build) -> None:
    """Promise 8: both clocks end a bearer session as they end a browser's, and using it renews the idle one."""
    world = build(Policy(idle_timeout="30m", absolute_timeout="1h"))
    token = issued(world).token
    for _ in range(2):
        world.clock.advance("29m")
        assert world.visit(token, BEARER)[0].user_id == "ada"
    world.clock.advance("3m")
    assert world.load(token, BEARER).reason == "expired"
    token = issued(world).token
    world.clock.advance("31m")
    assert world.load(token, BEARER).reason == "idle"


def test_a_bearer_session_is_never_locked(build: Build) -> None:
    """N-9, 3.2: resuming answers with a cookie, so what the idle clock stops here is over."""
    world = build(Policy(idle_timeout="30m", absolute_timeout="12h", on_idle="lock"))
    token = issued(world).token
    world.clock.advance("31m")
    assert world.load(token, BEARER).reason == "idle"


def test_the_limit_counts_it(build: Build) -> None:
    """Promise 4: tokens and browsers share the user's limit."""
    world = build(Policy(max_sessions=1, at_limit="reject"))
    world.sign_in()
    with pytest.raises(SessionLimitReached):
        issued(world)


def test_a_stale_epoch_is_refused(build: Build) -> None:
    """Promise 2: signing out everywhere while the password was checked refuses the token."""
    world = build()
    epoch = world.run(world.sessions.epoch("ada"))
    world.run(world.sessions.revoke_user("ada"))
    with pytest.raises(StaleLogin):
        issued(world, epoch=epoch)
    token = issued(world).token
    world.run(world.sessions.revoke_user("ada"))
    assert world.load(token, BEARER).user_id is None


def test_it_never_rotates_and_obeys_new_roles(build: Build) -> None:
    """Promise 5: a program keeps its token for as long as it lives; what it may do is what the store says now."""
    world = build(Policy(rotate_every="1h"))
    token = issued(world).token
    world.clock.advance("2h")
    world.run(world.sessions.set_roles("ada", ["auditor"]))
    for _ in range(2):
        session, outcome = world.visit(token, Visit(carrier="bearer", may_rotate=False))
        assert (session.roles, outcome.token) == (("auditor",), None)


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [("login", ["bob"]), ("begin_login", ["bob"]), ("rotate", []), ("step_up", []), ("revoke_others", []),
     ("resume", []), ("impersonate", ["bob"])],
)  # fmt: skip
def test_what_needs_a_cookie_is_refused(build: Build, verb: str, arguments: list[str]) -> None:
    """10.2: a bearer request is answered with no new ticket; the error holds the line to write, and nothing is done."""
    world = build()
    token = issued(world).token
    session = world.load(token, BEARER)
    before = len(world.store.writes)
    with pytest.raises(WrongCarrier, match=r"await sessions\.issue\("):
        world.run(getattr(session, verb)(*arguments))
    assert len(world.store.writes) == before
    assert world.load(token, BEARER).user_id == "ada"


def test_a_dead_token_stores_nothing(build: Build) -> None:
    """Promise 1: where no cookie can be sent, data of nobody is refused instead of lost."""
    world = build()
    session = world.load(world.sign_in(), BEARER)
    with pytest.raises(SignInRequired):
        session["cart"] = [1]


def test_data_and_logout_work(build: Build) -> None:
    """S-12: a bearer session keeps data like any other, and logging out ends it."""
    world = build()
    token = issued(world).token
    session = world.load(token, BEARER)
    session["cursor"] = 7
    world.save(session)
    session = world.load(token, BEARER)
    assert dict(session) == {"cursor": 7}
    world.run(session.logout())
    assert world.load(token, BEARER).reason == "signed_out"


@pytest.mark.parametrize("label", ["", "x" * 256, "a\0b", "\ud800", 7])
def test_labels_are_checked(build: Build, label: Any) -> None:
    """W-9: what a store could not keep is refused before anything is made."""
    world = build()
    with pytest.raises(ValueError, match="label"):
        issued(world, label=label)
    assert world.store.writes == []


# -- secrecy


@pytest.mark.parametrize("make", [issued, ticket_for])
def test_the_token_is_shown_once(build: Build, make: Any, caplog: pytest.LogCaptureFixture) -> None:
    """14.2, KY-7: no repr, traceback line, log, event, list or stored record tells it."""
    caplog.set_level(logging.DEBUG)
    world = build()
    made = make(world)
    secret = made.token[27:]
    redeem(world, made.token)
    redeem(world, made.token)
    world.load(made.token)
    told = [repr(made), str(made), pretty_repr(made), f"{made.session}", repr(world.events), caplog.text]
    told += [repr(row) for row in world.store.inner._rows.live.values()]
    assert [text for text in told if secret in text] == []
    assert made.session.id in repr(made)
