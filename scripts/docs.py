"""Build the documentation site: ``docs.py`` writes it to ``site/``, ``docs.py --serve`` also shows it at localhost.

Whatever Sphinx warns of (a link that leads nowhere, a page that nothing leads to, a module that is gone) fails it.
"""

from __future__ import annotations

import argparse
import functools
import shutil
import sys
import tempfile
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from docs_pages import ROOT, lay_out
from sphinx.application import Sphinx
from sphinx.util.console import nocolor

SETTINGS = {"docs_conf.py": "conf.py", "docs.css": "docs.css"}
"""What stands beside the sources, and what Sphinx calls it."""


def build(out: Path, sources: Callable[[Path], object] = lay_out) -> bool:
    """Build the site into *out*, which is emptied; return whether nothing was wrong. Faults are told on stderr."""
    if not sys.stderr.isatty():
        nocolor()
    with tempfile.TemporaryDirectory(prefix="coatcheck-docs-") as work:
        source, trees = Path(work, "docs"), Path(work, "trees")
        sources(source)
        for name, place in SETTINGS.items():
            shutil.copyfile(ROOT / "scripts" / name, source / place)
        shutil.rmtree(out, ignore_errors=True)
        app = Sphinx(source, source, out, trees, "html", status=None, warning=sys.stderr, warningiserror=True)
        app.build()
    for left in (".buildinfo", ".buildinfo.bak"):
        (out / left).unlink(missing_ok=True)
    return app.statuscode == 0


def serve(out: Path, port: int) -> None:
    """Serve the built site on this machine until interrupted."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(out))
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"It is served at http://localhost:{server.server_port} (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def main() -> int:
    """Build, say where the site is, and serve it if asked to."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, default=ROOT / "site", help="the folder to write; it is emptied first")
    options.add_argument("--serve", action="store_true", help="serve it on this machine when it is built")
    options.add_argument("--port", type=int, default=8001, help="the port to serve it on")
    wanted = options.parse_args()
    out = wanted.out.resolve()
    if not build(out):
        print("The documentation has faults; they are above.", file=sys.stderr)
        return 1
    print(f"The documentation is in {out / 'index.html'}")
    if wanted.serve:
        serve(out, wanted.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
