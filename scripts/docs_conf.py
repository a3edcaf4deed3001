"""Sphinx's settings for the documentation site; ``docs.py`` puts this beside the sources as ``conf.py``."""

import docs_names
from sphinx.application import Sphinx

import coatcheck

project = "coatcheck"
copyright = "the coatcheck authors"  # noqa: A001 - Sphinx's name
version = release = coatcheck.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["files"]

html_theme = "furo"
html_title = f"coatcheck {version}"
html_copy_source = False
html_show_sourcelink = False
html_permalinks_icon = "#"
html_static_path = ["docs.css"]
html_css_files = ["docs.css"]
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

myst_heading_anchors = 6

# Docstrings write `AsyncSessions` for something in the reference and ``code`` for anything else.
default_role = "py:obj"
add_module_names = False
autodoc_preserve_defaults = True  # a default is shown as it is written, never as what it is on this machine
napoleon_use_ivar = True  # a field told of twice, in its class and by itself, is no fault
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"


def setup(app: Sphinx) -> None:
    """Let docstrings be read as this project writes them."""
    docs_names.connect(app)
