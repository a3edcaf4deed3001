"""Matchers: what path-to-regexp 6.3 does, asked of itself for each row, and what no matcher may be."""

from __future__ import annotations

import pytest

from coatcheck.web.gate.matcher import LONGEST, Matcher
from coatcheck.web.gate.paths import LONGEST as LONGEST_PATH

ARTICLES = "/((?!api|_next/static|_next/image|favicon.ico).*)"

# Each row is what `new RegExp(pathToRegexp(matcher).source)` of path-to-regexp 6.3.0 answered, which is how Next.js
# compares: without the flag "i". The second column matches, the third does not.
TABLE = [
    ("/", "/", "/about"),
    ("/about", "/about /about/", "/About /about/x /aboutx"),
    ("/admin/:path*", "/admin /admin/ /admin/x /admin/x/y/", "/administrator /Admin /x/admin"),
    ("/user/:id", "/user/1 /user/ab/", "/user /user/ /user/1/2"),
    (r"/user/:id(\d+)", "/user/12 /user/12/", "/user/ab /user/1a"),
    ("/user/:id([0-9]{2,4})", "/user/12", "/user/1 /user/12345"),
    ("/blog/:slug+", "/blog/a /blog/a/b/", "/blog /blog/"),
    ("/x/:y?", "/x /x/ /x/y", "/x/y/z"),
    (
        ARTICLES,
        "/ /about /deep/er/page /_next/data /x/api /API",
        "/api /api/users /apiary /_next/static/a.js /_next/image /favicon.ico /faviconXico /favicon.icons",
    ),
    (r"/((?!_next|[^?]*\.(?:html?|css|js(?!on)|jpe?g)).*)", "/a.json /about", "/a.css /a.js /dir/x.jpeg /_nextra"),
    ("/(api|trpc)(.*)", "/api /api/x /trpc /apix", "/x/api"),
    ("/(en|de)/home", "/en/home /de/home/", "/fr/home /home"),
    ("/:a-:b", "/a-b /a-b-c", "/ab /-"),
    ("/:file.:ext", "/a.js /a.b.js", "/a /dir/a.js"),
    ("/files/:name.:ext?", "/files/a /files/a.b", "/files"),
    ("/:x(a).:y", "/a.b", "/a.b.c /a"),
    ("/a/:b*/c", "/a/c /a/b/c /a/b/d/c", "/a/b"),
    ("/{:lang-}?x", "/x /en-x", "/enx"),
    ("/trpc{/:p}*", "/trpc /trpc/a /trpc/a/b", "/trpcx"),
    ("/shop/:path((?!login).*)", "/shop/ /shop/a", "/shop/login /shop/loginx /shop"),
    (r"/a\:b", "/a:b", "/ab"),
    ("/a.b", "/a.b", "/aXb"),
    (r"/docs/:v(v\d+)/:rest*", "/docs/v1 /docs/v1/a/b", "/docs/x"),
    ("/café", "/café", "/cafe"),
    ("/:path*", "/ /a /a/b", "relative"),
]


@pytest.mark.parametrize(("source", "matching", "others"), TABLE, ids=[row[0] for row in TABLE])
def test_matchers_mean_what_they_mean_in_next(source: str, matching: str, others: str) -> None:
    """S-55: parameters, modifiers, patterns, lookaheads, the slash at the end and the case are as in path-to-regexp."""
    matcher = Matcher(source)

    assert [path for path in matching.split() if not matcher.matches(path)] == []
    assert [path for path in others.split() if matcher.matches(path)] == []


@pytest.mark.parametrize(
    ("source", "path"),
    [("/user/:id", "/user/a?b"), ("/user/:id", "/user/a#b"), ("/docs/:path*", "/docs/a?/b"), ("/:a-:b", "/x?-y#")],
)
def test_question_marks_in_a_path_are_characters(source: str, path: str) -> None:
    """A decoded %3F or %23 takes no path out of a matcher: a router takes the segment whole, and so does the gate."""
    assert Matcher(source).matches(path)


