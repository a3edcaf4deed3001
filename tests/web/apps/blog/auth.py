"""Accounts of the blog: who signs in is kept in flask.session."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template_string, request, session, url_for
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response

from .db import get_db

bp = Blueprint("auth", __name__, url_prefix="/auth")

FORM = """
{% for message in get_flashed_messages() %}<p>{{ message }}</p>{% endfor %}
<form method="post"><input name="username"><input name="password"><button>Go</button></form>
"""


@bp.route("/register", methods=("GET", "POST"))
def register() -> str | Response:
    """Make an account."""
    if request.method == "POST":
        row = (request.form["username"], generate_password_hash(request.form["password"]))
        db = get_db()
        try:
            db.execute("INSERT INTO user (username, password) VALUES (?, ?)", row)
            db.commit()
        except sqlite3.IntegrityError:
            flash(f"{request.form['username']} is taken.")
        else:
            return redirect(url_for("auth.login"))
    return render_template_string(FORM)


@bp.route("/login", methods=("GET", "POST"))
def login() -> str | Response:
    """Sign in."""
    if request.method == "POST":
        username = request.form["username"]
        user = get_db().execute("SELECT * FROM user WHERE username = ?", (username,)).fetchone()
        if user is not None and check_password_hash(user["password"], request.form["password"]):
            session.clear()
            session["user_id"] = user["id"]
            return redirect(url_for("posts.index"))
        flash("Wrong name or password.")
    return render_template_string(FORM)


@bp.before_app_request
def load_logged_in_user() -> None:
    """Find out who asks."""
    user_id = session.get("user_id")
    g.user = None
    if user_id is not None:
        g.user = get_db().execute("SELECT * FROM user WHERE id = ?", (user_id,)).fetchone()


@bp.route("/logout")
def logout() -> Response:
    """Sign out."""
    session.clear()
    return redirect(url_for("posts.index"))


def login_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let nobody see a view who is not signed in."""

    @functools.wraps(view)
    def wrapped(**arguments: Any) -> Any:
        if g.user is None:
            return redirect(url_for("auth.login"))
        return view(**arguments)

    return wrapped
