"""One Django in a test process: settings, tables and a user for each test, without disturbing tests of anything else.

Importing this module sets Django up; nothing but tests of Django imports it.
"""

from __future__ import annotations

import atexit
import io
import itertools
import os
import shutil
import tempfile
from typing import Any
from urllib.parse import urlencode

_folder = tempfile.mkdtemp(prefix="coatcheck-django-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["COATCHECK_DJANGO_FOLDER"] = _folder
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.web.django_project.settings"

import django  # noqa: E402 - Django is set up first

django.setup()

from django.core.management import call_command  # noqa: E402 - Django is set up first
from django.test import AsyncClient, Client  # noqa: E402 - Django is set up first
from django.test.client import ClientHandler  # noqa: E402 - Django is set up first
from django.test.utils import setup_test_environment  # noqa: E402 - Django is set up first

setup_test_environment()
call_command("migrate", verbosity=0, run_syncdb=True)

from django.conf import settings  # noqa: E402 - Django is set up first
from django.contrib.admin.models import LogEntry  # noqa: E402 - Django is set up first
from django.contrib.auth.models import Group, Permission, User  # noqa: E402 - Django is set up first

from coatcheck import Sessions  # noqa: E402 - Django is set up first
from coatcheck.web.django import get_sessions  # noqa: E402 - Django is set up first
from tests.web.django_project.models import Choice, Question  # noqa: E402 - Django is set up first

__all__ = [
    "LOCAL",
    "AsyncClient",
    "Browser",
    "Choice",
    "Group",
    "LogEntry",
    "Permission",
    "Question",
    "Sessions",
    "User",
    "get_sessions",
    "live",
    "new_question",
    "new_user",
    "settings",
]

_numbers = itertools.count(1)
LOCAL = {"HTTP_HOST": "localhost"}


class _Wire(ClientHandler):
    """Hands a request over as a server does, so that nothing shows that a test client made it."""

    def __call__(self, environ: dict[str, Any]) -> Any:
        """Serve one request."""
        return super().__call__({**environ, "wsgi.input": io.BytesIO(environ["wsgi.input"].read())})


class Browser:
    """A browser on http://localhost, or on https://example.com, where cookies have another name."""

    def __init__(self, *, secure: bool = False, checks_csrf: bool = False) -> None:
        self.client = Client(enforce_csrf_checks=checks_csrf, raise_request_exception=False)
        self.client.handler = _Wire(enforce_csrf_checks=checks_csrf)
        self._extra: dict[str, Any] = {"HTTP_HOST": "example.com" if secure else "localhost", "secure": secure}
        self.name = "__Host-sessionid" if secure else "sessionid"

    def get(self, path: str, data: Any = None, **extra: Any) -> Any:
        """Ask for a page."""
        return self.client.get(path, data, **{**self._extra, **extra})

    def post(self, path: str, data: Any = None, **extra: Any) -> Any:
        """Send a form as a page of the same site does."""
        told = {"HTTP_SEC_FETCH_SITE": "same-origin"}
        return self.client.post(path, data, **{**self._extra, **told, **extra})

    def act(self, do: str, **arguments: Any) -> Any:
        """Have the page at ``/act/`` do something, and return what it said."""
        response = self.post("/act/?" + _query(do=do, **arguments))
        return response.json()["done"] if response.status_code == 200 else response

    @property
    def ticket(self) -> str | None:
        """What the browser's cookie holds; ``None`` without one."""
        held = self.client.cookies.get(self.name)
        return held.value if held is not None and held.value else None

    @ticket.setter
    def ticket(self, value: str) -> None:
        self.client.cookies[self.name] = value

    def sign_in(self, user: User, password: str = "secret") -> Any:
        """Sign in by Django's own page."""
        return self.post("/accounts/login/", {"username": user.get_username(), "password": password})


def _query(**arguments: Any) -> str:
    return urlencode(arguments)


def new_user(*, staff: bool = False, superuser: bool = False) -> User:
    """Return a user whom no other test knows; the password is ``secret``."""
    name = f"user-{next(_numbers)}-{os.getpid()}"
    user = User.objects.create_user(name, password="secret")
    user.is_staff, user.is_superuser = staff or superuser, superuser
    user.save()
    return user


def new_question(*answers: str) -> Question:
    """Return a question with its answers."""
    question = Question.objects.create(text=f"Question {next(_numbers)}?")
    for text in answers:
        Choice.objects.create(question=question, text=text)
    return question


def live(user: User) -> list[Any]:
    """Return a user's live sessions."""
    return get_sessions().list(str(user.pk))
