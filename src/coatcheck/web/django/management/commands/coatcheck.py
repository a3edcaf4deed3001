"""``manage.py coatcheck``: look at sessions, end them, and sweep, with the store and the policy of the settings."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from coatcheck.errors import CoatcheckError
from coatcheck.model import SessionInfo
from coatcheck.policy_words import explain
from coatcheck.web.django.configuration import get_sessions
from coatcheck.web.django.finding import user_named


class Command(BaseCommand):
    """See the module's text."""

    help = "List, count, end and sweep sessions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add one subcommand for each verb."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
        listing = verbs.add_parser("list", help="a user's live sessions, the most recently seen first")
        _takes_user(listing)
        listing.add_argument("--ended", action="store_true", help="also those that ended lately")
        listing.add_argument("--json", action="store_true", help="one JSON object a line")
        ending = verbs.add_parser("revoke", help="end sessions by their ids")
        ending.add_argument("ids", nargs="+", metavar="id")
        everywhere = verbs.add_parser("revoke-user", help="end all of a user's sessions")
        _takes_user(everywhere)
        everywhere.add_argument("--keep", metavar="id", help="a session to leave alone")
        everywhere.add_argument("--noinput", "--no-input", action="store_true", help="do not ask")
        verbs.add_parser("count", help="how many sessions live")
        verbs.add_parser("sweep", help="remove what has expired, as clearsessions does")
        verbs.add_parser("policy", help="what the policy comes to")

    def handle(self, **options: Any) -> None:
        """Do as asked; what goes wrong is one line and exit code 1."""
        try:
            getattr(self, "_" + options["verb"].replace("-", "_"))(options)
        except (CoatcheckError, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        infos = get_sessions().list(_user_id(options), ended=options["ended"])
        for line in (_as_json if options["json"] else _as_text)(infos):
            self.stdout.write(line)

    def _revoke(self, options: dict[str, Any]) -> None:
        missing = [each for each in options["ids"] if not get_sessions().revoke(each)]
        if missing:
            raise CommandError(f"no live session has the id {', '.join(missing)}")
        self.stdout.write(self.style.SUCCESS("Ended."))

    def _revoke_user(self, options: dict[str, Any]) -> None:
        user_id = _user_id(options)
        if not options["noinput"]:
            live = len(get_sessions().list(user_id))
            if input(f"End {live} sessions of {options['user']}? [y/N] ").strip().lower() not in ("y", "yes"):
                raise CommandError("nothing was ended")
        ended = get_sessions().revoke_user(user_id, keep=options["keep"])
        self.stdout.write(self.style.SUCCESS(f"Ended {ended} sessions."))

    def _count(self, _options: dict[str, Any]) -> None:
        self.stdout.write(str(get_sessions().count()))

    def _sweep(self, _options: dict[str, Any]) -> None:
        swept = get_sessions().sweep()
        self.stdout.write(f"Removed {swept.total} sessions: {swept.abandoned} were idle, {swept.expired} were over.")

    def _policy(self, _options: dict[str, Any]) -> None:
        self.stdout.write(explain(get_sessions().policy).sentence)


def _takes_user(parser: ArgumentParser) -> None:
    parser.add_argument("user", help="a username, or a primary key")
    parser.add_argument("--by-id", action="store_true", help="take it for the id, also of a user who is deleted")


def _user_id(options: dict[str, Any]) -> str:
    named: str = options["user"]
    found = named if options["by_id"] else user_named(named)
    if found is None:
        raise CommandError(f"there is no user {named!r}; for the id of a deleted one write --by-id")
    return found


def _as_json(infos: Iterable[SessionInfo]) -> Iterable[str]:
    return (json.dumps(info.as_json()) for info in infos)


def _as_text(infos: Iterable[SessionInfo]) -> Iterable[str]:
    for info in infos:
        seen = datetime.fromtimestamp(info.last_seen_at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
        device = info.device.name if info.device else "Unknown browser"
        address = (info.device and info.device.last_address) or "-"
        yield f"{info.id}  {seen}Z  {device}  {address}  {info.reason or 'live'}"
