"""``coatcheck gate explain``: which rule of an application decides about a request, and why."""

from __future__ import annotations

import json

import pytest

from tests.fast.cli.applications import write
from tests.fast.cli.conftest import run, words

GATED = """
    from coatcheck.web.gate import Gate, Rule

    gate = Gate(
        [
            Rule("/blog/:slug+", allow="public"),
            Rule("/admin/:path*", methods=["POST"], role="admin", fresh="5m"),
            Rule("/admin/:path*", role=["admin", "ops"]),
            Rule("/keys", aal=2),
        ],
        default="signed_in",
    )
    sessions = AsyncSessions("memory://")
    app = Starlette()
    app.add_middleware(SessionMiddleware, sessions=sessions, gate=gate)
    bare = Starlette()
    bare.add_middleware(SessionMiddleware, sessions=sessions)
"""


@pytest.mark.parametrize("name", ["app", "gate"])
def test_the_deciding_rule_is_printed(name: str) -> None:
    """Issue 5, section 2: ``gate explain GET /admin`` prints which rule decides and why, and those before it."""
    shown = run("gate", "explain", "GET", "/admin", "--app", f"{write(GATED)}:{name}")

    assert shown.stdout == (
        "GET /admin\n"
        "  rule 1 (/blog/:slug+) does not match the path\n"
        "  rule 2 (/admin/:path*) is for POST alone\n"
        "  rule 3 (/admin/:path*) decides: somebody must be signed in, with the role admin or ops\n"
        "Refused with 303 to /login for a page, 401 otherwise: nobody is signed in (reason none).\n"
    )
    assert shown.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["GET", "/blog/a"], 0, "Passes. The session is not looked at"),
        (["GET", "/x"], 1, 'the default, "signed_in" decides'),
        (["GET", "/x", "--signed-in"], 0, "Passes. The answer is private, no-store."),
        (["GET", "/admin", "--role", "ops"], 0, "Passes."),
        (["GET", "/admin", "--role", "editor"], 1, "has no role admin or ops"),
        (["POST", "/admin", "--role", "editor", "--role", "admin"], 0, "Passes."),
        (["POST", "/admin", "--role", "admin", "--proved", "6m"], 1, "must prove again who they are, within 5 minutes"),
        (["POST", "/admin", "--role", "admin", "--header", "X-HTTP-Method-Override: GET"], 0, "as GET: rule 3"),
        (["GET", "/keys", "--aal", "1"], 1, "at assurance level 2"),
        (["GET", "/keys", "--aal", "2"], 0, "Passes."),
        (["GET", "/blog/a?_method=DELETE"], 0, "as DELETE: rule 1"),
        (["GET", "/blog/..%2fadmin", "--role", "admin"], 1, "Refused with 400, before any rule is asked"),
        (
            [
                "OPTIONS",
                "/admin",
                "--header",
                "Origin:https://a.example",
                "--header",
                "Access-Control-Request-Method:PUT",
            ],
            0,
            "it is a preflight",
        ),
    ],
)
def test_a_session_can_be_supposed(arguments: list[str], code: int, said: str) -> None:
    """Options suppose a session and headers; exit code 1 says that the request would be refused."""
    shown = run("gate", "explain", *arguments, "--app", f"{write(GATED)}:gate")

    assert (shown.exit_code, said in words(shown.stdout)) == (code, True), shown.output


def test_programs_get_json() -> None:
    """``--json`` prints the same as one document."""
    told = json.loads(run("gate", "explain", "GET", "/admin", "--app", f"{write(GATED)}:app", "--json").stdout)

    assert (told["decision"], told["looked"][-1]["what"], told["looked"][-1]["decides"]) == ("sign_in", "rule 3", True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--app", "{module}:bare"], "has no gate; write SessionMiddleware(gate=Gate("),
        (["--app", "{module}:sessions"], "has no gate"),
        (["--app", "{module}:nothing"], "has no 'nothing'"),
        (["--app", "{module}:gate", "--header", "Origin"], "must be a name, a colon and a value"),
        (["--app", "{module}:gate", "--signed-in", "--proved", "soon"], "is not a length of time"),
        (["--app", "{module}:gate", "--aal", "4"], "Invalid value"),
        ([], "Missing option"),
    ],
)
def test_what_cannot_be_explained_is_wrong_usage(arguments: list[str], said: str) -> None:
    """Without a gate, or with an option that makes no sense, the exit code is 2 and a sentence says why."""
    module = write(GATED)

    result = run("gate", "explain", "GET", "/", *(each.format(module=module) for each in arguments))

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in words(result.stderr)


def test_nothing_from_outside_steers_the_terminal() -> None:
    """A path with control characters is shown escaped."""
    shown = run("gate", "explain", "GET", "/%1b[31m", "--app", f"{write(GATED)}:gate")

    assert "\x1b" not in shown.output
    assert shown.exit_code == 1
