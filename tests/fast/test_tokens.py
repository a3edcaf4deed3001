"""Tickets: shape, entropy, digests, and what is no ticket."""

from __future__ import annotations

import ast
import hashlib
import hmac
import inspect
import secrets
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck import Policy, SessionError, Sessions, lifecycle, tokens
from coatcheck.testing import FrozenClock

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def raw(text: str) -> bytes:
    """Read base64url without padding."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_shape() -> None:
    """S-02, SM-2: an id of region, tag and 128 random bits, and a secret of 256 random bits."""
    asked: list[int] = []

    def random(count: int) -> bytes:
        asked.append(count)
        return secrets.token_bytes(count)

    ticket = tokens.mint(random)
    assert sorted(asked) == [3, 16, 32]
    assert (len(ticket.id), len(ticket.secret)) == (tokens.ID_LENGTH, tokens.SECRET_LENGTH) == (26, 43)
    assert ticket.id[0] == tokens.REGION == "0"
    assert (len(raw(ticket.id[4:])), len(raw(ticket.secret))) == (16, 32)
    assert tokens.parse(ticket.token) == ticket
    assert tokens.is_id(ticket.id)


def test_uniqueness_and_spread() -> None:
    """S-02: 10^5 tickets (a tenth of the row's 10^6, for speed) repeat neither id nor secret."""
    made = [tokens.mint(secrets.token_bytes) for _ in range(100_000)]
    assert len({ticket.id[4:] for ticket in made}) == len({ticket.secret for ticket in made}) == 100_000
    for position in (4, 14, 24):
        assert {ticket.id[position] for ticket in made} == set(ALPHABET)
    assert {ticket.id[25] for ticket in made} == set("AQgw")


def test_constant_randomness_is_noticed() -> None:
    """S-02: with a broken source of randomness the second session is refused, not shared."""
    sessions = Sessions("memory://", clock=FrozenClock(), random=bytes)
    for attempt in range(2):
        session = sessions.load(None)
        session["key"] = attempt
        if attempt == 0:
            sessions.save(session)
            continue
        with pytest.raises(SessionError):
            sessions.save(session)
    assert sessions.count() == 1


GOOD = tokens.Ticket("0" + "abc" + "A" * 21 + "Q", "B" * 42 + "E").token
CORPUS = [
    "", ".", "A", GOOD[:-1], GOOD + "A", GOOD + " ", " " + GOOD, GOOD + "\n", "1" + GOOD[1:], GOOD.replace(".", ":"),
    "\0" + GOOD[1:], GOOD[:-1] + "\0", GOOD[:5] + "../" + GOOD[8:], GOOD[:5] + "\r\n" + GOOD[7:],
    GOOD[:5] + "*" + GOOD[6:], GOOD[:5] + "{" + GOOD[6:-2] + "}E", GOOD[:5] + "' OR 1=1--" + GOOD[15:],
    GOOD[:5] + "é" + GOOD[6:], GOOD[:5] + "\N{FULLWIDTH LATIN CAPITAL LETTER A}" + GOOD[6:], GOOD[:5] + "+/" + GOOD[7:],
    "A" * 71, GOOD.lower(), GOOD * 15_000,
]  # fmt: skip


@pytest.mark.parametrize("text", CORPUS, ids=lambda text: ascii(text[:24]))
def test_what_is_no_ticket(text: str) -> None:
    """SM-11: whatever could not have been minted is refused before anything is looked up."""
    assert tokens.parse(text) is None
    assert not tokens.is_id(text)


def test_only_canonical_spellings() -> None:
    """SM-11: of the characters that decode to the same bytes only one ends an id, and one a secret."""
    handle, _, secret = GOOD.partition(".")
    assert [end for end in ALPHABET if tokens.parse(f"{handle[:-1]}{end}.{secret}")] == list("AQgw")
    accepted = [end for end in ALPHABET if tokens.parse(f"{handle}.{secret[:-1]}{end}")]
    assert accepted == list("AEIMQUYcgkosw048")
    assert len({raw(secret[:-1] + end) for end in accepted}) == len(accepted)


@given(st.text(alphabet=ALPHABET + ".", min_size=68, max_size=72))
def test_parse_returns_what_it_read(text: str) -> None:
    """SM-11: whatever is accepted is spelt exactly as a ticket spells itself."""
    ticket = tokens.parse(text)
    assert ticket is None or ticket.token == text


def test_digest_binds_version_tenant_and_id() -> None:
    """KY-7, promise 7: a digest is versioned and fits one tenant, one id and one secret."""
    ticket = tokens.mint(secrets.token_bytes)
    elsewhere = tokens.Ticket(tokens.mint(secrets.token_bytes).id, ticket.secret)
    digests = [tokens.digest(ticket), tokens.digest(ticket, tenant="a"), tokens.digest(elsewhere)]
    assert len(set(digests)) == 3
    assert all(each[:1] == tokens.DIGEST_VERSION and len(each) == 33 for each in digests)
    assert ticket.secret.encode() not in digests[0]
    assert digests[0] != tokens.DIGEST_VERSION + hashlib.sha256(ticket.secret.encode()).digest()


def test_repr_hides_the_secret() -> None:
    """Promise 7: a ticket prints its public id alone."""
    ticket = tokens.mint(secrets.token_bytes)
    assert repr(ticket) == f"Ticket(id={ticket.id!r})"
    assert ticket.secret not in f"{ticket} {ticket!r} {[ticket]}"


def test_digests_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """ASVS 11.2.4: digests meet in hmac.compare_digest, and judging compares them nowhere else."""
    seen: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def spy(left: bytes, right: bytes) -> bool:
        seen.append((left, right))
        return real(left, right)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    assert tokens.same(b"a", b"a")
    assert not tokens.same(b"a", b"b")
    assert not tokens.same(None, b"")
    assert seen == [(b"a", b"a"), (b"a", b"b")]
    tree = ast.parse(inspect.getsource(lifecycle.judge) + inspect.getsource(lifecycle._holder))
    compared = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    assert not [text for text in compared if "digest" in text or "presented" in text]


def test_tag_is_keyed_and_random_for_nobody() -> None:
    """SM-3: the tag in an id tells users apart only to who has the store's key; an anonymous one is random."""
    key, other = b"k" * 32, b"o" * 32
    assert tokens.user_tag(key, "ada") == tokens.user_tag(key, "ada")
    tags = {tokens.user_tag(key, "ada"), tokens.user_tag(other, "ada"), tokens.user_tag(key, "ada", tenant="t")}
    assert len(tags) == 3
    assert tokens.mint(secrets.token_bytes, tag="abc").id[1:4] == "abc"
    assert len({tokens.mint(secrets.token_bytes).id[1:4] for _ in range(50)}) > 10


def test_successor_is_the_same_for_everybody_and_cannot_be_guessed() -> None:
    """Ruling 3: the successor follows from the old secret and the nonce, needs both, and has a secret's shape."""
    following = tokens.successor("old", b"nonce")
    assert following == tokens.successor("old", b"nonce")
    assert len({following, tokens.successor("old", b"other"), tokens.successor("new", b"nonce")}) == 3
    assert tokens.parse(f"{GOOD[:26]}.{following}")


def test_hashes_are_separate_for_every_purpose() -> None:
    """Promise 7: what is recognised for one purpose is not recognised for another; odd text is no error."""
    key = b"k" * 32
    assert len({tokens.keyed_hash(key, "user-agent", "x"), tokens.keyed_hash(key, "log", "x")}) == 2
    assert len(tokens.keyed_hash(key, "user-agent", "\ud800")) == 8


def test_cookie_holds_nothing_but_the_ticket() -> None:
    """S-01, SM-3: neither the cookie's text nor its decoded bytes hold the user's id, a role or a datum."""
    sessions = Sessions("memory://", policy=Policy(), clock=FrozenClock())
    session = sessions.load(None)
    session.login("ada-lovelace", roles=["editor"])
    session["colour"] = "crimson"
    token = sessions.save(session).token or ""
    handle, _, secret = token.partition(".")
    shown = token.encode() + raw(handle[4:]) + raw(secret) + raw(handle[1:4] + "A")
    for word in (b"ada", b"lovelace", b"editor", b"colour", b"crimson"):
        assert word not in shown


def test_an_id_in_the_place_of_another() -> None:
    """SM-2, SM-3: one for each id and key, shaped like any other, with the owner's tag and a secret of its own."""
    key, first, second = b"k" * 32, tokens.mint(secrets.token_bytes), tokens.mint(secrets.token_bytes, tag="abc")
    old = tokens.mint(secrets.token_bytes).id
    heir, other = tokens.in_place_of(first, old, key), tokens.in_place_of(second, old, key)
    assert (heir.id[:4], other.id[:4], heir.id[4:]) == (first.id[:4], "0abc", other.id[4:])
    assert (heir.secret, other.secret) == (first.secret, second.secret)
    assert tokens.parse(heir.token) == heir
    assert len({heir.id, tokens.in_place_of(first, heir.id, key).id, tokens.in_place_of(first, old, b"l" * 32).id}) == 3
