"""The rows of security.md, sections 6 and 2.2, as requests and what becomes of each: by its id, in one table."""

from __future__ import annotations

from coatcheck.web.csrf import Callback, Csrf
from coatcheck.web.csrf_judging import Asked, Step

OWN, APP, EVIL = "https://host.example", "https://app.example", "https://evil.example"
CSRF = Csrf(
    exempt=["/hook", "/hooks/*"],
    protect_safe=["/logout"],
    callbacks=[Callback("/sign-in/answer", begin="/sign-in/begin")],
)
FINE, REFUSED, PROOF, UNPROVEN = Step.FINE, Step.REFUSED, Step.PROOF, Step.UNPROVEN


def asked(method: str = "POST", path: str = "/", *, cookie: bool = True, **said: str) -> Asked:
    """Return a request with the headers in *said*, whose names are written with underscores."""
    headers = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in said.items()]
    return Asked(method=method, path=path, headers=headers, own_origin=OWN, cookie=cookie)


def changed(request: Asked, **facts: object) -> Asked:
    """Return *request* with other facts."""
    fields = {name: getattr(request, name) for name in request.__struct_fields__}
    return Asked(**{**fields, **facts})


SAME, NONE, SIBLING, CROSS = ({"sec_fetch_site": site} for site in ("same-origin", "none", "same-site", "cross-site"))
TABLE = [
    ("G-1", asked(**SAME), FINE),
    ("G-2", asked(**NONE), FINE),
    ("G-3", asked(**SIBLING, origin="https://sibling.host.example"), REFUSED),
    ("G-3 trusted", asked(**SIBLING, origin=APP), FINE),
    ("G-4", asked(**CROSS), REFUSED),
    ("G-4 without our cookie", asked(**CROSS, cookie=False), REFUSED),
    ("G-5", asked(**CROSS, origin=APP), FINE),
    ("G-6", asked(sec_fetch_site="foo"), REFUSED),
    ("G-7", asked(origin=OWN), FINE),
    ("G-8 sibling domain", asked(origin="https://host.example.evil.example"), REFUSED),
    ("G-8 userinfo", asked(origin="https://host.example@evil.example"), REFUSED),
    ("G-8 fragment", asked(origin="https://evil.example#host.example"), REFUSED),
    ("G-9", asked(origin="null"), REFUSED),
    ("G-9 beside same-origin", asked(**SAME, origin="null"), FINE),
    ("G-10 with our cookie", asked(), PROOF),
    ("G-10 without", asked(cookie=False), UNPROVEN),
    ("G-10 Referer of ours", asked(referer=f"{OWN}/form"), FINE),
    ("G-10 Referer of another", asked(referer=f"{EVIL}/form"), REFUSED),
    ("G-11 scheme", asked(origin="http://host.example"), REFUSED),
    ("G-11 port", asked(origin="https://host.example:8443"), REFUSED),
    ("G-12 Origin", changed(asked(), headers=[(b"origin", OWN.encode())] * 2), REFUSED),
    ("G-12 Sec-Fetch-Site", changed(asked(), headers=[(b"sec-fetch-site", b"same-origin")] * 2), REFUSED),
    ("G-13 header", asked("GET", **CROSS, x_http_method_override="POST"), REFUSED),
    ("G-13 header, ours", asked("GET", **SAME, x_http_method_override="POST"), FINE),
    ("G-13 header, silent", asked("GET", x_http_method="DELETE"), PROOF),
    ("G-13 query", changed(asked("GET", **CROSS), query=b"a=1&_method=DELETE"), REFUSED),
    ("G-13 query, escaped", changed(asked("GET", **CROSS), query=b"%5fMethod=PUT"), REFUSED),
    ("G-13 query, escaped deeper", changed(asked("GET", **CROSS), query=b"_%6D%65thod=DELETE"), REFUSED),
    ("G-13 query, safe", changed(asked("GET", **CROSS), query=b"_method=GET"), FINE),
    ("G-13 stays unsafe", asked("POST", **CROSS, x_http_method_override="GET"), REFUSED),
    ("G-14", changed(asked("GET", origin=EVIL), socket=True), REFUSED),
    ("G-14 trusted", changed(asked("GET", origin=APP), socket=True), FINE),
    ("G-14 ours", changed(asked("GET", origin=OWN), socket=True), FINE),
    ("G-14 silent", changed(asked("GET"), socket=True), PROOF),
    ("G-14 as plain HTTP", asked("GET", origin=EVIL, upgrade="websocket"), REFUSED),
    ("G-15 exempt", asked(path="/hook", **CROSS), FINE),
    ("G-15 segment", asked(path="/hooks/stripe", **CROSS), FINE),
    ("G-15 dots", asked(path="/hook/../transfer", **CROSS), REFUSED),
    ("G-15 dots in a segment", asked(path="/hooks/..", **CROSS), REFUSED),
    ("G-15 slashes", asked(path="//hook", **CROSS), REFUSED),
    ("G-15 escaped slash", changed(asked(path="/hooks/a", **CROSS), raw_path=b"/hooks%2fa"), REFUSED),
    ("G-15 twice escaped", asked(path="/hooks/..%2ftransfer", **CROSS), REFUSED),
    ("G-15 case", asked(path="/HOOK", **CROSS), REFUSED),
    ("G-15 below", asked(path="/hook/transfer", **CROSS), REFUSED),
    ("G-15 longer", asked(path="/hookers", **CROSS), REFUSED),
    ("G-16", asked(origin="https://spoofed.example", x_forwarded_host="spoofed.example"), REFUSED),
    *((f"G-17 {verb}", asked(verb, **CROSS), REFUSED) for verb in ("PUT", "PATCH", "DELETE", "PURGE", "post", "TRACE")),
    ("safe", asked("GET", **CROSS), FINE),
    ("safe, HEAD", asked("HEAD", **CROSS), FINE),
    ("preflight", asked("OPTIONS", **CROSS, access_control_request_method="POST"), FINE),
    ("CS-7 none", asked(**NONE, origin="null"), FINE),
    ("CS-8", asked(origin=EVIL, referer=f"{OWN}/"), REFUSED),
    ("CS-9", asked(sec_fetch_site="same-host"), REFUSED),
    ("CS-10", asked("GET", "/logout", **CROSS), REFUSED),
    ("CS-10 typed", asked("GET", "/logout", **NONE), FINE),
    ("CS-10 other spellings", asked("GET", "/x/..//Logout/", **CROSS), REFUSED),
    ("CS-10 escaped", asked("GET", "/log%6Fut", **CROSS), REFUSED),
    ("CS-10 elsewhere", asked("GET", "/logouts", **CROSS), FINE),
    ("CS-13", asked(origin="https://example.org.attacker.example", host="example.org.attacker.example"), REFUSED),
    ("CS-14", asked(), PROOF),
    ("bearer", changed(asked(**CROSS), carrier="bearer"), FINE),
    ("in a test", changed(asked(), tested=True), FINE),
    ("in a test, another site", changed(asked(**CROSS), tested=True), REFUSED),
]
