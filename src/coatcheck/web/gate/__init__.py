"""The gate: who may reach which path, decided before the application is asked.

::

    from coatcheck.web.gate import Gate, Rule

    gate = Gate(
        [
            Rule("/", allow="public"),
            Rule("/blog/:path*", allow="public"),
            Rule("/admin/:path*", role="admin"),
            Rule("/account/password", fresh="5m"),
        ],
        default="signed_in",
    )
    app.add_middleware(SessionMiddleware, sessions=sessions, gate=gate)
"""

from __future__ import annotations

from coatcheck.web.gate.explaining import Explanation
from coatcheck.web.gate.gate import Gate
from coatcheck.web.gate.headers import HeaderNames, decode_roles, decode_value
from coatcheck.web.gate.judging import Inquiry, Standing
from coatcheck.web.gate.rules import Rule

__all__ = ["Explanation", "Gate", "HeaderNames", "Inquiry", "Rule", "Standing", "decode_roles", "decode_value"]
