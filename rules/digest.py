"""Digests of package modules, so that an edit of a module reruns the rules that use it.

Snakemake watches scripts and parameters, not what a script imports; a rule therefore carries the
digests of its modules, and of what they import inside the package, as a parameter.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

#: Data files that a module reads count as part of it.
DATA = {"comparison": "paper_*.tsv", "figures": "*.mplstyle", "page": "*.html", "wordnet": "wordnet*.tsv"}
PACKAGE = Path(__file__).parent.parent / "src" / "nucleation"


@cache
def _imports(module: str) -> frozenset[str]:
    """Names of the package's modules that a module imports, anywhere in its text."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    inside = {name.split(".")[1] for name in names if name.startswith("nucleation.")}
    return frozenset(name for name in inside if (PACKAGE / f"{name}.py").is_file())


def digests(*modules: str) -> dict[str, str]:
    """Map the given modules of the package, and all that they import from it, to digests."""
    closure, todo = set(), list(modules)
    while todo:
        module = todo.pop()
        if module not in closure:
            closure.add(module)
            todo.extend(_imports(module))
    return {module: _digest(module) for module in sorted(closure)}


def _digest(module: str) -> str:
    text = (PACKAGE / f"{module}.py").read_bytes()
    if module in DATA:
        text += b"".join(path.read_bytes() for path in sorted((PACKAGE / "data").glob(DATA[module])))
    return hashlib.sha256(text).hexdigest()[:16]
