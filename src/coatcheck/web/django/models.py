"""A model without a table: it gives the admin's page of sessions a place, and its permissions a name."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Session(models.Model):
    """A session, for whoever may see those of others (``view_session``) or end them (``delete_session``)."""

    id: models.CharField[str, str] = models.CharField(primary_key=True, max_length=64)

    class Meta:
        """No table; sessions are where ``COATCHECK["STORE"]`` says."""

        app_label = "coatcheck"
        managed = False
        default_permissions = ("view", "delete")
        verbose_name = "session"
        verbose_name_plural = "sessions"
        ordering: ClassVar[list[str]] = []

    def __str__(self) -> str:
        """Show the public id."""
        return self.id
