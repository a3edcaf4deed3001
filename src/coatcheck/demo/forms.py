"""Forms: every route that changes something is made by `post`, which judges whose page a form comes from."""

from __future__ import annotations

from coatcheck.web.forms import Form, Handler, post

__all__ = ["Form", "Handler", "post"]
