"""What `sessions revoke` can be asked to end, each with how it is counted, asked about and carried out."""

from __future__ import annotations

import sys
from typing import Protocol

import typer

from coatcheck.blocking import Sessions
from coatcheck.cli.opening import Code, leave
from coatcheck.cli.output import at_terminal, now
from coatcheck.cli.progress import progress
from coatcheck.errors import Unconfirmed
from coatcheck.selection import EVERYTHING, Selection
from coatcheck.stores.contract import Capability


class Order(Protocol):
    """What is to be ended."""

    asks: bool

    def count(self, sessions: Sessions) -> int:
        """Return how many live sessions it means."""
        ...

    def ask(self, sessions: Sessions) -> None:
        """Ask a person whether they mean it; leaves the command if they do not."""
        ...

    def carry_out(self, sessions: Sessions) -> int:
        """End them; returns how many."""
        ...


def order(ids: list[str], selection: Selection, keep: str | None, *, everybody: bool) -> Order:
    """Return what was asked for.

    Raises:
        typer.BadParameter: that is nothing, or more than one thing.
    """
    user, filtered = selection.user_id, selection != EVERYTHING
    if [bool(ids), filtered, everybody].count(True) != 1:
        raise typer.BadParameter("say one of: some IDs; options that choose sessions, such as --user ID; --all")
    only_user = user is not None and selection == Selection(user_id=user)
    if keep is not None and not only_user:
        raise typer.BadParameter("--keep goes with --user and no other choice")
    if ids:
        return Some(ids)
    if everybody:
        return Everybody()
    return OfUser(user, keep) if user is not None and only_user else Chosen(selection)


class Some:
    """An order to end the sessions with some ids. Nobody is asked: they were typed one by one."""

    asks = False

    def __init__(self, ids: list[str]) -> None:
        """Mean these."""
        self.ids = ids

    def count(self, sessions: Sessions) -> int:
        """Return how many of them are live."""
        found = (sessions.get(one) for one in set(self.ids))
        return sum(info is not None and info.live for info in found)

    def ask(self, sessions: Sessions) -> None:
        """Ask nothing."""

    def carry_out(self, sessions: Sessions) -> int:
        """End them."""
        return sum(sessions.revoke(one) for one in self.ids)


class OfUser:
    """An order to end a user's sessions, and their sign-ins under way."""

    asks = True

    def __init__(self, user: str, keep: str | None) -> None:
        """Mean all of theirs, or all but one."""
        self.user, self.keep = user, keep

    def count(self, sessions: Sessions) -> int:
        """Return how many there are. A *keep* that is not theirs is refused: it would sign out whom it should spare."""
        if self.keep is not None:
            kept = sessions.get(self.keep)
            if kept is None or not kept.live or kept.user_id != self.user:
                raise leave("--keep names no live session of that user; nothing was ended", Code.NOTHING)
        return len(sessions.list(self.user)) - (self.keep is not None)

    def ask(self, sessions: Sessions) -> None:
        """Ask for a yes."""
        _agree(f"End {in_words(self.count(sessions))} of {self.user!r}?")

    def carry_out(self, sessions: Sessions) -> int:
        """End them."""
        if self.keep is not None:
            self.count(sessions)
        return sessions.revoke_user(self.user, keep=self.keep)


class Everybody:
    """An order to end everything, and all sign-ins under way."""

    asks = True

    def count(self, sessions: Sessions) -> int:
        """Return how many there are."""
        return sessions.count()

    def ask(self, sessions: Sessions) -> None:
        """Ask for a yes, with the number where the store can count."""
        counts = Capability.BROWSE in sessions.store.traits.capabilities
        _agree(f"End all {in_words(sessions.count()) if counts else 'sessions'} of everybody?")

    def carry_out(self, sessions: Sessions) -> int:
        """End them."""
        return sessions.revoke_all()


class Chosen:
    """An order to end the sessions that the options choose."""

    asks = True

    def __init__(self, selection: Selection) -> None:
        """Mean these."""
        self.selection = selection
        self.counted: int | None = None

    def count(self, sessions: Sessions) -> int:
        """Return how many there are."""
        with progress("found") as tell:
            self.counted = sessions.count_where(self.selection, on_progress=tell)
        return self.counted

    def ask(self, sessions: Sessions) -> None:
        """Ask for their number: a yes is typed too easily for a choice that may mean more than was thought."""
        if not at_terminal():
            raise leave("nobody can be asked here, so nothing was ended; add --yes", Code.NOTHING)
        count = self.count(sessions)
        if not count:
            raise leave("there was no such live session", Code.NOTHING)
        said = self.selection.words(now())
        question = f"This ends {in_words(count)}: {said}. Type {count} to go on: "
        if _answer(question) != str(count):
            raise leave("nothing was ended", Code.NOTHING)

    def carry_out(self, sessions: Sessions) -> int:
        """End them, showing how far it has come."""
        try:
            with progress("ended", self.counted) as tell:
                return sessions.revoke_where(self.selection, on_progress=tell)
        except Unconfirmed as error:
            raise leave(f"done, but not confirmed: {error}", Code.UNAVAILABLE) from None


def in_words(count: int) -> str:
    """Return a number of sessions."""
    return f"{count} session{'' if count == 1 else 's'}"


def _agree(question: str) -> None:
    """Ask for a yes at a terminal; where nobody can be asked, refuse."""
    if not at_terminal():
        raise leave("nobody can be asked here, so nothing was ended; add --yes", Code.NOTHING)
    if _answer(f"{question} [y/N] ").lower() not in {"y", "yes"}:
        raise leave("nothing was ended", Code.NOTHING)


def _answer(question: str) -> str:
    """Return what is typed."""
    typer.echo(question, err=True, nl=False)  # not typer.prompt: it writes to stdout as well
    return sys.stdin.readline().strip()
