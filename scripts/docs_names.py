"""How the site reads modules.

What single backticks in a docstring lead to, where a property's sentence ends, and that no value of a constant is
shown, which may be this machine's.
"""

from __future__ import annotations

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode


def connect(app: Sphinx) -> None:
    """Let *app* ask here for what it does not find by itself, before it reads a docstring, and after a constant."""
    app.connect("missing-reference", find)
    app.connect("autodoc-process-docstring", keep_sentence, priority=400)
    app.connect("object-description-transform", drop_value)


def keep_sentence(_app: Sphinx, what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Put an empty comment before the sentence of a property or a constant; Napoleon splits one that has a colon."""
    if what in {"attribute", "data", "property"} and ":" in (lines or [""])[0]:
        lines[:0] = ["..", ""]


def drop_value(_app: Sphinx, _domain: str, kind: str, content: addnodes.desc_content) -> None:
    """Take the value out of a constant's line."""
    if kind in {"data", "attribute"} and content.parent is not None:
        for note in list(content.parent.findall(addnodes.desc_annotation)):
            if note.astext().strip().startswith("="):
                note.parent.remove(note)


def find(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Return a link to the name, wherever it is documented; ``None`` leaves it as code."""
    if node.get("refdomain") != "py":
        return None
    domain = env.domains["py"]
    assert isinstance(domain, PythonDomain)  # noqa: S101 - Sphinx's own name for it
    wanted = str(node["reftarget"]).removesuffix("()").split(".")
    name = nearest(wanted, domain.objects, str(node.get("py:module") or ""))
    if name is None:
        return None
    entry = domain.objects[name]
    return make_refnode(app.builder, str(node["refdoc"]), entry.docname, entry.node_id, content, name)


def nearest(wanted: list[str], names: object, module: str) -> str | None:
    """Return the name that ends in *wanted*: of the module itself, else the shortest; ``None`` where two are as good.

    A method's name alone is not enough, because many classes have it: `login` stays code, `AsyncSession.login` leads
    somewhere.
    """
    ends = [name for name in names if str(name).split(".")[-len(wanted) :] == wanted]  # type: ignore[attr-defined]
    if len(wanted) == 1:
        ends = [name for name in ends if not _is_member(name)]
    inside = [name for name in ends if name == f"{module}.{'.'.join(wanted)}"]
    return min(inside or ends, key=lambda name: (name.count("."), name), default=None)


def _is_member(name: str) -> bool:
    """Whether a dotted name is inside a class, which this project writes with a capital."""
    before = name.split(".")[:-1]
    return bool(before) and before[-1][:1].isupper()
