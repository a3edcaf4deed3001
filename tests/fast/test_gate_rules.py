"""A gate's configuration: every fault at once, each with what to write, and what is left unguarded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from coatcheck import ConfigurationError
from coatcheck.web.gate import Gate, HeaderNames, Rule

ARTICLES = "/((?!api|_next/static|_next/image|favicon.ico).*)"
FOR_ALL = 'every path that no rule matches (default="public")'


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        (Rule("/a*"), "the matcher '/a*' cannot be used"),
        (Rule([]), "must be a matcher such as"),
        (Rule(7), "must be a matcher such as"),  # type: ignore[arg-type]  # what a caller without a type checker may do
        (Rule("/a", methods="GET"), "methods='GET' must be a list"),
        (Rule("/a", methods=[]), "methods=[] must be a list"),
        (Rule("/a", methods=["get"]), "in capitals"),
        (Rule("/a", allow="maybe"), "allow='maybe' is not known"),  # type: ignore[arg-type]  # as above
        (Rule("/a", role=""), "role='' must be a role"),
        (Rule("/a", role=[]), "role=[] must be a role"),
        (Rule("/a", role=["a", 1]), "must be a role"),  # type: ignore[list-item]  # as above
        (Rule("/a", fresh="soon"), "is not a length of time"),
        (Rule("/a", fresh="0s"), "nobody could pass"),
        (Rule("/a", fresh=timedelta(seconds=-1)), "is negative"),
        (Rule("/a", aal=4), "aal=4 must be 1, 2 or 3"),
        (Rule("/a", aal=True), "aal=True must be 1, 2 or 3"),
        (Rule("/a", allow="public", role="admin"), "role cannot be asked of everybody"),
        (Rule("/a", allow="public", fresh="5m", aal=2), "fresh and aal cannot be asked of everybody"),
        (Rule("/a", allow="public", may_store=True), "may_store says nothing here"),
        (Rule("/a", identify=True), "identify says nothing here"),
        ("/a", "must be a Rule"),
    ],
)
def test_a_wrong_rule_is_refused(rule: Any, fault: str) -> None:
    """ASVS 8.1.1: a rule that cannot be meant is refused when the gate is built, with its number and the remedy."""
    with pytest.raises(ConfigurationError) as refused:
        Gate([Rule("/fine"), rule], default="deny")

    assert len(refused.value.faults) == 1
    assert refused.value.faults[0].startswith("rule 2")
    assert fault in refused.value.faults[0]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"default": "allow"}, "say what becomes of paths"),
        ({"default": None}, "say what becomes of paths"),
        ({"sign_in_url": "login"}, 'must be a plain path such as "/sign-in"'),
        ({"sign_in_url": "//evil.example"}, "must be a plain path"),
        ({"sign_in_url": "/a%2fb"}, "must be a plain path"),
        ({"sign_in_url": 7}, "must be a plain path"),
        ({"step_up_url": "/../x"}, 'must be a plain path such as "/step-up"'),
        ({"skip": "/static/*"}, "skip: the matcher"),
        ({"matcher": ["/a", "b"]}, "matcher: the matcher 'b'"),
        ({"header_names": HeaderNames("a b")}, "no name for a header"),
        ({"rules": "/admin"}, "the rules must be a list"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], fault: str) -> None:
    """Each option that cannot be meant is refused when the gate is built, with what to write."""
    with pytest.raises(ConfigurationError, match=fault.replace("(", r"\(")):
        Gate(**{"rules": [], "default": "deny", **options})


def test_the_default_must_be_said() -> None:
    """X-11: what becomes of unlisted paths has no default of its own."""
    with pytest.raises(TypeError, match="default"):
        Gate([])  # type: ignore[call-arg]  # this is the point


def test_all_faults_are_told_at_once() -> None:
    """Nobody mends one fault to be told the next."""
    with pytest.raises(ConfigurationError) as refused:
        Gate([Rule("/a*"), Rule("/b", aal=9, role="")], default="x", skip=["c"], sign_in_url="d")  # type: ignore[arg-type]  # as above

    assert len(refused.value.faults) == 6


@pytest.mark.parametrize(
    ("rules", "late"),
    [
        ([Rule("/:path*", allow="public"), Rule("/admin")], True),
        ([Rule("/(.*)"), Rule("/admin", role="admin")], True),
        ([Rule("/a"), Rule("/a", role="admin")], True),
        ([Rule(["/a", "/b"], methods=["GET", "POST"]), Rule("/b", methods=["POST"])], True),
        ([Rule("/a", methods=["GET"]), Rule("/a", methods=["HEAD"])], True),
        ([Rule("/a", methods=["GET"]), Rule("/a")], False),
        ([Rule("/a", methods=["GET"]), Rule("/a", methods=["POST"])], False),
        ([Rule("/a"), Rule(["/a", "/b"])], False),
        ([Rule(ARTICLES), Rule("/api/:path*")], False),
        ([Rule("/admin"), Rule("/:path*", allow="public")], False),
    ],
)
def test_a_rule_that_is_never_asked_is_refused(rules: list[Rule], late: bool) -> None:
    """First match wins, so a rule below one that takes all of its requests is a mistake, and is told as one."""
    if not late:
        Gate(rules, default="deny")
        return
    with pytest.raises(ConfigurationError, match=r"rule 2 \(.*\) is never asked, because rule 1"):
        Gate(rules, default="deny")


@pytest.mark.parametrize(
    ("options", "unguarded"),
    [
        ({"default": "deny"}, ()),
        ({"default": "signed_in"}, ()),
        ({"default": "public"}, (FOR_ALL,)),
        (
            {"default": "deny", "skip": ["/static/:path*", "/favicon.ico"]},
            ("/static/:path* (skip)", "/favicon.ico (skip)"),
        ),
        (
            {"default": "deny", "matcher": ARTICLES},
            (
                "/api... (matcher)",
                "/_next/static... (matcher)",
                "/_next/image... (matcher)",
                "/favicon.ico... (matcher)",
            ),
        ),
        ({"default": "deny", "matcher": ["/app/:path*", "/me"]}, ("every path but /app/:path*, /me (matcher)",)),
        ({"default": "deny", "matcher": "/:path*"}, ()),
        (
            {"rules": [Rule("/api/:path*"), Rule("/((?!api|docs).*)")], "default": "public"},
            ("/docs... (left out by rule 2)", FOR_ALL),
        ),
        ({"rules": [Rule("/((?!api).*)")], "default": "signed_in"}, ()),
        ({"rules": [Rule("/((?!api).*)", allow="public")], "default": "public"}, (FOR_ALL,)),
    ],
)
def test_what_is_unguarded_is_listed(options: dict[str, Any], unguarded: tuple[str, ...]) -> None:
    """X-10: what a matcher leaves out is in a list that the application logs when it starts."""
    assert Gate(**{"rules": [], **options}).unguarded == unguarded


def test_a_gate_shows_no_rules() -> None:
    """The repr says how many rules there are and what the default is."""
    assert repr(Gate([Rule("/a")], default="deny")) == "<Gate of 1 rules, default 'deny'>"