def test_a_question_mark_ends_nothing() -> None:
    """/admin%3F is another path than /admin to a router, and to a matcher without parameters too."""
    assert not Matcher("/admin").matches("/admin?")
    assert not Matcher("/admin").matches("/admin\n")
    assert not Matcher(r"/:n(\d+)").matches("/\u0661")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("", "must begin with"),
        ("admin", 'write "/admin"'),
        ("/admin/*", 'write "/:path*"'),
        ("/a+", r"write \+"),
        ("/a)", r"write \)"),
        ("/:", "has no name"),
        ("/:a:b", "text between them"),
        ("/(?!api)", "second pair of parentheses"),
        ("/()", "are empty"),
        ("/((a)b)", "has to be (?:...)"),
        ("/(a", "is not closed"),
        ("/{a", "brace is not closed"),
        ("/:a([)", "no regular expression"),
        ("/a(b)*", "nothing separates"),
        ("/a//b", "two slashes"),
        ("/a%20b", "compared decoded"),
        ("/a\nb", "is in no path"),
        ("/" + "a" * LONGEST, "may have 500"),
        (r"/:a(\d)-:b(\1)", "no regular expression"),
        ("/:a((?i:x))", "no group that matchers know"),
        ("/:a((?P<n>x))", "no group that matchers know"),
        ("/:a((?>x+)y)", "no group that matchers know"),
    ],
)
def test_what_is_no_matcher_is_refused(source: str, why: str) -> None:
    """A matcher that cannot be meant is refused when it is made, with the reason and what to write."""
    with pytest.raises(ValueError) as refused:
        Matcher(source)

    assert why in str(refused.value)


def test_a_matcher_is_text() -> None:
    """Something that is not text is told so."""
    with pytest.raises(ValueError, match="is text such as"):
        Matcher(7)  # type: ignore[arg-type]  # what a caller without a type checker may do


@pytest.mark.parametrize(
    "source",
    [
        "/((?:a+)+)x",
        "/((?:a*)*)x",
        "/((?:a|a)*)x",
        "/((?:a?){9}x)",
        "/((?:ab?)+)x",
        "/((?:a{2,9})+)x",
        "/((?:a*){,9})x",
        "/((?:(?:a)+b|c)*)x",
        "/(.*)a(.*)b(.*)c",
        "/(.*.*.*)x",
        "/((?!.*x.*y.*z).*)",
        "/(.*(?!.*x.*y))z",
        "/:a*/x/:b*/y/:c*",
        "/:path(.*)*/end",
        "/:path([^x]+)+/end",
        "/:path(a|a)*/end",
        "/(a++)",
        "/x((?:a*[^/])+?)",
        "/x(" + "a?" * 25 + ")",
        "/x" + "(a)?" * 25,
        "/x(" + "(?:a|aa)" * 25 + ")",
        "/" + "/".join(f":p{number}?" for number in range(25)),
        "/:path(a?a?a?)+/end",
        r"/:path(\d+\d+)*/end",
    ],
)
def test_patterns_that_could_take_for_ever_are_refused(source: str) -> None:
    """What could need exponential time, or the cube of a path's length, is refused when the gate is built."""
    with pytest.raises(ValueError, match=r"exponential time|too long on a path|two quantifiers"):
        Matcher(source)


@pytest.mark.parametrize(
    "source",
    [
        r"/((?!api|trpc|_next|_vercel|.*\..*).*)",
        r"/((?!_next|[^?]*\.(?:html?|css|js(?!on)|jpe?g|webp|png|gif|svg|ttf|woff2?|csv|docx?|xlsx?|webmanifest)).*)",
        "/:locale(en|de|fr)?/:section?/:path*",
        "/:year(20\\d{2})?/:month(0?[1-9]|1[0-2])?/:day?",
    ],
)
def test_matchers_that_people_write_are_not_too_long(source: str) -> None:
    """S-54: what other libraries' documentation tells people to write stays within the bounds."""
    assert Matcher(source).source == source


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("/:a*/:b?/:c?/z", "/a" * (LONGEST_PATH // 2)),
        ("/(.*)a(.*)b", "/" + "a" * (LONGEST_PATH - 1)),
        ("/:a*/:b*/z", "/a" * (LONGEST_PATH // 2)),
        ("/((?!.*x.*y).*)z", "/" + "x" * (LONGEST_PATH - 1)),
        ("/:slug([a-z]+)*/z", "/a" * (LONGEST_PATH // 2)),
        ("/:a-x/:b", "/" + "a-" * (LONGEST_PATH // 2 - 1)),
        ("/((?:ab){3}(?:ab)*c)", "/" + "ab" * (LONGEST_PATH // 2 - 1)),
    ],
)
def test_the_longest_path_is_judged_soon(source: str, path: str) -> None:
    """A path made to be slow ends: with an exponential or cubic matcher this test would not come back."""
    assert not Matcher(source).matches(path)


@pytest.mark.parametrize(
    ("source", "left_out"),
    [
        (ARTICLES, ["/api...", "/_next/static...", "/_next/image...", "/favicon.ico..."]),
        ("/shop/:path((?!login|help).*)", ["/shop/login...", "/shop/help..."]),
        (r"/((?!x(?:a|b)|js(?!on)).*)", ["/x(?:a|b)...", "/js(?!on)..."]),
        ("/about", []),
    ],
)
def test_what_a_lookahead_leaves_out_is_named(source: str, left_out: list[str]) -> None:
    """X-10: a matcher that excludes APIs says so, in the beginnings of the paths."""
    assert Matcher(source).left_out() == left_out
