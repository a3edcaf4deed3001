"""``coatcheck completion``: the script that teaches a shell to complete commands and options."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated, Final

import typer
from typer.completion import get_completion_inspect_parameters, shell_complete
from typer.main import get_command

VARIABLE: Final = "_COATCHECK_COMPLETE"
"""What the script sets when it asks this command for the words that fit."""


class Shell(StrEnum):
    """The shells that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="The shell.", show_default=False)],
) -> None:
    """Print the script that completes commands and options, for a shell's start-up file."""
    from coatcheck.cli.command import app

    learn_shells()
    shell_complete(get_command(app), {}, "coatcheck", VARIABLE, f"source_{shell.value}")


def prepare() -> None:
    """Get ready to answer where a shell asks for the words that fit."""
    if VARIABLE in os.environ:
        learn_shells()


def learn_shells() -> None:
    """Let Typer register its shells, which it does when it builds its own options for completion."""
    get_completion_inspect_parameters()
