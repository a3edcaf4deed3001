"""Who a user id is, for people. The application knows; the console only asks."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

from coatcheck.errors import ConfigurationError
from coatcheck.web.console import seeking

NameOf: TypeAlias = Callable[[str], Awaitable[str | None] | str | None]
"""Is given a user id and returns the name to show beside it; ``None`` where there is none."""

FindUser: TypeAlias = Callable[[str], Sequence[str] | Awaitable[Sequence[str]]]
"""Is given what an operator typed into the search field and returns the ids of the users that may be meant."""

LONGEST_NAME: Final = 100
"""Characters of a user's name that are shown."""

MOST_FOUND: Final = 50
"""Users that one search shows."""

_log: Final = logging.getLogger("coatcheck.console")


class Naming:
    """Asks the application for names and for users."""

    def __init__(self, name_of: NameOf | None, find_user: FindUser | None) -> None:
        """Ask these functions; each may be absent.

        Raises:
            ConfigurationError: one of them cannot be called; says the line to write.
        """
        self._name_of = _callable("name_of", name_of, "a user id and returns the name to show beside it")
        self._find_user = _callable("find_user", find_user, "what an operator typed and returns a list of user ids")

    @property
    def finds(self) -> bool:
        """Whether users are found by more than their ids."""
        return self._find_user is not None

    async def names(self, user_ids: Iterable[str | None]) -> dict[str, str]:
        """Return the names that are known; none where the application fails: sessions must be endable."""
        wanted = dict.fromkeys(user_id for user_id in user_ids if user_id is not None)
        if self._name_of is None:
            return {}
        try:
            named = {user_id: await _awaited(self._name_of(user_id)) for user_id in wanted}
        except Exception:  # noqa: BLE001 - whatever it is, the log has it and the page does without
            _log.exception("name_of failed: the page shows user ids alone")
            return {}
        return {user_id: name[:LONGEST_NAME] for user_id, name in named.items() if name and name != user_id}

    async def found(self, typed: str) -> list[str]:
        """Return the ids of the users that the application finds, each once."""
        if self._find_user is None or not typed:
            return []
        found = await _awaited(self._find_user(typed))
        return [each for each in dict.fromkeys(found) if seeking.user_id(each) is not None][:MOST_FOUND]


async def _awaited(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


def _callable(option: str, hook: Any, told: str) -> Any:
    if hook is not None and not callable(hook):
        raise ConfigurationError(f"{option}={hook!r} is no function. Console calls it with {told}")
    return hook
