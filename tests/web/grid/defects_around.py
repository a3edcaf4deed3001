"""Defects that stand around the application: what proxies, middleware and error pages have done to sessions."""

from __future__ import annotations

from urllib.parse import parse_qsl

from tests.web.grid.around import Around, Headers, Said


class Bare(Around):
    """The cookie without its attributes, for a part of the site."""

    def answer(self, said: Said) -> Headers:
        """Change the headers."""
        return [
            (name, value.partition(b";")[0] + b"; Domain=localhost; Path=/app")
            if name == b"set-cookie"
            else (name, value)
            for name, value in said.headers
        ]


class Silent(Around):
    """Nothing said to caches."""

    def answer(self, said: Said) -> Headers:
        """Change the headers."""
        return [pair for pair in said.headers if pair[0] not in (b"vary", b"cache-control")]


class Echo(Around):
    """The presented cookie is sent again with every answer."""

    def answer(self, said: Said) -> Headers:
        """Change the headers."""
        ticket = said.ticket
        return [*said.headers, (b"set-cookie", b"session=" + ticket + b"; Path=/")] if ticket else said.headers


class Twice(Around):
    """Every header is sent twice."""

    def answer(self, said: Said) -> Headers:
        """Change the headers."""
        return [*said.headers, *(pair for pair in said.headers if pair[0] == b"set-cookie")]


class OnlyOurs(Around):
    """Other cookies are dropped."""

    def answer(self, said: Said) -> Headers:
        """Change the headers."""
        return [pair for pair in said.headers if pair[0] != b"set-cookie" or pair[1].startswith(b"session=")]


class NoCookieOnTheWay(Around):
    """Redirects, and whatever answers a GET, carry no cookie."""

    def answer(self, said: Said) -> Headers:
        """Change the headers."""
        if said.method == "GET" or 300 <= said.status < 400:
            return [pair for pair in said.headers if pair[0] != b"set-cookie"]
        return said.headers


class AlwaysWell(Around):
    """Every answer says 200."""

    def status(self, said: Said) -> int:
        """Change the status."""
        return 200


class Pages(Around):
    """Errors are pages for people."""

    def answer(self, said: Said) -> Headers:
        """Change the headers."""
        return [
            (name, b"text/html" if name == b"content-type" and said.status >= 400 else value)
            for name, value in said.headers
        ]


class Debug(Around):
    """Errors show the request."""

    def body(self, said: Said, content: bytes) -> bytes:
        """Change the body."""
        return content + said.ticket + b" Traceback" if said.status >= 500 else content


class NoHead(Around):
    """HEAD is not known."""

    def refuses(self, said: Said) -> int | None:
        """Refuse."""
        return 405 if said.method == "HEAD" else None


class Strict(Around):
    """A cookie that is not well-formed is an error."""

    def refuses(self, said: Said) -> int | None:
        """Refuse."""
        return 400 if said.ticket and b"." not in said.ticket[1:-1] else None


class NoLinks(Around):
    """Whatever comes from another site is refused, links too."""

    def refuses(self, said: Said) -> int | None:
        """Refuse."""
        return 403 if said.header(b"sec-fetch-site") == b"cross-site" else None


class Members(Around):
    """Signing out is for those who are signed in."""

    def refuses(self, said: Said) -> int | None:
        """Refuse."""
        return 401 if said.path == "/logout" and not said.ticket else None


class AllDown(Around):
    """In an outage nothing is served."""

    def refuses(self, said: Said) -> int | None:
        """Refuse."""
        return 503 if self.faults.down else None


class Prefetching(Around):
    """What is fetched ahead looks like any other request."""

    def asked(self, said: Said) -> Headers:
        """Change what is asked."""
        return [pair for pair in said.asked if pair[0] != b"sec-purpose"]


class Helpful(Around):
    """A ticket is taken from wherever it stands: the query, a form, headers, cookies of any name."""

    def asked(self, said: Said) -> Headers:
        """Change what is asked."""
        for value in self._places(said):
            if value.count(b".") == 1 and len(value) > 60:
                return [*(pair for pair in said.asked if pair[0] != b"cookie"), (b"cookie", b"session=" + value)]
        return said.asked

    def _places(self, said: Said) -> list[bytes]:
        fields = [value.encode() for _, value in parse_qsl(said.query.decode()) + parse_qsl(said.content.decode())]
        headers = [value.removeprefix(b"Bearer ") for name, value in said.asked if name.startswith((b"auth", b"x-"))]
        cookies = [part.partition(b"=")[2] for part in said.header(b"cookie").split(b"; ")]
        return [*fields, *headers, *cookies]


class HalfATicket(Around):
    """The public half of a ticket opens the session."""

    def __init__(self) -> None:
        """Begin with none."""
        self._whole: dict[bytes, bytes] = {}

    def asked(self, said: Said) -> Headers:
        """Change what is asked."""
        whole = self._whole.get(said.ticket.partition(b".")[0])
        if whole is None:
            return said.asked
        return [*(pair for pair in said.asked if pair[0] != b"cookie"), (b"cookie", b"session=" + whole)]

    def answer(self, said: Said) -> Headers:
        """Change the headers."""
        for name, value in said.headers:
            ticket = value.partition(b";")[0].partition(b"=")[2]
            if name == b"set-cookie" and b"." in ticket:
                self._whole[ticket.partition(b".")[0]] = ticket
        return said.headers


class AnyName(Around):
    """The name without the prefix is read on https as well."""

    def asked(self, said: Said) -> Headers:
        """Change what is asked."""
        return [(name, b"__Host-" + value if value.startswith(b"session=") else value) for name, value in said.asked]


class DataInTheCookie(Around):
    """What was assigned travels in the cookie."""

    def answer(self, said: Said) -> Headers:
        """Change the headers."""
        return [(name, value.replace(b";", b"~" + said.query + b";", 1)) for name, value in said.headers]


class Short(Around):
    """Tickets have eight characters."""

    def answer(self, said: Said) -> Headers:
        """Change the headers."""
        return [(name, value[:16] if name == b"set-cookie" else value) for name, value in said.headers]


class Interrupted(Around):
    """A sign-out makes an error of every other answer that is under way."""

    out = False

    def status(self, said: Said) -> int:
        """Change the status."""
        self.out = self.out or said.path == "/logout"
        return 400 if self.out and said.path == "/slow" else said.status


class OneCacheForAll(Around):
    """A cache in front serves one visitor's page to the next."""

    caches = True
