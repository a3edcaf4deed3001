"""Flask: ``flask.session`` through the extension, ``abort``, streaming responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, Response, abort, redirect, request

from coatcheck.runtime import finish
from coatcheck.web.flask import Coatcheck, session_of
from tests.web.grid.deeds import DEEDS, Abort, Backstage, Call, Deed, Do, Pieces, Redirect, Reply, simply
from tests.web.grid.replies import body_of, pieces_in_thread
from tests.web.grid.site import OurSite

name, blocks, wsgi = "Flask", True, True


def build(site: OurSite, options: Mapping[str, Any]) -> Any:
    """Return the application."""
    app = Flask("grid")
    Coatcheck(app, sessions=site.manager, **options)
    add_routes(app, site, session_of)
    return app


def add_routes(app: Flask, stage: Backstage, session: Callable[[], Any], do: Do = simply) -> None:
    """Add the routes; *session* gives the session of the request at hand."""

    def view(deed: Deed) -> Callable[[], Any]:
        def answer() -> Any:
            return respond(finish(do(deed, Call(session(), request.args.to_dict(), stage))))

        return answer

    for path, (methods, deed) in DEEDS.items():
        app.add_url_rule(path, path, view(deed), methods=list(methods))


def respond(reply: Reply) -> Any:
    """Say a reply in Flask's words."""
    if isinstance(reply, Abort):
        abort(reply.status)
    if isinstance(reply, Redirect):
        return redirect(reply.to, 303)
    if isinstance(reply, Pieces):
        return Response(pieces_in_thread(reply))
    response = Response(body_of(reply), reply.status, mimetype="application/json")
    for header, value in reply.headers:
        response.headers.add(header, value)
    return response
