"""Between WSGI's environ and the words of ASGI that the rest of ``web`` is written in.

Pure translation, in which PEP 3333's text is octets spelt as Latin-1; the environ is changed by `rewrite` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from coatcheck.web.caching import RawHeaders

Environ: TypeAlias = dict[str, Any]

_UNPREFIXED: Final = ("CONTENT_TYPE", "CONTENT_LENGTH")
_PREFIXED_TWINS: Final = frozenset(f"HTTP_{key}" for key in _UNPREFIXED)
"""What a client gets who sends ``Content_Type``; PEP 3333 knows the names without the prefix alone."""


def scope_of(environ: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ASGI would say of the request."""
    root, path = _text(environ.get("SCRIPT_NAME", "")), _text(environ.get("PATH_INFO", ""))
    scope: dict[str, Any] = {
        "type": "http",
        "method": environ.get("REQUEST_METHOD", "GET"),
        "scheme": environ.get("wsgi.url_scheme", "http"),
        "root_path": root,
        "path": root + path,
        "query_string": _octets(environ.get("QUERY_STRING", "")),
        "headers": [*_headers(environ)],
        "client": _client(environ),
    }
    if (target := environ.get("RAW_URI") or environ.get("REQUEST_URI")) is not None:
        scope["raw_path"] = _octets(_path_in(str(target)))
    return scope


def rewrite(environ: Environ, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Let the application see *headers* and no others; a name that repeats is joined as RFC 9110, 5.3 says."""
    for key in [key for key in environ if key.startswith("HTTP_")]:
        del environ[key]
    for name, value in headers:
        key = name.decode("latin-1").upper().replace("-", "_")
        if key in _UNPREFIXED:
            continue
        before = environ.get(f"HTTP_{key}")
        joint = "; " if key == "COOKIE" else ", "
        text = value.decode("latin-1")
        environ[f"HTTP_{key}"] = text if before is None else f"{before}{joint}{text}"


def status_line(status: int) -> str:
    """Return a status with its reason phrase."""
    return f"{status} {HTTPStatus(status).phrase}"


def raw(headers: Iterable[tuple[str, str]]) -> RawHeaders:
    """Return WSGI's headers as octets."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def texts(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return octets as WSGI's headers."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def _headers(environ: Mapping[str, Any]) -> Iterable[tuple[bytes, bytes]]:
    for key, value in environ.items():
        if key.startswith("HTTP_") and key not in _PREFIXED_TWINS:
            yield _name(key[5:]), _octets(str(value))
    for key in _UNPREFIXED:
        if environ.get(key):
            yield _name(key), _octets(str(environ[key]))


def _name(key: str) -> bytes:
    return _octets(key.replace("_", "-").lower())


def _client(environ: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return the peer's address and port; ``None`` for a Unix socket, whose peer has none."""
    address, port = environ.get("REMOTE_ADDR"), str(environ.get("REMOTE_PORT") or "")
    if not address:
        return None
    return address, int(port) if port.isascii() and port.isdigit() else 0


def _octets(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def _text(octets: str) -> str:
    """Return a path as the application's router decodes it."""
    return _octets(octets).decode(errors="replace")


def _path_in(target: str) -> str:
    """Return the path of a request's target as it was sent, without the query."""
    path = target.partition("?")[0]
    if not path.startswith("/") and "://" in path:
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path
