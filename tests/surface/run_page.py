"""Run a page's Python blocks, one after another in one namespace: ``run_page.py page.md``.

A traceback shows the page's own lines. ``await`` works at the top level, in one event loop for the whole page.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
from pathlib import Path
from types import ModuleType

from markdown import blocks


def main() -> None:
    """Execute the blocks of the named page."""
    page = Path(sys.argv[1])
    module = ModuleType("page")
    sys.modules["page"] = module  # annotations and typed data are looked up by the module's name
    with asyncio.Runner() as runner:
        for block in blocks(page.read_text(encoding="utf-8")):
            if not block.is_python or block.is_excused:
                continue
            source = "\n" * (block.line - 1) + block.text
            code = compile(source, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            if code.co_flags & inspect.CO_COROUTINE:
                runner.run(eval(code, vars(module)))  # noqa: S307 - the project's own documentation
            else:
                exec(code, vars(module))  # noqa: S102 - the project's own documentation


if __name__ == "__main__":
    main()
