"""What an application may say about CSRF, and what is refused when it is built."""

from __future__ import annotations

from typing import Any

import pytest

from coatcheck import AsyncSessions, ConfigurationError
from coatcheck.web.asgi import SessionMiddleware
from coatcheck.web.csrf import Callback, Csrf
from coatcheck.web.csrf_fields import NoMultipart, has_form, token_in
from coatcheck.web.csrf_paths import Paths

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"


def test_the_defaults_have_no_faults() -> None:
    """CS-12: what is not said is the safe choice: nothing exempt, everything enforced."""
    csrf = Csrf()
    assert csrf.faults() == []
    assert (csrf.exempt, csrf.callbacks, csrf.protect_safe, csrf.report_only) == ((), (), (), False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"token": "never"}, "token='never'"),
        ({"exempt": "/hook"}, "must be a list: write ['/hook']"),
        ({"exempt": ["hook"]}, "'hook'"),
        ({"exempt": [7]}, "[7]"),
        ({"exempt": ["/hook//x"]}, "'/hook//x'"),
        ({"exempt": ["/hook/../x"]}, "'/hook/../x'"),
        ({"exempt": ["/hook%2fx"]}, "'/hook%2fx'"),
        ({"exempt": ["/hook?x=1"]}, "'/hook?x=1'"),
        ({"exempt": ["/hook*"]}, "a whole segment"),
        ({"exempt": ["/hook/**"]}, "a whole segment"),
        ({"protect_safe": ["logout"]}, "protect_safe=['logout']"),
        ({"callbacks": ["/answer"]}, "Callback("),
        ({"callbacks": [Callback("/a", begin="/a")]}, "both begin and answer"),
        ({"callbacks": [Callback("a", begin="/b")]}, "callbacks=['a']"),
        ({"header": "Cookie"}, "header='Cookie'"),
        ({"header": "Sec-Token"}, "header='Sec-Token'"),
        ({"header": "x csrf"}, "header='x csrf'"),
        ({"field": ""}, "field"),
        ({"report_only": "yes"}, "report_only='yes'"),
    ],
)
def test_a_wrong_word_is_refused_with_the_right_one(options: dict[str, Any], said: str) -> None:
    """CS-12, G-15: an exemption that would match too much, or nothing, is told when the application is built."""
    (fault,) = Csrf(**options).faults()
    assert said in fault


def test_all_faults_are_told_at_once() -> None:
    """CS-12, CS-13: faults of CSRF stand beside those of the other options."""
    with pytest.raises(ConfigurationError) as error:
        SessionMiddleware(
            lambda *_: None,  # type: ignore[arg-type,return-value]  # it is never called
            sessions=AsyncSessions("memory://"),
            same_site="loose",  # type: ignore[arg-type]  # the point of the test
            trusted_origins=["app.example", "null"],
            csrf=Csrf(token="sometimes", exempt=["x"]),  # type: ignore[arg-type]  # the point of the test
        )
    assert len(error.value.faults) == 5


def test_another_word_for_off_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """CS-12: ``csrf="off"`` is the one word that leaves it to the application, and it is told loudly."""
    with pytest.raises(ConfigurationError, match="csrf=False"):
        SessionMiddleware(print, sessions=AsyncSessions("memory://"), csrf=False)  # type: ignore[arg-type]
    assert not caplog.records
    SessionMiddleware(print, sessions=AsyncSessions("memory://"), csrf="off")  # type: ignore[arg-type]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/hook", "/hook", True),
        ("/hook", "/hook/", False),
        ("/hook", "/Hook", False),
        ("/hook.x", "/hookax", False),
        ("/hook", "/hook\n", False),
        ("/hooks/*", "/hooks/a", True),
        ("/hooks/*", "/hooks/", False),
        ("/hooks/*", "/hooks/a/b", False),
        ("/hooks/*", "/hooks/.", False),
        ("/hooks/*", "/hooks/a;x", False),
        ("/hooks/*", "/hooks/a\\b", False),
        ("/hooks/*", "/hooks/a%2e", False),
        ("/hooks/*", "/hooks/a\x00", False),
        ("/hooks/*/e", "/hooks/a/e", True),
        ("/", "/", True),
        ("/", "", False),
    ],
)
def test_exempt_paths_match_one_spelling(pattern: str, path: str, matches: bool) -> None:
    """G-15: what is let through is what the router sees, and nothing that somebody might read as it."""
    assert Paths([pattern]).match(path) is matches


