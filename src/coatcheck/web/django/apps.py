"""The Django application: the admin's page of sessions, the command ``manage.py coatcheck``, the checks."""

from __future__ import annotations

from django.apps import AppConfig


class CoatcheckConfig(AppConfig):
    """See the module's text."""

    name = "coatcheck.web.django"
    label = "coatcheck"
    verbose_name = "Sessions"
    default_auto_field = "django.db.models.AutoField"

    def ready(self) -> None:
        """Register the checks, and listen for who signs in."""
        from coatcheck.web.django import checks, linking

        del checks, linking
