"""How often a password may be tried, for signing in and for confirming it: one count for both."""

from __future__ import annotations

from collections.abc import Callable

from .limiter import Limiter


class Tries:
    """Counts tries at each account and from each address.

    Whoever guesses at an account makes its owner wait too, a minute for each try; the limit of the guesser's address
    keeps that from being done to many accounts. A product adds a second way in, such as a mailed link.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        """Begin with nobody counted. *timer* returns seconds that nobody moves."""
        self._by_account = Limiter(burst=5, interval=60, clock=timer)
        self._by_address = Limiter(burst=20, interval=15, clock=timer)

    def spend(self, account: str, address: str) -> int:
        """Pay for a try and return 0, or return the seconds to wait."""
        wait = max(self._by_account.wait(account), self._by_address.wait(address))
        if not wait:
            self._by_account.spend(account)
            self._by_address.spend(address)
        return wait

    def give_back(self, account: str, address: str) -> None:
        """Return what a try cost: it was no guess."""
        self._by_account.give_back(account)
        self._by_address.give_back(address)
