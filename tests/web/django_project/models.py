"""Questions and their answers."""

from __future__ import annotations

from django.db import models


class Question(models.Model):
    """What people are asked."""

    text = models.CharField(max_length=200)

    class Meta:
        """No app of its own: the project is one."""

        app_label = "django_project"

    def __str__(self) -> str:
        """Show the text."""
        return self.text


class Choice(models.Model):
    """One answer, and how often it was given."""

    question = models.ForeignKey(Question, on_delete=models.CASCADE)
    text = models.CharField(max_length=200)
    votes = models.IntegerField(default=0)

    class Meta:
        """No app of its own: the project is one."""

        app_label = "django_project"

    def __str__(self) -> str:
        """Show the text."""
        return self.text
