"""The pages of the project, sync and async, and what the tests want to see from inside."""

from __future__ import annotations

import json
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth import aauthenticate, alogin, alogout, authenticate, login, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt

from coatcheck.web.django import get_sessions, session_of
from tests.web.django_project.models import Choice, Question

hooks: dict[str, Any] = {}
"""What a test wants to happen in the middle of a request: ``hooks["during"]``."""


def index(request: HttpRequest) -> HttpResponse:
    """List the questions; nobody's session is looked at."""
    return HttpResponse("\n".join(Question.objects.values_list("text", flat=True)), content_type="text/plain")


def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a question with its form."""
    question = get_object_or_404(Question, pk=pk)
    return render(request, "surveys/detail.html", {"question": question})


def vote(request: HttpRequest, pk: int) -> HttpResponse:
    """Count a vote, once for each visitor."""
    question = get_object_or_404(Question, pk=pk)
    voted = request.session.setdefault("voted", [])
    if pk not in voted:
        Choice.objects.filter(pk=request.POST["choice"], question=question).update(votes=F("votes") + 1)
        voted.append(pk)
        messages.success(request, "Thank you")
    return redirect(f"/{pk}/")


@login_required
def mine(request: HttpRequest) -> HttpResponse:
    """Say who is signed in, in Django's words and in coatcheck's."""
    session = session_of(request)
    return JsonResponse(
        {
            "django": request.user.get_username(),
            "user_id": session.user_id,
            "roles": session.roles,
            "key": request.session.session_key,
            "id": session.id,
            "persistent": session.persistent,
            "lifetime": session.lifetime,
            "close": request.session.get_expire_at_browser_close(),
            "age": request.session.get_expiry_age(),
        }
    )


@csrf_exempt
def act(request: HttpRequest) -> HttpResponse:
    """Do what a test asks for with the session: ``?do=set&key=a&value=1``."""
    done = _ACTS[request.GET["do"]](request)
    return done if isinstance(done, HttpResponseBase) else JsonResponse({"done": done})


def _set(request: HttpRequest) -> None:
    request.session[request.GET["key"]] = json.loads(request.GET["value"])


def _during(request: HttpRequest) -> Any:
    seen = request.session.get("seen", 0)
    hooks["during"](request)
    request.session["seen"] = seen + 1
    return seen


def _look(request: HttpRequest) -> Any:
    seen = request.session.get("seen", 0)
    hooks["during"](request)
    return seen


def _fail(request: HttpRequest) -> None:
    request.session["kept"] = True
    Question.objects.create(text="rolled back")
    raise RuntimeError("on purpose")


def _login_with_expiry(request: HttpRequest) -> str | None:
    user = authenticate(request, username=request.GET["user"], password="secret")
    login(request, user)
    raw = request.GET.get("expiry", "null")
    request.session.set_expiry(json.loads(raw))
    return request.session.session_key


def _clear_and_login(request: HttpRequest) -> None:
    request.session.clear()
    request.session.set_expiry(json.loads(request.GET.get("expiry", "null")))
    login(request, authenticate(request, username=request.GET["user"], password="secret"))


def _login_and_fail(request: HttpRequest) -> None:
    """Sign in over another user's session, of which Django sees nothing any more, and fail."""
    del request.session["_auth_user_id"]
    login(request, authenticate(request, username=request.GET["user"], password="secret"))
    raise RuntimeError("on purpose")


def _change_password(request: HttpRequest) -> None:
    user = User.objects.get(pk=request.user.pk)
    user.set_password(request.GET["to"])
    user.save()
    update_session_auth_hash(request, user)
    get_sessions().revoke_user(str(user.pk), keep=session_of(request).id)


def _revoke_me_and_sign_in(request: HttpRequest) -> None:
    user = User.objects.get(username=request.GET["user"])
    get_sessions().revoke_user(str(user.pk))
    login(request, user, "django.contrib.auth.backends.ModelBackend")


