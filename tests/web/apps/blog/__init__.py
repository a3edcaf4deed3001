"""A blog in the shape of Flask's own tutorial: a factory, a database, a blueprint for accounts and one for posts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask


def create_app(test_config: dict[str, Any] | None = None) -> Flask:
    """Make the application; *test_config* takes the place of the instance's."""
    app = Flask(__name__, instance_relative_config=True)
    app.config.from_mapping(SECRET_KEY="dev", DATABASE=str(Path(app.instance_path) / "blog.sqlite"))
    app.config.from_mapping(test_config or {})

    from . import auth, db, posts

    db.init_app(app)
    app.register_blueprint(auth.bp)
    app.register_blueprint(posts.bp)
    return app
