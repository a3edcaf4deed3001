"""What the reference's pages document, read from their structure: headings, tables and code spans."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from tests.surface import markdown

_SPAN = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^(?P<marks>#{1,6}) +(?P<title>.+?) *$", re.MULTILINE)
_ROW = re.compile(r"^\|(?P<cells>.+)\| *$", re.MULTILINE)
_RULE = re.compile(r"[ |:-]+")
_LABEL = re.compile(r"^For (?P<names>`[^|\n]*`):$", re.MULTILINE)


def section(text: str, title: str, *, fenced: bool = False) -> str:
    """Return what stands under a heading, down to the next one of its level or above; empty if it is not there.

    Fenced blocks are left out, unless *fenced* asks for them.
    """
    plain = _hidden(text)
    found = {match["title"].replace("`", ""): match for match in _HEADING.finditer(plain)}
    if title not in found:
        return ""
    start = found[title]
    after = (match for match in _HEADING.finditer(plain, start.end()) if len(match["marks"]) <= len(start["marks"]))
    end = next(after, None)
    body = text[start.end() : end.start() if end else len(text)]
    return body if fenced else markdown.prose(body)


def _hidden(text: str) -> str:
    """Return a page of the same length whose fenced blocks hold no heading."""
    for block in markdown.blocks(text):
        text = text.replace(block.text, block.text.replace("#", " "))
    return text


def headings(text: str) -> list[str]:
    """Return the titles that are one code span."""
    titles = (match["title"] for match in _HEADING.finditer(markdown.prose(text)))
    return [title.strip("`") for title in titles if _SPAN.fullmatch(title)]


def rows(text: str) -> list[list[str]]:
    """Return the cells of every table's rows, the first row of each table left out."""
    found = []
    lines = markdown.prose(text).splitlines()
    for number, line in enumerate(lines):
        row = _ROW.fullmatch(line)
        is_first = number + 1 < len(lines) and lines[number + 1].startswith("|") and _is_rule(lines[number + 1])
        if row and not is_first and not _is_rule(line):
            found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", row["cells"])])
    return found


def _is_rule(line: str) -> bool:
    """Whether a line is the one between a table's first row and the rest."""
    return bool(_RULE.fullmatch(line)) and "-" in line


def first_cells(text: str) -> list[str]:
    """Return the code spans in the first column of every table, in order."""
    return [span for row in rows(text) for span in spans(row[0])]


def spans(text: str) -> list[str]:
    """Return the code spans of a text."""
    return _SPAN.findall(text)


def options_by_command(text: str, commands: Iterable[str]) -> dict[str, set[str]]:
    """Return the ``--options`` told of under each command's heading, such as "`coatcheck sweep`".

    A table below "For `one` and `group`:" counts for these commands, a group's included. A name that is no command is
    kept as it is, so that somebody sees it.
    """
    known = list(commands)
    found: dict[str, set[str]] = {name: set() for name in known}
    for title in headings(text):
        found.setdefault(title.removeprefix("coatcheck "), set()).update(_told(section(text, title)))
    plain = markdown.prose(text)
    for label in _LABEL.finditer(plain):
        heading = _HEADING.search(plain, label.end())
        told = _told(plain[label.end() : heading.start() if heading else len(plain)])
        for name in spans(label["names"]):
            under = [each for each in known if each == name or each.startswith(f"{name} ")]
            for each in under or [name]:
                found.setdefault(each, set()).update(told)
    return found


def _told(text: str) -> set[str]:
    """Return the options that code spans begin with."""
    return {span.split()[0].rstrip(",") for span in spans(text) if span.startswith("--")}


def differences(there: Iterable[str], told: Iterable[str]) -> list[str]:
    """Say what exists and is not documented, and what is documented and does not exist, or twice."""
    listed = list(told)
    existing, documented = set(there), set(listed)
    twice = {name for name in documented if listed.count(name) > 1}
    return [
        *(f"not documented: {name}" for name in sorted(existing - documented)),
        *(f"documented and not there: {name}" for name in sorted(documented - existing)),
        *(f"documented twice: {name}" for name in sorted(twice)),
    ]


def differences_by(there: Mapping[str, set[str]], told: Mapping[str, set[str]]) -> list[str]:
    """Say the differences of each of several things."""
    faults = [f"not documented: {name}" for name in sorted(there.keys() - told.keys())]
    for name in sorted(told):
        if name in there:
            faults += [f"{name}: {fault}" for fault in differences(there[name], told[name])]
        else:
            faults.append(f"documented and not there: {name}")
    return faults
