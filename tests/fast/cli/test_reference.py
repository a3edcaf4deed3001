"""The reference page of the command line: every option of every command is on it, and nothing else is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from coatcheck.cli.command import app
from tests.fast.cli.conftest import ROOT, run

PAGE = (ROOT / "docs" / "reference" / "cli.md").read_text()
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def commands(command: Any, name: str = "coatcheck") -> Iterator[tuple[str, Any]]:
    """Give each command as it is typed."""
    for word, inner in getattr(command, "commands", {}).items():
        if getattr(inner, "commands", None):
            yield from commands(inner, f"{name} {word}")
        else:
            yield f"{name} {word}", inner


COMMANDS = dict(commands(get_command(app)))


def options_of(command: Any) -> set[str]:
    """Return a command's options as they are typed; ``--help`` has everyone."""
    words = {word for param in command.params for word in (*param.opts, *param.secondary_opts)}
    return {word for word in words if word.startswith("--")} - {"--help"}


def section(name: str) -> str:
    """Return a command's part of the page."""
    _, found, rest = PAGE.partition(f"\n## `{name}`\n")
    assert found, f"there is no section for {name}"
    return rest.partition("\n## ")[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_is_in_its_command_s_section(name: str) -> None:
    """A command's section names its options, all of them and no other's."""
    told = set(_OPTION.findall(section(name)))
    elsewhere = {"--report"} if name == "coatcheck check" else set()  # another command is shown there

    assert options_of(COMMANDS[name]) - told == set()
    assert told - options_of(COMMANDS[name]) - elsewhere == set()


def test_the_common_options_are_those_of_every_store_command() -> None:
    """What the page says of all commands that open a store is so."""
    _, _, common = PAGE.partition("## Options of commands that open a store")
    told = set(_OPTION.findall(common.partition("\n## ")[0]))

    assert told == {"--store", "--tenant", "--json", "--wait"}
    for name, command in COMMANDS.items():
        if name.startswith(("coatcheck sessions", "coatcheck stats", "coatcheck sweep")):
            assert told <= options_of(command), name


def test_every_option_explains_itself() -> None:
    """``--help`` has words for each option of each command."""
    silent = [(name, param.name) for name, command in COMMANDS.items() for param in command.params if not param.help]

    assert silent == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_every_option_whole_in_60_columns(name: str) -> None:
    """``--help`` cuts no option off on a narrow terminal, so that it can be read and copied."""
    shown = run(*name.split()[1:], "--help", columns=60).stdout

    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 60
    assert options_of(COMMANDS[name]) <= set(_OPTION.findall(shown))
