"""What a gate says of a request: the rule that decides, those before it, and why."""

from __future__ import annotations

import pytest

from coatcheck.web.gate import Gate, Inquiry, Rule, Standing
from coatcheck.web.gate.judging import consider

NOW = 1_800_000_000_000
GATE = Gate(
    [
        Rule("/blog/:slug+", allow="public"),
        Rule("/hello", allow="public", identify=True),
        Rule("/admin/:path*", methods=["POST"], role="admin", fresh="5m", aal=2),
        Rule("/admin/:path*", role=["ops", "admin"]),
        Rule("/feed", may_store=True),
    ],
    default="deny",
    skip="/static/:path*",
)
ANN = Standing(user_id="ann", session_id="0ann", roles=("admin",), auth_time=NOW)


def test_the_deciding_rule_and_those_before_it_are_named() -> None:
    """Which rule decides is told with every one that was looked at before it, and why it did not."""
    assert str(GATE.explain(Inquiry(method="GET", path="/admin/x"))) == (
        "GET /admin/x\n"
        "  rule 1 (/blog/:slug+) does not match the path\n"
        "  rule 2 (/hello) does not match the path\n"
        "  rule 3 (/admin/:path*) is for POST alone\n"
        "  rule 4 (/admin/:path*) decides: somebody must be signed in, with the role admin or ops\n"
        "Refused with 303 to /login for a page, 401 otherwise: nobody is signed in (reason none)."
    )


def test_each_method_is_told() -> None:
    """G-13: a request that can be taken for another method is explained as both."""
    told = GATE.explain(Inquiry(method="POST", path="/admin", headers=[(b"x-http-method-override", b"GET")]), ANN, NOW)

    assert "  as GET: rule 4" in str(told)
    assert "  as POST: rule 3 (/admin/:path*) decides: somebody must be signed in, with the role admin, " in str(told)
    assert (told.decision, told.outcome) == (
        "step_up",
        "Refused with 401: they must prove again who they are, within 5 minutes and at assurance level 2.",
    )


@pytest.mark.parametrize(
    ("method", "path", "standing", "decision", "words"),
    [
        ("GET", "/blog/a", None, "allow", "The session is not looked at"),
        ("GET", "/static/a", None, "allow", "The session is not looked at"),
        ("GET", "/hello", None, "allow", "stored as the handler says"),
        ("GET", "/feed", ANN, "allow", "stored as the handler says"),
        ("GET", "/admin", ANN, "allow", "private, no-store"),
        ("GET", "/login", None, "allow", "noindex and no-store"),
        ("GET", "/x", ANN, "deny", "no rule is for it"),
        ("GET", "/admin", Standing(user_id="u", session_id="s"), "role", "has no role admin or ops"),
        ("GET", "//x", None, "bad_path", "two slashes in a row"),
        (
            "POST",
            "/admin",
            Standing(user_id="u", session_id="s", roles=("admin",)),
            "step_up",
            "within 5 minutes and at",
        ),
    ],
)
def test_each_outcome_is_a_sentence(
    method: str, path: str, standing: Standing | None, decision: str, words: str
) -> None:
    """What becomes of the request is told in words and in one word."""
    told = GATE.explain(Inquiry(method=method, path=path), standing, NOW)

    assert told.decision == decision
    assert words in told.outcome


def test_a_preflight_is_told() -> None:
    """A request that passes without being judged is told as one."""
    headers = [(b"origin", b"https://a.example"), (b"access-control-request-method", b"PUT")]

    assert "it is a preflight" in GATE.explain(Inquiry(method="OPTIONS", path="/admin", headers=headers)).outcome


def test_programs_get_the_same() -> None:
    """The same facts are there for programs."""
    told = GATE.explain(Inquiry(method="GET", path="/hello")).as_json()

    assert (told["decision"], told["method"], told["path"]) == ("allow", "GET", "/hello")
    assert told["looked"][-1] == {
        "method": "GET",
        "what": "rule 2",
        "match": "/hello",
        "said": "decides: everybody may pass; the session is looked at",
        "decides": True,
    }


@pytest.mark.parametrize("path", ["/blog/a", "/admin", "/x", "/static/y", "/login", "/feed"])
def test_what_is_told_is_what_is_done(path: str) -> None:
    """An explanation names the ruling that requests get, because it asks the same function."""
    ruling = consider(GATE._book, Inquiry(method="GET", path=path)).rulings[0]

    assert GATE.explain(Inquiry(method="GET", path=path)).looked[-1].what == ruling.by
