"""The demo's accounts, and how a password is checked so that the time it takes does not tell who exists."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from functools import cached_property
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from msgspec import Struct

from coatcheck.discreet import Discreet

CHECKS_AT_ONCE: Final = 2
"""Password checks that run at the same time: each takes 64 MiB of memory (RFC 9106, second recommendation)."""

LONGEST_WORD: Final = 256
"""Characters of a user name that count."""


class Account(Struct, frozen=True):
    """Somebody who can sign in. ``id`` is what sessions know them by; it does not change with the name."""

    id: str
    username: str
    name: str
    roles: tuple[str, ...]


class Example(Discreet, frozen=True):
    """An account with a passphrase in the clear, which only a demo may have: it is printed at the start."""

    account: Account
    passphrase: str

    def __repr__(self) -> str:
        """Show the account alone."""
        return f"Example({self.account.username!r})"


EXAMPLES: Final = (
    Example(Account("u-1815", "ada", "Ada Lovelace", ("editor", "user")), "analytical-engine"),
    Example(Account("u-1906", "grace", "Grace Hopper", ("user",)), "nanosecond-wire"),
    Example(Account("u-1917", "joan", "Joan Clarke", ("operator", "user")), "banburismus-sheet"),
)
"""Who can sign in to the demo, the last one as operator. It listens on this machine alone, so this is no secret."""


class Accounts:
    """Looks accounts up and checks their passwords."""

    def __init__(self, examples: Sequence[Example] = EXAMPLES, *, hasher: PasswordHasher | None = None) -> None:
        """Keep the accounts; nothing is hashed before the first check, so that the demo starts at once."""
        self._examples = {example.account.username: example for example in examples}
        self.hasher = hasher or PasswordHasher()
        self._turn = asyncio.Semaphore(CHECKS_AT_ONCE)

    def find(self, username: str) -> Account | None:
        """Return the account of that user name, written in any case and with spaces around it."""
        example = self._examples.get(canonical(username))
        return example.account if example else None

    def all(self) -> list[Account]:
        """Return every account."""
        return [example.account for example in self._examples.values()]

    def by_id(self, user_id: str) -> Account | None:
        """Return the account with that id."""
        return next((account for account in self.all() if account.id == user_id), None)

    def name_of(self, user_id: str) -> str:
        """Return the name of the account with that id; the id itself when it is nobody's."""
        account = self.by_id(user_id)
        return account.name if account else user_id

    def search(self, typed: str) -> list[str]:
        """Return the ids of the accounts whose id is *typed*, or whose user name or name contains it."""
        wanted = canonical(typed)
        return [
            account.id
            for account in self.all()
            if wanted and (wanted == account.id or wanted in account.username or wanted in account.name.casefold())
        ]

    async def check(self, account: Account | None, password: str) -> bool:
        """Say whether *password* is the account's, in a worker thread, so that nobody else waits.

        An unknown account costs the same work: a hash that no password fits is checked instead (S-45).
        """
        async with self._turn:
            return await asyncio.to_thread(self._check, account, password)

    def _check(self, account: Account | None, password: str) -> bool:
        hashes, nobody = self._hashes, self._nobody
        known = hashes.get(account.username) if account else None
        try:
            fits = self.hasher.verify(known or nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return fits and known is not None

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return {name: self.hasher.hash(example.passphrase) for name, example in self._examples.items()}

    @cached_property
    def _nobody(self) -> str:
        """Return a hash that no password fits: what it was made of is kept nowhere."""
        return self.hasher.hash(secrets.token_urlsafe())


def canonical(username: str) -> str:
    """Return the one spelling of a user name, under which tries are counted too."""
    return username.strip().casefold()[:LONGEST_WORD]
