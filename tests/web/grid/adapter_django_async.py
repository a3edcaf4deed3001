"""Django: the same in async views over ASGI; what touches the session runs in a worker thread, as its store blocks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path as route

from coatcheck.runtime import finish
from tests.web.grid import adapter_django as sync_views
from tests.web.grid.deeds import DEEDS, Call, Deed, Pieces, Reply
from tests.web.grid.site import OurSite

name, blocks, wsgi = "Django, async", True, False
cookie, public_cookie = sync_views.cookie, sync_views.public_cookie


def build(site: OurSite, options: Mapping[str, Any]) -> Any:
    """Return the application."""
    sync_views.configure(site, options, __name__)
    return ASGIHandler()


def _view(deed: Deed, methods: tuple[str, ...]) -> Any:
    def run(request: HttpRequest) -> Reply:
        call = Call(sync_views.Session(request), request.GET.dict(), sync_views.Now.stage)
        reply: Reply = finish(deed(call))
        return reply

    async def view(request: HttpRequest) -> HttpResponseBase:
        if request.method not in (*methods, "HEAD"):
            return HttpResponse(status=405)
        reply = await sync_to_async(run, thread_sensitive=False)(request)
        if isinstance(reply, Pieces):
            return StreamingHttpResponse(_pieces(reply))
        return sync_views.respond(reply)

    return non_atomic_requests(view)


async def _pieces(reply: Pieces) -> AsyncIterator[bytes]:
    first, *rest = reply.pieces
    yield first
    await sync_to_async(lambda: finish(reply.gate.wait()), thread_sensitive=False)()
    for piece in rest:
        yield piece


urlpatterns = [route(path.strip("/"), _view(deed, methods)) for path, (methods, deed) in DEEDS.items()]
