"""What ``manage.py check`` says of the settings: everything that is wrong, before anything is served."""

from __future__ import annotations

from typing import Any

from django.conf import global_settings
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's own name

from coatcheck.errors import ConfigurationError
from coatcheck.web.django.configuration import read

_IGNORED = {
    "SESSION_SERIALIZER": "values keep their types in coatcheck's own encoding",
    "SESSION_FILE_PATH": "sessions are where COATCHECK['STORE'] says",
    "SESSION_CACHE_ALIAS": "sessions are where COATCHECK['STORE'] says",
}


@register(Tags.security)
def check_settings(**_: Any) -> list[CheckMessage]:
    """Return an error for each fault, and a warning for each setting that says nothing here."""
    messages: list[CheckMessage] = [
        Warning(f"{name} is not used: {why}.", hint=f"Remove {name}.", id="coatcheck.W001")
        for name, why in _IGNORED.items()
        if getattr(django_settings, name) != getattr(global_settings, name)
    ]
    try:
        read(django_settings)
    except ConfigurationError as error:
        messages += [Error(fault, id="coatcheck.E001") for fault in error.faults]
    return messages
