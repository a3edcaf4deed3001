"""The reference is whole, and names nothing that is gone: each kind of name, read from the pages' structure."""

from __future__ import annotations

import re

import pytest

from tests.surface import kinds, markdown, pages
from tests.surface.kinds import KINDS, Kind

EVERY = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
GHOST = "nowhere"

# --- both ways, for each kind


@EVERY
def test_the_reference_has_each_and_no_other(kind: Kind) -> None:
    """What there is of a kind is in its table once, and what is in its table is there."""
    assert kind.differences(kinds.page(kind.page)) == []


def test_options_of_commands() -> None:
    """Each command's options are told of under its own heading, and no other is."""
    there = kinds.options_of_commands()
    told = pages.options_by_command(kinds.page("cli"), there)

    assert pages.differences_by(there, told) == []


def test_errors_are_explained() -> None:
    """Each code is a heading, whose anchor messages name, with the class, why, what to do and an example."""
    text = kinds.page("errors")
    codes = {each.code for each in kinds.error_classes().values()}

    assert pages.differences(codes, pages.headings(text)) == []
    assert codes <= markdown.anchors(text)
    assert kinds.unexplained_errors(text) == []


def test_other_stores_have_no_options() -> None:
    """The options of Redis and of PostgreSQL are all that stores' URLs have; no other store's are documented."""
    titles = re.findall(r"^### (Options of .+)$", kinds.page("stores"), re.MULTILINE)

    assert titles == ["Options of Redis", "Options of PostgreSQL"]


# --- each can fail


def rows_with(text: str, span: str) -> list[str]:
    """Return the rows of tables whose first cell has a code span that begins so."""
    return [line for line in text.splitlines(keepends=True) if re.match(rf"\|[^|]*`{re.escape(span)}", line)]


@EVERY
def test_an_omission_is_found(kind: Kind) -> None:
    """A name whose rows are taken out of its page is missed."""
    text = kinds.page(kind.page)
    rows = rows_with(text, kind.span or kind.example)
    assert rows

    for row in rows:
        text = text.replace(row, "")

    assert f"not documented: {kind.example}" in kind.differences(text)


@EVERY
def test_a_ghost_is_found(kind: Kind) -> None:
    """A row of something that does not exist is found."""
    text, span = kinds.page(kind.page), kind.span or kind.example
    ghost = span.replace(kind.example, GHOST) if kind.example in span else GHOST
    for row in rows_with(text, span):
        text = text.replace(row, row + row.replace(f"`{span}", f"`{ghost}", 1))

    found = [fault for fault in kind.differences(text) if fault.startswith("documented and not there")]

    assert found
    assert all(GHOST in fault for fault in found)


COMMANDS = """
## What they share

For `one` and `group`:

| option | is |
|---|---|
| `--store URL` | where |

## `coatcheck one`

Options: `--store`.

## `coatcheck group two`

| option | is |
|---|---|
| `ID` | this one; `--fast` at once |
"""
LOST = ["group three: not documented: --store", "group two: not documented: --store"]
EVERYWHERE = [
    *("group three: not documented: --store", "group three: documented and not there: --shop"),
    *("group two: not documented: --store", "group two: documented and not there: --shop"),
    "one: documented and not there: --shop",
]
THERE = {"one": {"--store"}, "group two": {"--store", "--fast"}, "group three": {"--store"}}


@pytest.mark.parametrize(
    ("before", "after", "faults"),
    [
        ("", "", []),
        ("; `--fast` at once", "", ["group two: not documented: --fast"]),
        ("--fast", "--slow", ["group two: not documented: --fast", "group two: documented and not there: --slow"]),
        ("and `group`", "and `two`", [*LOST, "documented and not there: two"]),
        ("`coatcheck one`", "`coatcheck gone`", ["documented and not there: gone"]),
        ("--store URL", "--shop URL", EVERYWHERE),
    ],
)
def test_options_of_commands_can_differ(before: str, after: str, faults: list[str]) -> None:
    """An option, or a command, that is left out or made up is found."""
    told = pages.options_by_command(COMMANDS.replace(before, after), THERE)

    assert pages.differences_by(THERE, told) == faults


@pytest.mark.parametrize("gone", ["**Why.**", "**What to do.**", "text\n", "`TooLate`: "])
def test_errors_can_be_unexplained(gone: str) -> None:
    """A code without its class, its reason, its remedy or its example is found."""
    before, heading, after = kinds.page("errors").partition("### `too_late`")

    assert kinds.unexplained_errors(before + heading + after.replace(gone, "\n", 1)) == ["too_late"]


def test_variables_are_found_however_they_are_asked_for() -> None:
    """The environment's three spellings are seen, and other mappings are not."""
    asked = ('os.environ.get("A")', 'os.environ["B"]', 'os.getenv("C", "")', "os.environ.get(name)")
    source = "\n".join((*asked, 'other.get("D")', 'environ.get("E")'))

    assert sorted(kinds.asked_for(source)) == ["A", "B", "C"]


def test_tables_are_read_as_tables() -> None:
    """The first row of a table, other columns, fenced blocks and other sections are not taken for rows."""
    text = (
        "## Here\n\n| `head` | x |\n|---|---|\n| `a`, `b` | `c` |\n| `d` \\| e | |\n\n```text\n| `f` | x |\n```\n\n"
        "### Below\n\n| y |\n|--:|\n| `g` |\n\n## There\n\n| z |\n|---|\n| `h` |\n"
    )

    assert pages.first_cells(pages.section(text, "Here")) == ["a", "b", "d", "g"]
    assert pages.section(text, "Nowhere") == ""


def test_a_name_told_twice_is_found() -> None:
    """Two rows of one name are a fault, because only one of them will be kept up."""
    assert pages.differences(["a"], ["a", "a"]) == ["documented twice: a"]
