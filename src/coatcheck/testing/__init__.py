"""For the tests of applications that use coatcheck, and of stores that others write.

=========================  =============================================================================================
`FrozenClock`              a clock that moves only when told; give it to ``AsyncSessions(clock=...)``
`CapturedEvents`           a listener that keeps what it heard; give it to ``AsyncSessions(listeners=[...])``
`sign_in`                  a test client's user signed in, without the application's login form
`freeze`                   the clock of a manager that is already built, replaced for one test
`StoreContract`            the conformance suite that a store's tests inherit
`yielding`                 a store whose verbs give way, so that races show
=========================  =============================================================================================

The first three are pytest fixtures too (``frozen_clock``, ``captured_events``, ``sign_in``), which come with the
installed package: there is nothing to configure. Importing this module imports neither pytest nor a web framework.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from coatcheck.testing.clock import FrozenClock, freeze
from coatcheck.testing.listening import CapturedEvents

if TYPE_CHECKING:
    from coatcheck.testing.contract import StoreContract
    from coatcheck.testing.giving_way import Yielding, yielding
    from coatcheck.testing.signing import sign_in

__all__ = ["CapturedEvents", "FrozenClock", "StoreContract", "Yielding", "freeze", "sign_in", "yielding"]

_LATER: Final = {
    "StoreContract": "coatcheck.testing.contract",
    "Yielding": "coatcheck.testing.giving_way",
    "sign_in": "coatcheck.testing.signing",
    "yielding": "coatcheck.testing.giving_way",
}
"""What is imported when it is asked for: the conformance suite brings pytest, signing in brings asyncio.

No module here has the name of what it holds: whoever imports it first would put the module in that name's place.
"""


def __getattr__(name: str) -> object:
    """Import what was left for later."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(_LATER[name]), name)
    globals()[name] = found
    return found
