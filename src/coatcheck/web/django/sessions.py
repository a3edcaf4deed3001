"""The session engine: ``SESSION_ENGINE = "coatcheck.web.django.sessions"``.

Django's test clients, scripts and other packages import `SessionStore` from the module that the setting names.
"""

from __future__ import annotations

from coatcheck.web.django.linking import link as link  # whoever signs in through this engine is linked
from coatcheck.web.django.store import SessionStore as SessionStore