def _forge(request: HttpRequest) -> None:
    """Sign in as some packages do: by Django's own keys, without a signal."""
    user = User.objects.get(username=request.GET["user"])
    request.session["_auth_user_id"] = str(user.pk)
    request.session["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    request.session["_auth_user_hash"] = user.get_session_auth_hash()


def _caught(request: HttpRequest) -> str:
    """Sign in and carry on whatever happens, as a view that catches too much does."""
    try:
        login(request, User.objects.get(username=request.GET["user"]), "django.contrib.auth.backends.ModelBackend")
    except Exception as error:  # noqa: BLE001 - that is the point
        return f"{type(error).__name__} {request.user.is_authenticated}"
    return "signed in"


def _stream(request: HttpRequest) -> StreamingHttpResponse:
    request.session["streamed"] = True
    return StreamingHttpResponse(iter([b"a", b"b"]))


_ACTS: dict[str, Any] = {
    "set": _set,
    "get": lambda request: request.session.get(request.GET["key"]),
    "all": lambda request: dict(request.session.items()),
    "key": lambda request: request.session.session_key,
    "create": lambda request: request.session.create() or request.session.session_key,
    "flush": lambda request: request.session.flush(),
    "cycle": lambda request: request.session.cycle_key(),
    "clear": lambda request: request.session.clear() or request.session.update(json.loads(request.GET["then"])),
    "unset": lambda request: request.session.pop(request.GET["key"], None) and None,
    "clear_and_cycle": lambda request: request.session.clear() or request.session.cycle_key(),
    "login_and_fail": _login_and_fail,
    "clear_and_login": _clear_and_login,
    "expiry": lambda request: request.session.set_expiry(json.loads(request.GET["value"])),
    "cookies": lambda request: sorted(request.COOKIES),
    "headers": lambda request: {name: value for name, value in request.headers.items() if name == "X-User-Id"},
    "http500": lambda request: _set(request) or HttpResponse(status=500),
    "http404": lambda request: _set(request) or HttpResponse(status=404),
    "required": lambda request: _set(request) or session_of(request).user.id,
    "nested": lambda request: request.session["box"].append(object()),
    "during": _during,
    "look": _look,
    "fail": _fail,
    "login": _login_with_expiry,
    "password": _change_password,
    "again": _revoke_me_and_sign_in,
    "forge": _forge,
    "caught": _caught,
    "stream": _stream,
}


@transaction.non_atomic_requests
async def asynchronous(request: HttpRequest) -> HttpResponse:
    """Do what a test asks for, by the variants that are awaited."""
    return JsonResponse({"done": await _AWAITED[request.GET["do"]](request)})


async def _aset(request: HttpRequest) -> None:
    await request.session.aset(request.GET["key"], json.loads(request.GET["value"]))


async def _aget(request: HttpRequest) -> Any:
    return await request.session.aget(request.GET["key"])


async def _plain(request: HttpRequest) -> Any:
    """Read without awaiting: what was loaded before the view is there."""
    return request.session.get(request.GET["key"])


async def _alogin(request: HttpRequest) -> Any:
    user = await aauthenticate(request, username=request.GET["user"], password="secret")
    await alogin(request, user)
    return (await request.auser()).get_username()


async def _awho(request: HttpRequest) -> Any:
    return [(await request.auser()).get_username(), await sync_to_async(lambda: session_of(request).user_id)()]


async def _alogout(request: HttpRequest) -> None:
    await alogout(request)


async def _flush_without_await(request: HttpRequest) -> None:
    request.session.flush()


async def _each(request: HttpRequest) -> Any:
    """Use every variant that is awaited once."""
    session = request.session
    await session.aupdate({"a": 1, "b": 2})
    await session.aset_test_cookie()
    worked = await session.atest_cookie_worked()
    await session.adelete_test_cookie()
    await session.asetdefault("c", 3)
    await session.apop("b")
    await session.aset_expiry(300)
    await session.asave()
    await session.acycle_key()
    age, close = await session.aget_expiry_age(), await session.aget_expire_at_browser_close()
    return [worked, sorted(key for key in await session.akeys() if key in "abc"), 290 < age <= 300, close]


_AWAITED: dict[str, Any] = {
    "set": _aset,
    "get": _aget,
    "plain": _plain,
    "login": _alogin,
    "who": _awho,
    "logout": _alogout,
    "flush": _flush_without_await,
    "each": _each,
}
