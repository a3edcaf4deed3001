"""The gate's own headers: nobody else's survive, and what they say can be read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coatcheck import ConfigurationError
from coatcheck.web.gate import Gate, HeaderNames, Standing, decode_roles, decode_value
from coatcheck.web.gate.headers import encode_value

GATE = Gate([], default="public")
SPELLINGS = [
    *(b"x-user-id", b"X-User-Id", b"X-USER-ID", b"x_user_id", b"X_User-Id", b"x-user_id", b"X_USER_ROLE"),
    *(b"x-user-role", b"x-session-id", b"X_Session_Id", b"x.user.id", b"x user id", b" x-user-id", b"x-user-id\t"),
]
KEPT = [(b"host", b"x"), (b"x-user", b"y"), (b"x-user-ids", b"z"), (b"xx-user-id", b"w"), (b"x--user-id", b"v")]


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_of_the_gate_s_headers_is_removed(name: bytes) -> None:
    """S-59, ASVS 4.1.3: case, underscores, repeats and other characters that become underscores do not survive."""
    raw = [KEPT[0], (name, b"admin"), *KEPT[1:], (name, b"again")]

    assert GATE.strip(raw) == KEPT


def test_the_names_can_be_chosen() -> None:
    """Other names are written and removed, and then only those."""
    gate = Gate([], default="public", header_names=HeaderNames("X-Auth-User", "X-Auth-Roles", "X-Auth-Session"))
    standing = Standing(user_id="ann", session_id="0abc", roles=("b", "a"))

    assert gate.headers_for(standing) == [
        (b"x-auth-user", b"ann"),
        (b"x-auth-roles", b"a,b"),
        (b"x-auth-session", b"0abc"),
    ]
    assert gate.strip([(b"X_AUTH_USER", b"eve"), (b"x-user-id", b"kept")]) == [(b"x-user-id", b"kept")]


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (HeaderNames("x user"), "no name for a header"),
        (HeaderNames("x_user_id"), "no name for a header"),
        (HeaderNames(""), "no name for a header"),
        (HeaderNames("x-user-id", "X-User-Id"), "two of the headers"),
        (HeaderNames("Cookie"), "cookie is read by coatcheck"),
    ],
)
def test_wrong_names_are_refused(names: HeaderNames, fault: str) -> None:
    """A name that is none, that two share, or that something else needs is refused when the gate is built."""
    with pytest.raises(ConfigurationError, match=fault):
        Gate([], default="public", header_names=names)


def test_roles_are_in_a_fixed_order() -> None:
    """Roles are sorted and joined by commas, whatever order they come in; without roles there is no header."""
    for roles in (("editor", "admin"), ("admin", "editor")):
        assert GATE.headers_for(Standing(user_id="u", session_id="s", roles=roles))[1] == (
            b"x-user-role",
            b"admin,editor",
        )
    assert [name for name, _ in GATE.headers_for(Standing(user_id="u", session_id="s"))] == [
        b"x-user-id",
        b"x-session-id",
    ]
    assert GATE.headers_for(None) == GATE.headers_for(Standing(session_id="s")) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("user-123", "user-123"),
        ("a@b.example", "a@b.example"),
        ("a,b", "a%2Cb"),
        ("100%", "100%25"),
        ("a b", "a%20b"),
        ("Zoë", "Zo%C3%AB"),
        ("a\r\nx-user-role: admin", "a%0D%0Ax-user-role:%20admin"),
        ("", ""),
    ],
)
def test_values_are_printable(text: str, value: str) -> None:
    """Whatever a user's id or role is, it cannot end its header or pass for two roles."""
    assert encode_value(text) == value
    assert decode_value(value) == text


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(_TEXTS, st.lists(_TEXTS.filter(bool), max_size=4, unique=True))
def test_values_are_read_back(user_id: str, roles: list[str]) -> None:
    """Every id and every set of roles comes back as it was, out of printable ASCII without spaces."""
    made = dict(GATE.headers_for(Standing(user_id=user_id, session_id="s", roles=tuple(roles))))

    assert all(0x20 < byte < 0x7F for value in made.values() for byte in value)
    assert decode_value(made[b"x-user-id"].decode()) == user_id
    assert decode_roles(made.get(b"x-user-role", b"").decode()) == tuple(sorted(roles))
    assert decode_roles(None) == ()


def test_what_the_gate_did_not_write_is_not_decoded() -> None:
    """A value that the gate cannot have written is an error and no user."""
    with pytest.raises(ValueError):
        decode_value("%ff")
