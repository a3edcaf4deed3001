"""``coatcheck completion``: the script a shell needs, and the words it gets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coatcheck.cli.completion import VARIABLE
from tests.fast.cli.conftest import ROOT, run

SCRIPT = """
source ./script.bash
complete -p coatcheck
complete_line() { COMP_WORDS=($1 "$2"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _coatcheck_completion ./coatcheck
    printf '%s,' "${COMPREPLY[@]}"; echo; }
complete_line "coatcheck" "s"
complete_line "coatcheck sessions" "re"
complete_line "coatcheck sessions list" "--see"
complete_line "coatcheck stats --span" "m"
complete_line "coatcheck completion" ""
"""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_each_shell(shell: str) -> None:
    """The script names the command and the variable by which it asks for words."""
    result = run("completion", shell)

    assert (result.exit_code, result.stderr) == (0, "")
    assert "coatcheck" in result.stdout
    assert f"{VARIABLE}=complete_{shell}" in result.stdout


def test_another_shell_is_wrong_usage() -> None:
    """A shell there is no script for is exit code 2."""
    assert run("completion", "tcsh").exit_code == 2


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_options_and_values(tmp_path: Path) -> None:
    """Bash with the script completes commands, options and the values an option may have."""
    (tmp_path / "script.bash").write_text(run("completion", "bash").stdout)
    command = tmp_path / "coatcheck"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nsys.argv[0] = 'coatcheck'\nfrom coatcheck.cli import main\nmain()\n"
    )
    command.chmod(0o755)

    done = subprocess.run(
        ["bash", "--norc", "-c", SCRIPT],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        text=True,
        timeout=120,
    )

    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].endswith("-F _coatcheck_completion coatcheck")
    answers = [set(line.strip(",").split(",")) for line in lines[1:]]
    assert {"sessions", "stats", "sweep"} <= answers[0]
    assert answers[1:] == [
        {"revoke"},
        {"--seen-before", "--seen-after"},
        {"month"},
        {"bash", "zsh", "fish"},
    ]
