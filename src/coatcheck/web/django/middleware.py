"""Django's session middleware with a coatcheck session inside, for sync and async applications."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeGuard

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings as django_settings
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.exception import response_for_exception
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from coatcheck.accounts import BlockingAccounts
from coatcheck.blocking import Sessions
from coatcheck.csrf_state import Leg
from coatcheck.errors import CoatcheckError, ConfigurationError
from coatcheck.lifecycle import Cookie
from coatcheck.manager import raising
from coatcheck.runtime import finish
from coatcheck.state import State
from coatcheck.web.bodies import LARGEST
from coatcheck.web.django import expiry, responses, transport
from coatcheck.web.django.configuration import current
from coatcheck.web.django.listening import listen
from coatcheck.web.django.request import RequestSession
from coatcheck.web.django.store import in_thread
from coatcheck.web.exchange import Exchange
from coatcheck.web.origins import SAFE_METHODS
from coatcheck.web.request import Request
from coatcheck.web.wsgi import core_of

_log: Final = logging.getLogger("coatcheck")
_EXCHANGE: Final = "_coatcheck_exchange"
_FAULT: Final = "_coatcheck_fault"


class SessionMiddleware(DjangoSessionMiddleware):
    """Give every request its session; put it where Django's own would stand.

    Raises:
        ImproperlyConfigured: holds everything that is wrong with the settings.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        """Read and check the settings; nothing is opened yet."""
        super().__init__(get_response)
        self._warned = False
        self._awaits = iscoroutinefunction(get_response)  # pyright: ignore[reportDeprecated]  # asgiref's, for 3.11
        if self._awaits:
            markcoroutinefunction(self)
        try:
            current()
        except ConfigurationError as error:
            raise ImproperlyConfigured(str(error)) from None

    def __call__(self, request: HttpRequest) -> Any:
        """Serve one request."""
        if self._awaits:
            return self.__acall__(request)
        with raising.request():
            exchange = self._begin(request)
            try:
                refused = _admit(request, exchange, lazy=True)
                response: Any = refused or self.get_response(request)
                return _conclude(request, exchange, response)
            except BaseException:
                exchange.close()
                raise

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        """Serve one request in an event loop: what asks the store does so in a worker thread."""
        with raising.request():
            exchange = self._begin(request)
            waits = exchange.state.loads or request.method not in SAFE_METHODS or exchange.own
            try:
                admit = partial(_admit, request, exchange, lazy=False)
                refused = await in_thread(admit) if waits else admit()
                get_response: Any = self.get_response
                response = refused or await get_response(request)
                conclude = partial(_conclude, request, exchange, response)
                return await in_thread(conclude) if _has_work(request, exchange) else conclude()
            except BaseException:
                exchange.close()
                raise

    def _warn_of_memory(self, asked: Request, sessions: Sessions) -> None:
        """Say once where a store in memory is out of place (ADR 0011)."""
        if self._warned or not asked.insecure_memory or asked.scope[transport.TESTED]:
            return
        self._warned = True
        traits = sessions.store.traits
        if not (traits.persistent or traits.shared):
            _log.warning(
                "memory:// keeps sessions in this process alone and loses them at a restart; for %s write "
                'COATCHECK = {"STORE": "sqlite:////var/lib/app/sessions.db"}',
                asked.place.host,
            )

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer what coatcheck raised in a view; mistakes of the application are Django's to show."""
        exchange: Exchange | None = getattr(request, _EXCHANGE, None)
        if exchange is None or not _is_answer(exception):
            return None
        return responses.made_of(finish(exchange.answer(exception)))

    def _begin(self, request: HttpRequest) -> Exchange:
        """Read the request's cookie, and hand over its session."""
        setup = current()
        settings = setup.unshielded if _is_exempt(request) else setup.settings
        asked = Request(transport.scope_for(request), settings)
        self._warn_of_memory(asked, setup.sessions)
        exchange = Exchange(core_of(setup.sessions), settings, asked)
        setattr(request, _EXCHANGE, exchange)
        request.session = RequestSession(exchange.state)
        if settings.accounts is not None:
            request.accounts = BlockingAccounts(exchange.state, finish)  # type: ignore[attr-defined] # our word for it
        for name in asked.ticket_names:
            if name != django_settings.SESSION_COOKIE_NAME:
                # Django's error pages and mails hide the one name that it knows.
                request.COOKIES.pop(name, None)
        return exchange


