"""Django and the gate: the path that its resolver sees, views that answer every method, and what views read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.db import transaction
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import Client, override_settings
from django.urls import path

from coatcheck.web.gate import Gate, Rule
from tests.web._django import LOCAL

SECRET = "what only an administrator may read"
GATE = Gate(
    [Rule("/admin/:path*", role="admin"), Rule("/meta", allow="public")],
    default="public",
    sign_in_url="/accounts/login/",
)
ASKS = {"HTTP_ORIGIN": "https://any.example", "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "GET"}


def whole(_request: HttpRequest) -> HttpResponse:
    """Answer every method."""
    return HttpResponse(SECRET, headers={"Allow": "GET"})


def streamed(_request: HttpRequest) -> StreamingHttpResponse:
    """Answer every method, in pieces."""
    return StreamingHttpResponse(iter([SECRET, SECRET]), headers={"Allow": "GET"})


@transaction.non_atomic_requests
async def pieces(_request: HttpRequest) -> StreamingHttpResponse:
    """Answer every method, in pieces that are awaited."""

    async def told() -> AsyncIterator[str]:
        yield SECRET
        yield SECRET

    return StreamingHttpResponse(told())


def file(_request: HttpRequest) -> FileResponse:
    """Answer every method with a file."""
    return FileResponse(Path(__file__).open("rb"), headers={"Allow": "GET"})


def meta(request: HttpRequest) -> HttpResponseBase:
    """Tell which headers a view reads."""
    return JsonResponse({name: value for name, value in request.META.items() if name.startswith("HTTP_")})


urlpatterns = [
    path("admin/whole/", whole),
    path("admin/streamed/", streamed),
    path("admin/pieces/", pieces),
    path("admin/file/", file),
    path("meta/", meta),
]


@pytest.fixture(autouse=True)
def _gated() -> Iterator[None]:
    """Serve these pages behind the gate."""
    with override_settings(
        COATCHECK={"STORE": "memory://", "GATE": GATE},
        ROOT_URLCONF=__name__,
        MIDDLEWARE=["coatcheck.web.django.SessionMiddleware"],
    ):
        yield


def over_asgi(where: str, *headers: tuple[bytes, bytes], method: str = "GET") -> tuple[int, bytes]:
    """Ask Django's ASGI application as a server does; return status and body."""
    said: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        return waiting.pop() if waiting else await asyncio.Future()

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    scope = {
        "type": "http", "method": method, "path": where, "raw_path": where.encode(), "root_path": "",
        "query_string": b"", "scheme": "http", "headers": [(b"host", b"localhost"), *headers],
        "client": ("127.0.0.1", 1), "server": ("localhost", 80),
    }  # fmt: skip
    asyncio.run(ASGIHandler()(scope, receive, send))  # type: ignore[arg-type] # Django's annotations are not ASGI's
    return said[0]["status"], b"".join(message.get("body", b"") for message in said[1:])


@pytest.mark.parametrize("view", ["whole", "streamed", "file"])
def test_a_view_of_every_method_tells_a_preflight_nothing(view: str) -> None:
    """S-54: a Django view answers every method; a preflight that anybody can send gets none of its body."""
    client = Client(**LOCAL)  # type: ignore[arg-type] # keywords of the environment
    assert client.get(f"/admin/{view}/").status_code == 401

    answer = client.options(f"/admin/{view}/", **ASKS)  # type: ignore[arg-type] # as above

    assert (answer.status_code, b"".join(answer)) == (200, b"")
    assert answer.headers["Allow"] == "GET"


@pytest.mark.parametrize("view", ["whole", "pieces"])
def test_a_view_in_an_event_loop_tells_a_preflight_nothing(view: str) -> None:
    """S-54: over ASGI it is the same, whether the answer is whole or streamed."""
    asking = ((b"origin", b"https://any.example"), (b"access-control-request-method", b"GET"))

    assert over_asgi(f"/admin/{view}/", *asking, method="OPTIONS") == (200, b"")
    assert over_asgi(f"/admin/{view}/", *asking)[0] == 401


def test_the_path_is_the_resolvers() -> None:
    """S-54: ``FORCE_SCRIPT_NAME`` is taken off the path before Django resolves it, and before the gate judges it."""
    with override_settings(FORCE_SCRIPT_NAME="/shop"):
        assert over_asgi("/shop/admin/whole/")[0] == 401
        assert over_asgi("/admin/whole/")[0] == 401
        assert over_asgi("/shop/meta/")[0] == 200


def test_what_the_gate_leaves_is_read_as_django_reads_it() -> None:
    """ASVS 4.1.3: what the gate takes out brings nothing back that Django had dropped, and loses no repetition."""
    repeated = ((b"remote_user", b"root"), (b"x-list", b"1"), (b"x-list", b"2"))

    _, told = over_asgi("/meta/", (b"x-user-id", b"root"), *repeated)

    assert told == over_asgi("/meta/", *repeated)[1]
    assert b"1,2" in told
    assert b"root" not in told
