"""A model without a table: it gives the admin's page of sessions a place, and its permissions a name."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class NoRows(models.Manager["Session"]):
    """Finds nothing, and asks no database: ``dumpdata`` and the like look at every model."""

    def get_queryset(self) -> models.QuerySet[Session]:
        """Return an empty queryset."""
        return super().get_queryset().none()


class Session(models.Model):
    """A session, for whoever may see those of others (``view_session``) or end them (``delete_session``)."""

    id: models.CharField[str, str] = models.CharField(primary_key=True, max_length=64)
    objects = NoRows()

    class Meta:
        """No table; sessions are where ``COATCHECK["STORE"]`` says."""

        app_label = "coatcheck"
        managed = False
        base_manager_name = "objects"
        default_permissions = ("view", "delete")
        verbose_name = "session"
        verbose_name_plural = "sessions"
        ordering: ClassVar[list[str]] = []

    def __str__(self) -> str:
        """Show the public id."""
        return self.id
