"""Who may pass: each law of the gate as a table of requests, sessions and decisions."""

from __future__ import annotations

from typing import Any

import pytest

from coatcheck.web.gate import Gate, Inquiry, Rule, Standing
from coatcheck.web.gate.judging import Allow, BadPath, Decision, Denied, Forbidden, SignIn, StepUp

NOW = 1_800_000_000_000
MINUTE = 60_000
NOBODY = Standing()
ANN = Standing(user_id="ann", session_id="0ann", roles=("user",), aal=1, auth_time=NOW - 10 * MINUTE)
BOB = Standing(user_id="bob", session_id="0bob", roles=("admin", "user"), aal=2, auth_time=NOW - MINUTE)
LATELY = Standing(user_id="eve", session_id="0eve", roles=(), aal=None, auth_time=None)

GATE = Gate(
    [
        Rule("/blog/:slug+", allow="public"),
        Rule("/hello", allow="public", identify=True),
        Rule("/account/password", fresh="5m"),
        Rule("/account/keys", aal=2),
        Rule("/account/both", fresh="5m", aal=2),
        Rule("/account/feed", may_store=True),
        Rule("/account/:path*"),
        Rule("/docs/:id", methods=["GET"], allow="public"),
        Rule("/docs/:id", methods=["DELETE"], role="admin"),
        Rule("/docs/:id", methods=["POST"]),
        Rule("/admin/:path*", role=["admin", "ops"]),
        Rule("/raw", methods=["HEAD"], allow="public"),
    ],
    default="deny",
    step_up_url="/again",
    skip="/static/:path*",
)


