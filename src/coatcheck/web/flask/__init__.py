"""Sessions for Flask: ``flask.session`` is coatcheck's, and Flask-Login works on it unchanged.

::

    app = Flask(__name__)
    Coatcheck(app, sessions=Sessions("sqlite:///sessions.db"))
"""

from __future__ import annotations

from coatcheck.errors import MissingExtra

try:
    from coatcheck.web.flask.current import accounts_of, session_of, signed_in, user_of
    from coatcheck.web.flask.extension import Coatcheck
except ModuleNotFoundError as fault:  # pragma: no cover - the message is tested in an environment without Flask
    if fault.name != "flask":
        raise
    raise MissingExtra("coatcheck.web.flask", "flask", "flask") from None

__all__ = ["Coatcheck", "accounts_of", "session_of", "signed_in", "user_of"]
