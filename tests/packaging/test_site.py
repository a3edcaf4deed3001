"""The documentation site builds, is whole, leads somewhere and fetches nothing from another host."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging import built_site
from tests.surface.kinds import PUBLIC_MODULES

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
SECRET = "hunter2-of-the-environment"
PAGES = sorted(path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md"))

BUILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import docs

def sources(folder):
    folder.mkdir()
    for name, text in PAGES.items():
        (folder / name).write_text(text)

sys.exit(not docs.build(Path(sys.argv[2]), sources))
"""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program with a variable in its environment that must not get into the site."""
    environment = {**os.environ, "COATCHECK_STORE": f"redis://:{SECRET}@cache"}
    return subprocess.run(command, capture_output=True, check=False, env=environment, text=True, timeout=300)


def build_pages(pages: dict[str, str], out: Path) -> subprocess.CompletedProcess[str]:
    """Build a site of these pages with the project's own settings."""
    return run(sys.executable, "-c", f"PAGES = {pages!r}\n{BUILD}", SCRIPTS, out)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as ``make docs`` does, into a folder of its own."""
    out = tmp_path_factory.mktemp("documentation") / "site"
    done = run(sys.executable, SCRIPTS / "docs.py", "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"The documentation is in {out / 'index.html'}\n"
    assert done.stderr == ""
    return out


# --- the site


@pytest.mark.parametrize("page", [*PAGES, Path("readme.md"), Path("changelog.md"), Path("security.md")], ids=str)
def test_every_page_is_in_it(site: Path, page: Path) -> None:
    """Each page of the documentation, and each beside it, is a page of the site, which its front page leads to."""
    built = site / page.with_suffix(".html")
    front = built_site.Page((site / "index.html").read_text()).links
    decisions = built_site.Page((site / "decisions" / "index.html").read_text()).links

    assert built.is_file()
    if page.parent.name == "decisions":
        assert f"{page.stem}.html" in decisions
    elif page.name != "index.md":
        assert page.with_suffix(".html").as_posix() in front


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_every_public_name_is_in_it(site: Path, module: str) -> None:
    """Each public name is explained on the page of its module, made from its docstring."""
    ids = built_site.Page((site / "reference" / "api" / f"{module}.html").read_text()).ids

    assert [name for name in importlib.import_module(module).__all__ if f"{module}.{name}" not in ids] == []


def test_every_module_with_public_names_has_a_page(site: Path) -> None:
    """A module that declares ``__all__`` is in the reference; the demo is an application, nobody imports from it."""
    source = ROOT / "src"
    declaring = [path for path in source.rglob("*.py") if declares_names(path.read_text())]
    modules = [".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__") for path in declaring]

    public = [name for name in modules if not name.startswith("coatcheck.demo.")]

    assert "coatcheck" in public
    assert [name for name in public if not (site / "reference" / "api" / f"{name}.html").is_file()] == []


def declares_names(source: str) -> bool:
    """Whether a module assigns ``__all__``."""
    assigned = (node for node in ast.parse(source).body if isinstance(node, ast.Assign))
    return any(ast.unparse(target) == "__all__" for node in assigned for target in node.targets)


def test_methods_and_defaults_are_in_it(site: Path) -> None:
    """Methods have anchors, inherited ones too, and a default is shown as it is written."""
    path = site / "reference" / "api" / "coatcheck.html"

    assert {"coatcheck.AsyncSession.login", "coatcheck.Sessions.revoke_user"} <= built_site.Page(path.read_text()).ids
    assert "os.environ" in path.read_text()


def test_errors_have_the_anchors_that_messages_name(site: Path) -> None:
    """A code is its heading's anchor in the site as well."""
    ids = built_site.Page((site / "reference" / "errors.html").read_text()).ids

    assert {"store_unavailable", "stale_login", "data_too_large"} <= ids


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """Scripts, styles, fonts and images are all the site's own: it works offline and tells nobody who reads it."""
    assert list(built_site.foreign(site)) == []


def test_links_lead_somewhere(site: Path) -> None:
    """Each link, file and anchor inside the built site resolves."""
    assert list(built_site.broken(site)) == []


def test_this_machine_is_not_in_it(site: Path) -> None:
    """The site holds neither a value of the environment nor the path that it was built in."""
    assert built_site.holding(site, SECRET) == []
    assert built_site.holding(site, str(ROOT)) == []


def test_it_can_be_searched(site: Path) -> None:
    """The index for searching is a file of the site and has the words of its pages."""
    index = (site / "searchindex.js").read_text()

    assert {word for word in ("tombston", "revok", "postgresql") if word not in index} == set()


# --- each check can fail

GOOD = {
    "index.md": "# Home\n\n[other](other.md#a-heading)\n\n```{toctree}\n:hidden:\n\nother\n```\n",
    "other.md": "# Other\n\n## A heading\n",
}


def test_the_sample_builds(tmp_path: Path) -> None:
    """The sample that the next test breaks is good."""
    done = build_pages(GOOD, tmp_path / "site")

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("page", "text", "said"),
    [
        ("other.md", "# Other\n\n## A heading\n\n[x](nowhere.md)\n", "nowhere.md"),
        ("other.md", "# Other\n", "a-heading"),
        ("third.md", "# Third\n", "third"),
        ("other.md", "# Other\n\n## A heading\n\n```{eval-rst}\n.. automodule:: gone\n```\n", "No module named 'gone'"),
        ("other.md", "# Other\n\n## A heading\n\n![x](gone.png)\n", "gone.png"),
    ],
    ids=["link", "anchor", "orphan", "module", "image"],
)
def test_a_fault_fails_the_build(tmp_path: Path, page: str, text: str, said: str) -> None:
    """A broken link or anchor, a page that nothing leads to, a module or an image that is gone: each is an error."""
    done = build_pages({**GOOD, page: text}, tmp_path / "site")

    assert done.returncode == 1
    assert said in done.stderr


def test_each_check_of_a_site_can_fail(tmp_path: Path) -> None:
    """Foreign scripts, styles and fonts are found, and so are links, files and anchors that lead nowhere."""
    (tmp_path / "a.css").write_text("@import 'https://fonts.example/a'; b { src: url(//fonts.example/b) url(c.woff) }")
    (tmp_path / "index.html").write_text(
        '<script src="https://cdn.example/x.js"></script><link href="a.css"><style>@import url(http://x.example/)</style>'
        '<img src="gone.png"><a id="here" href="#here"></a><a href="#gone"></a><a href="a.css?v=1"></a>'
        '<a href="gone.html"></a><a href="https://example.org"></a><a href="mailto:a@example.org"></a>'
    )

    assert list(built_site.foreign(tmp_path)) == [
        "a.css: https://fonts.example/a",
        "a.css: //fonts.example/b",
        "index.html: https://cdn.example/x.js",
        "index.html: http://x.example/",
    ]
    assert list(built_site.broken(tmp_path)) == ["index.html: #gone", "index.html: gone.html", "index.html: gone.png"]
    assert built_site.holding(tmp_path, "cdn.example") == ["index.html"]