def judge(
    gate: Gate, method: str, path: str, standing: Standing = NOBODY, *, query: str = "", **headers: str
) -> Decision:
    """Ask the gate about a request; headers are keywords with underscores."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    inquiry = Inquiry(method=method, path=path, query=query.encode(), headers=raw)
    case = gate.consider(inquiry)
    return gate.decide(case, standing if case.looks else None, NOW)


PASSED = Allow()
TABLE: list[tuple[str, str, Standing, Decision]] = [
    # public: nobody is looked at
    ("GET", "/blog/a", NOBODY, PASSED),
    ("GET", "/blog/a", BOB, PASSED),
    ("POST", "/blog/a/b", NOBODY, PASSED),
    ("GET", "/static/x.css", NOBODY, PASSED),
    # public, and told who it is
    ("GET", "/hello", NOBODY, PASSED),
    ("GET", "/hello", ANN, Allow(ANN, no_store=True)),
    # signed in
    ("GET", "/account", NOBODY, SignIn("none")),
    ("GET", "/account/", Standing(reason="revoked"), SignIn("revoked")),
    ("GET", "/account/x", Standing(reason="idle"), SignIn("idle")),
    ("GET", "/account/x", Standing(session_id="0anonymous"), SignIn("none")),
    ("GET", "/account", ANN, Allow(ANN, no_store=True)),
    ("GET", "/account/feed", ANN, Allow(ANN, no_store=False)),
    ("GET", "/account/feed", NOBODY, SignIn("none")),
    # roles: any of them
    ("GET", "/admin", NOBODY, SignIn("none")),
    ("GET", "/admin/users", ANN, Forbidden(("admin", "ops"))),
    ("GET", "/admin/users", BOB, Allow(BOB, no_store=True)),
    # freshness and assurance
    ("GET", "/account/password", ANN, StepUp(5 * MINUTE, None)),
    ("GET", "/account/password", LATELY, StepUp(5 * MINUTE, None)),
    ("GET", "/account/password", BOB, Allow(BOB, no_store=True)),
    ("GET", "/account/password", NOBODY, SignIn("none")),
    ("GET", "/account/keys", ANN, StepUp(None, 2)),
    ("GET", "/account/keys", LATELY, StepUp(None, 2)),
    ("GET", "/account/keys", BOB, Allow(BOB, no_store=True)),
    ("GET", "/account/both", ANN, StepUp(5 * MINUTE, 2)),
    # by method; GET covers HEAD, HEAD does not cover GET
    ("GET", "/docs/1", NOBODY, PASSED),
    ("HEAD", "/docs/1", NOBODY, PASSED),
    ("POST", "/docs/1", NOBODY, SignIn("none")),
    ("DELETE", "/docs/1", ANN, Forbidden(("admin",))),
    ("DELETE", "/docs/1", BOB, Allow(BOB, no_store=True)),
    ("PUT", "/docs/1", BOB, Denied()),
    ("HEAD", "/raw", NOBODY, PASSED),
    ("GET", "/raw", BOB, Denied()),
    # another spelling of a method is the same method to some frameworks
    ("delete", "/docs/1", ANN, Forbidden(("admin",))),
    ("get", "/admin", NOBODY, SignIn("none")),
    # the default
    ("GET", "/unlisted", BOB, Denied()),
    ("GET", "/Admin", BOB, Denied()),
    ("OPTIONS", "/admin", NOBODY, SignIn("none")),
    # the pages that no rule may shut
    ("GET", "/login", NOBODY, Allow(None, no_store=True, noindex=True)),
    ("POST", "/login/", Standing(reason="expired"), Allow(None, no_store=True, noindex=True)),
    ("GET", "/login", ANN, Allow(ANN, no_store=True, noindex=True)),
    ("GET", "/again", ANN, Allow(ANN, no_store=True, noindex=True)),
    ("GET", "/again", NOBODY, SignIn("none")),
    # paths
    ("GET", "/blog/../admin", BOB, BadPath("dot_segment")),
    ("GET", "//admin", BOB, BadPath("double_slash")),
    ("GET", "/static/../admin", BOB, BadPath("dot_segment")),
]


@pytest.mark.parametrize(
    ("method", "path", "standing", "decision"), TABLE, ids=[f"{row[0]} {row[1]} {row[2].user_id}" for row in TABLE]
)
def test_who_may_pass(method: str, path: str, standing: Standing, decision: Decision) -> None:
    """S-54: the first rule that matches path and method decides about everybody, and the default about the rest."""
    assert judge(GATE, method, path, standing) == decision


@pytest.mark.parametrize(
    ("default", "decision"), [("public", PASSED), ("signed_in", SignIn("none")), ("deny", Denied())]
)
def test_unlisted_paths_do_as_the_configuration_says(default: Any, decision: Decision) -> None:
    """S-58, X-11: what no rule matches is judged by the default that was written."""
    assert judge(Gate([Rule("/a")], default=default), "GET", "/b") == decision


def test_the_edge_of_freshness() -> None:
    """ASVS 7.5.1: exactly as old as allowed passes, a millisecond more does not."""
    for age, passes in ((5 * MINUTE, True), (5 * MINUTE + 1, False)):
        standing = Standing(user_id="u", session_id="s", auth_time=NOW - age)
        assert isinstance(judge(GATE, "GET", "/account/password", standing), Allow) is passes


@pytest.mark.parametrize(
    ("method", "path", "looks"),
    [
        ("GET", "/blog/a", False),
        ("GET", "/static/a", False),
        ("GET", "/unlisted", False),
        ("GET", "//admin", False),
        ("GET", "/hello", True),
        ("GET", "/account", True),
        ("GET", "/login", True),
    ],
)
def test_the_session_is_looked_at_only_where_a_rule_needs_it(method: str, path: str, looks: bool) -> None:
    """S-61, K-5: a public rule, a path left out and a refused path need no session, so none is loaded."""
    assert GATE.consider(Inquiry(method=method, path=path)).looks is looks


@pytest.mark.parametrize(
    ("method", "query", "headers", "decision"),
    [
        ("POST", "", {"X_HTTP_Method_Override": "DELETE"}, Forbidden(("admin",))),
        ("POST", "", {"x_http_method": "delete"}, Forbidden(("admin",))),
        ("POST", "", {"X_METHOD_OVERRIDE": " DELETE "}, Forbidden(("admin",))),
        ("POST", "", {"x_http_method_override": "GET, DELETE"}, Forbidden(("admin",))),
        ("GET", "_method=DELETE", {}, Forbidden(("admin",))),
        ("GET", "a=1&_method=delete", {}, Forbidden(("admin",))),
        ("GET", "%5Fmethod=DELETE", {}, Forbidden(("admin",))),
        ("GET", "_%6d%65thod=DELETE", {}, Forbidden(("admin",))),
        ("GET", "_METHOD=DELETE", {}, Forbidden(("admin",))),
        ("GET", "_method=PUT", {}, Denied()),
        ("GET", "a&" * 5000 + "_method=GET", {}, Denied()),
        ("GET", "_method=PUT&_method=DELETE", {}, Denied()),
        ("GET", "_method=DELETE&_method=PUT", {}, Denied()),
        ("DELETE", "_method=GET", {}, Forbidden(("admin",))),
        ("DELETE", "", {"x_http_method_override": "GET"}, Forbidden(("admin",))),
        ("POST", "_method=GET", {}, Allow(ANN, no_store=True)),
        ("GET", "_method=", {"x_http_method": ""}, PASSED),
        ("GET", "method=DELETE", {"x_method": "DELETE"}, PASSED),
    ],
)
def test_an_overridden_method_is_judged_as_overridden(
    method: str, query: str, headers: dict[str, str], decision: Decision
) -> None:
    """G-13: a request that asks to be taken for another method is judged as both, and the stricter answer holds."""
    assert judge(GATE, method, "/docs/1", ANN, query=query, **headers) == decision


@pytest.mark.parametrize("own", ["GET", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("among", ["DELETE", "X0"])
def test_thousands_of_methods_cost_no_more_than_the_rules_tell_apart(own: str, among: str) -> None:
    """G-13: a header full of methods is judged by all that rules name, and its others are judged once."""
    listed = [f"X{number}" for number in range(5000)]
    header = ",".join([*listed[:2500], among, *listed[2500:]])
    raw = [(b"origin", b"null"), (b"access-control-request-method", b"GET"), (b"x-http-method", header.encode())]

    case = GATE.consider(Inquiry(method=own, path="/docs/1", headers=raw))

    assert len(case.rulings) <= 10
    assert GATE.decide(case, BOB, NOW) == Denied()
    assert ("rule 9" in {ruling.by for ruling in case.rulings}) is ("DELETE" in (own, among))


@pytest.mark.parametrize("method", ["", " "])
def test_a_request_without_a_method_is_judged(method: str) -> None:
    """S-54: what a server makes of a broken request line is no way past the rules."""
    assert judge(GATE, method, "/admin", NOBODY) == SignIn("none")
    assert judge(GATE, method, "/admin", NOBODY, x_http_method="") == SignIn("none")


@pytest.mark.parametrize("spelling", ["X_HTTP_Method_Override", "x_http-method-override"])
def test_overrides_are_known_with_underscores(spelling: str) -> None:
    """A header that WSGI makes the same variable of is the same override."""
    inquiry = Inquiry(method="POST", path="/docs/1", headers=[(spelling.encode(), b"DELETE")])

    assert GATE.decide(GATE.consider(inquiry), ANN, NOW) == Forbidden(("admin",))


def test_repeated_overrides_all_count() -> None:
    """Which of two headers a framework takes is unknown, so both are judged."""
    headers = [(b"x-http-method-override", b"GET"), (b"x-http-method-override", b"DELETE")]

    assert GATE.decide(GATE.consider(Inquiry(method="POST", path="/docs/1", headers=headers)), ANN, NOW) == Forbidden(
        ("admin",)
    )


@pytest.mark.parametrize(
    ("kind", "decision"),
    [
        ("application/x-www-form-urlencoded; charset=utf-8", Forbidden(("admin",))),
        ("Multipart/Form-Data; boundary=x", Forbidden(("admin",))),
        ("application/json", Allow(ANN, no_store=True)),
    ],
)
def test_a_form_may_hide_a_method(kind: str, decision: Decision) -> None:
    """G-13: where forms may override the method, every POST of one is judged as what it could become."""
    rules = [Rule("/docs/:id", methods=["DELETE"], role="admin"), Rule("/docs/:id")]

    assert (
        judge(Gate(rules, default="deny", form_overrides=True), "POST", "/docs/1", ANN, content_type=kind) == decision
    )
    assert judge(Gate(rules, default="deny"), "POST", "/docs/1", ANN, content_type=kind) == Allow(ANN, no_store=True)


ASKS = {"origin": "https://app.example", "access_control_request_method": "DELETE"}


@pytest.mark.parametrize(
    ("method", "headers", "passes"),
    [
        ("OPTIONS", ASKS, True),
        ("OPTIONS", {"origin": "https://app.example"}, False),
        ("OPTIONS", {"access_control_request_method": "DELETE"}, False),
        ("OPTIONS", {}, False),
        ("OPTIONS", {**ASKS, "x_http_method_override": "DELETE"}, False),
        ("options", ASKS, False),
        ("GET", ASKS, False),
        ("POST", {**ASKS, "x_http_method_override": "OPTIONS"}, False),
    ],
)
def test_only_a_true_preflight_passes(method: str, headers: dict[str, str], passes: bool) -> None:
    """A request passes without being judged only as OPTIONS with Origin and Access-Control-Request-Method."""
    for path in ("/admin", "/unlisted"):
        assert (judge(GATE, method, path, NOBODY, **headers) == Allow(preflight=True)) is passes
    assert judge(GATE, method, "//admin", NOBODY, **headers) == BadPath("double_slash")


def test_a_preflight_needs_no_session() -> None:
    """A preflight carries no credentials, so none are looked for."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in ASKS.items()]

    case = GATE.consider(Inquiry(method="OPTIONS", path="/admin", headers=raw))

    assert (case.preflight, case.looks) == (True, False)


def test_the_gate_s_matcher_leaves_the_rest_alone() -> None:
    """S-55: with the articles' string as the gate's matcher, what it excludes is not judged, and all else is."""
    gate = Gate([], default="signed_in", matcher="/((?!api|_next/static|_next/image|favicon.ico).*)")

    for path in ("/api/users", "/_next/static/a.js", "/favicon.ico"):
        assert judge(gate, "GET", path) == PASSED
    for path in ("/", "/dashboard", "/x/api"):
        assert judge(gate, "GET", path) == SignIn("none")


@pytest.mark.parametrize("url", ["https://sso.example/login", None])
def test_a_sign_in_page_elsewhere_opens_nothing_here(url: str | None) -> None:
    """Only a page on this site is open by itself."""
    assert judge(Gate([], default="signed_in", sign_in_url=url), "GET", "/login") == SignIn("none")


@pytest.mark.parametrize("url", ["/login?from=gate", "/login/", "/login#form"])
def test_the_sign_in_page_is_its_path(url: str) -> None:
    """The page is open whatever query its address has."""
    assert judge(Gate([], default="signed_in", sign_in_url=url), "GET", "/login").__class__ is Allow
