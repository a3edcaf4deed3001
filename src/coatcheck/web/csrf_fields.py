"""The token in a form, as browsers encode forms. Only the body is looked at: never the query (15.3.7)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

_MOST_FIELDS: Final = 1000
_URLENCODED: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"


class NoMultipart(Exception):
    """The form is ``multipart/form-data`` and ``python-multipart``, which reads it, is not installed."""


def has_form(content_type: str) -> bool:
    """Whether a body of this type is a form that can carry a token."""
    return _kind(content_type) in (_URLENCODED, _MULTIPART)


def token_in(content_type: str, body: bytes, field: str) -> str | None:
    """Return the value of *field* in a form; ``None`` when it is not there, is there twice, or the form is broken.

    Raises:
        NoMultipart: the form is in an encoding that only ``python-multipart`` reads.
    """
    multipart = _kind(content_type) == _MULTIPART
    found = _in_multipart(content_type, body, field) if multipart else _in_urlencoded(body, field)
    return found[0] if len(found) == 1 else None


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _in_urlencoded(body: bytes, field: str) -> list[str]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        return []
    return [value for name, value in pairs if name == field]


def _in_multipart(content_type: str, body: bytes, field: str) -> list[str]:
    try:
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import FormParser, parse_options_header
    except ImportError:
        raise NoMultipart from None
    found: list[str] = []

    def take(part: Any) -> None:
        if part.field_name == field.encode() and part.value is not None:
            found.append(part.value.decode("latin-1"))

    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    try:
        parser = FormParser(_MULTIPART, take, lambda _file: None, boundary=boundary)
        parser.write(body)
        parser.finalize()
    except FormParserError:
        return []
    return found
