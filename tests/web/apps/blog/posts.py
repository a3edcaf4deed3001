"""Posts of the blog: everybody reads them, their authors write them."""

from __future__ import annotations

from flask import Blueprint, abort, g, redirect, render_template_string, request, url_for
from werkzeug.wrappers import Response

from .auth import login_required
from .db import get_db

bp = Blueprint("posts", __name__)

PAGE = """
<p>{% if g.user %}Hello {{ g.user.username }}{% else %}Hello stranger{% endif %}</p>
{% for post in posts %}<article>{{ post.title }} by {{ post.username }}</article>{% endfor %}
"""
LIST = "SELECT post.id, title, author_id, username FROM post JOIN user ON author_id = user.id"


@bp.route("/", endpoint="index")
def index() -> str:
    """Show all posts."""
    return render_template_string(PAGE, posts=get_db().execute(LIST).fetchall())


@bp.route("/create", methods=("POST",))
@login_required
def create() -> Response:
    """Write a post."""
    db = get_db()
    db.execute("INSERT INTO post (title, author_id) VALUES (?, ?)", (request.form["title"], g.user["id"]))
    db.commit()
    return redirect(url_for("posts.index"))


@bp.route("/<int:id>/update", methods=("POST",))
@login_required
def update(id: int) -> Response:
    """Change a post of one's own."""
    db = get_db()
    post = db.execute(f"{LIST} WHERE post.id = ?", (id,)).fetchone()
    if post is None:
        abort(404)
    if post["author_id"] != g.user["id"]:
        abort(403)
    db.execute("UPDATE post SET title = ? WHERE id = ?", (request.form["title"], id))
    db.commit()
    return redirect(url_for("posts.index"))
