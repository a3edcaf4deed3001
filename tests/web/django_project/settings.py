"""What ``startproject`` writes, with the changes that docs/howto/django.md names."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from coatcheck import Policy

BASE_DIR = Path(__file__).resolve().parent
_FOLDER = Path(os.environ.get("COATCHECK_DJANGO_FOLDER") or tempfile.mkdtemp(prefix="coatcheck-django-"))

SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["localhost", "example.com"]
USE_TZ = True
LOGGING_CONFIG = None
ROOT_URLCONF = "tests.web.django_project.urls"
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "coatcheck.web.django",
    "tests.web.django_project",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "coatcheck.web.django.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "tests.web.django_project.looking.LookingMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
SESSION_ENGINE = "coatcheck.web.django.sessions"
COATCHECK = {"STORE": f"sqlite:///{_FOLDER / 'sessions.db'}", "POLICY": Policy(rotate_every=None)}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": _FOLDER / "db.sqlite3",
        "ATOMIC_REQUESTS": True,
        "OPTIONS": {"timeout": 20},
    }
}
