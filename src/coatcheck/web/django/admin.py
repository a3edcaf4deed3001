"""The admin's page of sessions: whose devices are signed in where, and ending them.

Seeing it takes ``coatcheck.view_session``, ending takes ``coatcheck.delete_session``. What is ended is kept in the
admin's log, by its public id.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from msgspec import Struct

from coatcheck.model import Millis, SessionInfo
from coatcheck.tokens import is_id
from coatcheck.web.django.configuration import get_sessions
from coatcheck.web.django.finding import user_named, username_of
from coatcheck.web.django.models import Session
from coatcheck.web.django.store import SessionStore

PAGE_SIZE: Final = 100
"""Sessions on one page where everybody's are shown, and sessions ended at once at most."""


class Row(Struct, frozen=True):
    """One session as the page shows it."""

    id: str
    user_id: str | None
    user: str
    device: str
    address: str
    carrier: str
    began: datetime
    seen: datetime
    ends: datetime | None
    own: bool


class SessionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for type checkers alone
    """See the module's text."""

    actions = ()

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody makes a session by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002 - Django's signature
        """Nobody edits one."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Return the two pages, the list and the end of sessions."""
        view = self.admin_site.admin_view
        return [
            path("", view(self.list_view), name="coatcheck_session_changelist"),
            path("end/", view(self.end_view), name="coatcheck_session_end"),
        ]

    def list_view(self, request: HttpRequest) -> HttpResponse:
        """List a user's sessions, or everybody's where the store can."""
        own: Any = self
        if not own.has_view_permission(request):
            raise PermissionDenied
        named, after = request.GET.get("user", "").strip(), request.GET.get("after")
        user_id = user_named(named) if named else None
        infos, following = _found(user_id, after) if not named or user_id else ([], None)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("Sessions"),
            "opts": own.opts,
            "named": named,
            "user_id": user_id,
            "rows": _rows(infos, _own(request)),
            "next": following and urlencode({"after": following}),
            "may_end": own.has_delete_permission(request),
        }
        return render(request, "coatcheck/admin/sessions.html", context)

    def end_view(self, request: HttpRequest) -> HttpResponse:
        """Ask first, then end: both by POST, with Django's token."""
        own: Any = self
        if not own.has_delete_permission(request):
            raise PermissionDenied
        back = HttpResponseRedirect(reverse(f"{self.admin_site.name}:coatcheck_session_changelist"))
        ids = [each for each in request.POST.getlist("id") if is_id(each)][:PAGE_SIZE]
        if request.method != "POST" or not ids:
            return back
        infos = [info for each in ids if (info := get_sessions().get(each)) is not None and info.live]
        if "confirmed" in request.POST:
            count = sum(self._end(request, info) for info in infos)
            said = ngettext("%(count)d session was ended.", "%(count)d sessions were ended.", count)
            messages.success(request, said % {"count": count})
            return back
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": _("End sessions"),
            "opts": own.opts,
            "rows": _rows(infos, _own(request)),
        }
        return render(request, "coatcheck/admin/end.html", context)

    def _end(self, request: HttpRequest, info: SessionInfo) -> bool:
        """End one session and keep in the admin's log who did."""
        if not get_sessions().revoke(info.id):
            return False
        LogEntry.objects.create(
            user_id=request.user.pk,
            content_type_id=ContentType.objects.get_for_model(Session).pk,
            object_id=info.id,
            object_repr=f"{_user(info)}, {_device(info)}"[:200],
            action_flag=DELETION,
            change_message="",
        )
        return True


def _found(user_id: str | None, after: str | None) -> tuple[list[SessionInfo], str | None]:
    if user_id is not None:
        return get_sessions().list(user_id), None
    try:
        infos, following = get_sessions().browse(limit=PAGE_SIZE, after=after)
    except ValueError:
        return [], None
    return [info for info in infos if info.live], following


def _rows(infos: Sequence[SessionInfo], own: str | None) -> list[Row]:
    return [
        Row(
            id=info.id,
            user_id=info.user_id,
            user=_user(info),
            device=_device(info),
            address=(info.device and info.device.last_address) or "",
            carrier=info.carrier,
            began=_moment(info.created_at),
            seen=_moment(info.last_seen_at),
            ends=_ends(info),
            own=info.id == own,
        )
        for info in infos
    ]


def _user(info: SessionInfo) -> str:
    return _("a visitor") if info.user_id is None else username_of(info.user_id)


def _device(info: SessionInfo) -> str:
    return info.device.name if info.device else _("Unknown browser")


def _ends(info: SessionInfo) -> datetime | None:
    known = [moment for moment in (info.idle_expires_at, info.expires_at) if moment is not None]
    return _moment(min(known)) if known else None


def _moment(millis: Millis) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)


def _own(request: HttpRequest) -> str | None:
    session = request.session
    return session.state.id if isinstance(session, SessionStore) else None


_site: Any = admin.site
_site.register(Session, SessionAdmin)
