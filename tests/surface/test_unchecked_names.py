"""The pages' sign-ins stand what visitors type: text that is no user id is refused, and is no fault of the server.

Each page's blocks run as in `tests.surface.test_docs`, with one more block below them, which signs in.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.packaging.test_tutorials import file_of
from tests.surface import markdown
from tests.surface.test_docs import ROOT, run_page

FORMS = {
    "README.md": ("/login", "json", "user_id", {422}),
    "docs/quickstart.md": ("/login", "json", "user_id", {401}),
    "docs/howto/limit-devices.md": ("/login", "json", "user_id", {422}),
    "docs/howto/sign-out-everywhere.md": ("/login", "json", "user_id", {401}),
    "docs/tutorials/fastapi.md": ("/sign-in", "data", "name", {401, 422}),
    "docs/tutorials/starlette.md": ("/sign-in", "data", "name", {401}),
}
"""Each page's sign-in: its path, how its fields are sent, the name's field, and how a wrong name is answered."""

WITH_USERS = ["docs/quickstart.md", "docs/tutorials/fastapi.md", "docs/tutorials/starlette.md"]
"""The pages that have a table of users."""

SIGNING_IN = """
from starlette.testclient import TestClient


def answer(**fields):
    here = "http://localhost"
    visitor = TestClient(app, base_url=here, headers={"origin": here}, raise_server_exceptions=False)
    return visitor.post(path, follow_redirects=False, **{sent: fields}).status_code


"""

WRONG_NAMES = """
names = {"long": "x" * 300, "nul": chr(0), "nul inside": "ann" + chr(0), "empty": "", "unknown": "mallory ?"}
found = {what: answer(**{field: name, "password": "correct horse"}) for what, name in names.items()}
assert set(found.values()) <= expected, found
found = {"no name": answer(password="correct horse"), "no password": answer(**{field: "ann"}), "nothing": answer()}
assert set(found.values()) <= {401, 422}, found
"""

SAME_WORK = """
asked, read = [], AsyncSessions.epoch


async def recorded(self, user_id):
    asked.append(user_id)
    return await read(self, user_id)


AsyncSessions.epoch = recorded
assert answer(**{field: "mallory", "password": "guess"}) == 401
assert answer(**{field: "nobody", "password": ""}) in {401, 422}
assert answer(**{field: "ann", "password": "correct horse"}) < 400
assert set(asked) == {"nobody", "ann"}, asked
"""

OTHER_FIELDS = """
visitor = TestClient(app, base_url="http://localhost", headers={"origin": "http://localhost"})
visitor.post("/sign-in", data={"name": "ann", "password": "correct horse"})
for fields in ({}, {"id": "x" * 300, "note": chr(0)}):
    assert visitor.post("/note", data=fields).status_code == 200
    assert visitor.post("/end", data=fields).status_code == 200
"""


def done(name: str, text: str, probe: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a page with one more block at its end, in a folder with the templates that it shows."""
    for block in markdown.blocks(text):
        if block.info == ("html",) and (named := file_of(block)):
            (folder / named["name"]).parent.mkdir(exist_ok=True)
            (folder / named["name"]).write_text(block.text)
    page = folder / "page.md"
    form = f"path, sent, field, expected = {FORMS[name]!r}\n"
    page.write_text(f"{text}\n```python\n{form}{SIGNING_IN}{probe}```\n")
    return run_page(page, folder)


@pytest.mark.parametrize("name", FORMS)
def test_a_name_that_is_no_user_id_is_refused(name: str, tmp_path: Path) -> None:
    """A long name, an empty one, one with a NUL and a missing field are answered like any wrong sign-in (S-45)."""
    ran = done(name, (ROOT / name).read_text(), WRONG_NAMES, tmp_path)

    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("name", WITH_USERS)
def test_an_unknown_name_costs_the_same_and_goes_no_further(name: str, tmp_path: Path) -> None:
    """For an unknown name the epoch of a fixed id is read, and a known user still signs in (S-45)."""
    ran = done(name, (ROOT / name).read_text(), SAME_WORK, tmp_path)

    assert ran.returncode == 0, ran.stderr


def test_other_fields_may_be_missing(tmp_path: Path) -> None:
    """The tutorial's other forms stand missing fields and ids that nobody made (S-52)."""
    name = "docs/tutorials/starlette.md"
    ran = done(name, (ROOT / name).read_text(), OTHER_FIELDS, tmp_path)

    assert ran.returncode == 0, ran.stderr


def test_an_unchecked_name_is_found(tmp_path: Path) -> None:
    """A page that asks for the epoch of what was typed fails both tests."""
    name = "docs/quickstart.md"
    good = (ROOT / name).read_text()
    bad = good.replace('form.user_id if form.user_id in PASSWORDS else "nobody"', "form.user_id")

    assert bad != good
    assert "'long': 500" in done(name, bad, WRONG_NAMES, tmp_path).stderr
    assert "'mallory'" in done(name, bad, SAME_WORK, tmp_path).stderr