def _admit(request: HttpRequest, exchange: Exchange, *, lazy: bool) -> HttpResponse | None:
    """Load the session, at the first look where it is *lazy*; return the answer of a request that may not go on."""
    headers = exchange.scope["headers"]
    try:
        finish(exchange.begin(partial(_body_of, request), lazy=lazy))
    except CoatcheckError as error:
        return responses.made_of(finish(exchange.answer(error)))
    state = exchange.state
    if state.visit.carrier != "cookie" or _is_callback(state):
        # What no browser sends by itself needs no token of Django's either, and what has a transaction is judged by it.
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined] # noqa: SLF001 - Django's word for it
    if state.lazy is not None:
        state.lazy = partial(_load, exchange, state.lazy)
    else:
        finish(expiry.end_if_over(state))
    if exchange.scope["headers"] is not headers:
        transport.rewrite(request, exchange.scope["headers"])
    return None


def _is_callback(state: State) -> bool:
    """Whether the request is another site's answer that this browser waited for."""
    judged = state.judged
    return judged is not None and judged.leg is Leg.ANSWERS and judged.doubt is None


def _load(exchange: Exchange, load: Callable[[], None]) -> None:
    load()
    finish(expiry.end_if_over(exchange.state))


async def _body_of(request: HttpRequest) -> bytes | None:
    """Return the whole body of a small request; Django keeps it for the view."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    return request.body if str(length).isdecimal() and int(length) <= LARGEST else None


def _has_work(request: HttpRequest, exchange: Exchange) -> bool:
    """Whether an answer may need the store."""
    state = exchange.state
    return state.looked or not state.data.idle or state.cookie is not Cookie.KEEP or hasattr(request, _FAULT)


def _conclude(request: HttpRequest, exchange: Exchange, response: HttpResponseBase) -> HttpResponseBase:
    """Commit what the request changed, and give its answer the cookie; what fails here replaces the answer."""
    fault: CoatcheckError | None = getattr(request, _FAULT, None)
    try:
        if fault is not None and not exchange.answered:
            response = _in_place_of(response, finish(exchange.answer(fault)))
        elif response.status_code >= 500:
            exchange.drop()
            _settle(exchange, response)
        else:
            session = request.session
            if isinstance(session, RequestSession) and not exchange.answered:
                session.settle(request)
            _settle(exchange, response)
    except CoatcheckError as error:
        response = _failed(request, exchange, response, error)
    responses.hold_open(response, exchange.close)
    return response


def _settle(exchange: Exchange, response: HttpResponseBase) -> None:
    responses.settle(response, finish(exchange.conclude(response.status_code, responses.raw(response))))
    if exchange.bodiless:
        responses.empty(response)


def _failed(
    request: HttpRequest, exchange: Exchange, response: HttpResponseBase, error: CoatcheckError
) -> HttpResponseBase:
    """Answer what went wrong when an answer was concluded: mistakes of the application in Django's way."""
    if _is_answer(error):
        return _in_place_of(response, finish(exchange.answer(error)))
    shown = response_for_exception(request, error)
    responses.hold_open(shown, *responses.closers_of(response))
    exchange.drop()
    _settle(exchange, shown)
    return shown


def _in_place_of(response: HttpResponseBase, answer: Any) -> HttpResponse:
    """Return coatcheck's own answer; what the replaced one holds open is closed with it."""
    made = responses.made_of(answer)
    responses.hold_open(made, *responses.closers_of(response))
    return made


def _is_answer(error: BaseException | None) -> TypeGuard[CoatcheckError]:
    """Whether coatcheck answers *error* itself: all that is not a mistake of the application."""
    return isinstance(error, CoatcheckError) and error.status != 500


def _is_exempt(request: HttpRequest) -> bool:
    """Whether the view says that it needs no protection from other sites (``csrf_exempt``)."""
    if request.method in SAFE_METHODS:
        return False
    try:
        match: Any = resolve(request.path_info, getattr(request, "urlconf", None))
    except Resolver404:
        return False
    return bool(getattr(match.func, "csrf_exempt", False))


def note_fault(request: HttpRequest | None = None, **_: Any) -> None:
    """Remember what coatcheck raised outside of views, in another middleware: Django has made a 500 of it."""
    error = sys.exception()
    if request is not None and hasattr(request, _EXCHANGE) and _is_answer(error):
        setattr(request, _FAULT, error)


listen(got_request_exception, note_fault)
