"""Questions with their answers in the stock admin."""

from __future__ import annotations

from django.contrib import admin

from tests.web.django_project.models import Choice, Question


class ChoiceInline(admin.TabularInline):
    """Answers below their question."""

    model = Choice
    extra = 1


@admin.register(Question)
class QuestionAdmin(admin.ModelAdmin):
    """Questions, searchable."""

    inlines = (ChoiceInline,)
    search_fields = ("text",)