@pytest.mark.parametrize("raw", [b"/a%2Fb", b"/a%5cb", b"/%2e%2e/b", b"/a%00", b"/a%252fb", b"/a%3bb"])
def test_escapes_that_hide_a_border_match_nothing(raw: bytes) -> None:
    """G-15: what was sent escaped is read differently by different servers, so it is never exempt."""
    assert not Paths(["/*", "/a/b"]).match("/a/b", raw)
    assert Paths(["/a/b"]).match("/a/b", b"/a/b%20")


@pytest.mark.parametrize(
    "path", ["/logout", "/Logout", "/logout/", "//logout", "/x/../logout", "/./logout", "/log%6fut"]
)
@pytest.mark.parametrize("more", ["", ";a=b", "/."])
def test_protected_paths_match_every_spelling(path: str, more: str) -> None:
    """CS-10: what is judged more strictly is whatever somebody might read as the path."""
    assert Paths(["/logout"]).may_match(path + more)
    assert not Paths(["/logout"]).may_match(path + "x")
    assert not Paths([]).may_match(path)


def multipart(*parts: tuple[str, str]) -> bytes:
    """Return a body of these parts: what follows the name, and the content."""
    head = 'Content-Disposition: form-data; name="csrf_token"'
    pieces = (f"--x\r\n{head}{more}\r\n\r\n{content}\r\n" for more, content in parts)
    return ("".join(pieces) + "--x--\r\n").encode()


@pytest.mark.parametrize(
    ("kind", "body", "found"),
    [
        (FORM, b"a=1&csrf_token=abc-_&b=2", "abc-_"),
        (FORM, b"csrf%5Ftoken=a%2Db", "a-b"),
        (FORM, b"csrf_token=one&csrf_token=two", None),
        (FORM, b"CSRF_TOKEN=abc", None),
        (FORM, b"", None),
        (FORM, b"csrf_token=\xff", None),
        (FORM, b"&".join([b"a=1"] * 1001 + [b"csrf_token=abc"]), None),
        (f"{FORM}; charset=utf-8", b"csrf_token=abc", "abc"),
        (FORM.title(), b"csrf_token=abc", "abc"),
        (MULTIPART, multipart(("", "abc")), "abc"),
        (MULTIPART, multipart(("", "abc"), ("", "abc")), None),
        (MULTIPART, multipart(('; filename="t.txt"', "abc")), None),
        (MULTIPART, multipart(("", "abc"))[:40], None),
        (MULTIPART, b"no form at all", None),
        ("multipart/form-data", multipart(("", "abc")), None),
        ("multipart/form-data; boundary=" + "x" * 300, multipart(("", "abc")), None),
    ],
)
def test_the_token_of_a_form(kind: str, body: bytes, found: str | None) -> None:
    """CS-4, 15.3.7: the field is read as browsers encode it; one that is there twice, or broken, is none."""
    assert has_form(kind)
    assert token_in(kind, body, "csrf_token") == found


@pytest.mark.parametrize("kind", ["", "application/json", "text/plain", "multipart/mixed", "x-www-form-urlencoded"])
def test_other_bodies_carry_no_token(kind: str) -> None:
    """CS-17: a body that is no form is never looked into."""
    assert not has_form(kind)


def test_multipart_needs_its_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """CS-4: without ``python-multipart`` such a form is refused by that name, and others are read all the same."""
    monkeypatch.setitem(__import__("sys").modules, "python_multipart.multipart", None)
    with pytest.raises(NoMultipart):
        token_in(MULTIPART, multipart(("", "abc")), "csrf_token")
    assert token_in(FORM, b"csrf_token=abc", "csrf_token") == "abc"
