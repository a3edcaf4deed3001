"""A middleware of the project's own, inside the session's, that looks at the session where a test asks it to."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin


class LookingMiddleware(MiddlewareMixin):
    """Look before the view is called, as ``LoginRequiredMiddleware`` and others do."""

    def process_view(self, request: HttpRequest, *_: object) -> None:
        """Look."""
        if "look-first" in request.GET:
            request.session.get("anything")
