# Flask-Login has no types.
# mypy: disable-error-code="import-untyped,misc,untyped-decorator,no-any-return"
"""One file in the shape of Flask-Login's quick start: users in a dictionary, a form, a page for who is signed in."""

from __future__ import annotations

from typing import Any

import flask
import flask_login

app = flask.Flask(__name__)
app.secret_key = "change me"
login_manager = flask_login.LoginManager()
login_manager.init_app(app)

PASSWORDS = {"ann@shop.example": "correct horse", "bob@shop.example": "battery staple"}


class User(flask_login.UserMixin):
    """Who signs in."""

    def __init__(self, email: str) -> None:
        """Be known by an address."""
        self.id = email


@login_manager.user_loader
def load_user(email: str) -> User | None:
    """Return the user whom the session names."""
    return User(email) if email in PASSWORDS else None


@login_manager.request_loader
def load_user_from(request: flask.Request) -> User | None:
    """Return the user whom a program's key names."""
    return load_user(request.headers.get("x-api-key", ""))


@app.route("/login", methods=["GET", "POST"])
def login() -> Any:
    """Sign in with a form."""
    if flask.request.method == "GET":
        return '<form method="post"><input name="email"><input name="password"><input name="remember"></form>'
    email, password = flask.request.form["email"], flask.request.form["password"]
    if PASSWORDS.get(email) == password:
        flask_login.login_user(User(email), remember="remember" in flask.request.form)
        return flask.redirect(flask.url_for("protected"))
    return "Wrong address or password", 401


@app.route("/protected")
@flask_login.login_required
def protected() -> str:
    """Greet who is signed in."""
    return f"Signed in as {flask_login.current_user.id}"


@app.route("/logout")
def logout() -> str:
    """Sign out."""
    flask_login.logout_user()
    return "Signed out"


@login_manager.unauthorized_handler
def unauthorized() -> tuple[str, int]:
    """Refuse everybody else."""
    return "Sign in first", 401
