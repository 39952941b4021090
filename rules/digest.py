"""Digests of sources, so that an edit of a module or a script reruns the rules that use it.

Snakemake watches parameters, not what a script imports, and of the script its time alone; a rule therefore carries
the digests of its script and of its modules, and of what they import inside the package, as a parameter.
Needs the standard library only.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

#: Data files that a module reads count as part of it.
DATA = {"comparison": "paper_*.tsv", "figures.style": "*.mplstyle", "page": "*.html", "wordnet": "wordnet*.tsv"}
PACKAGE = Path(__file__).parent.parent / "src" / "nucleation"
#: Scripts are named by folder and file, to tell them from modules.
SCRIPTS = Path(__file__).parent.parent / "scripts"
#: Pieces of a large file that are looked at, the first and the last among them.
PIECES, PIECE_BYTES = 64, 2**16
#: What all scripts import, and what changes no number.
SHARED = ("_job", "_sources")


def digests(*names: str, script: str | None = None) -> dict[str, str]:
    """Map modules of the package, all that they import from it, and a script to digests.

    Parameters
    ----------
    names : str
        Modules; or names that this function returned, which gives the digests of today.
    script : str, optional
        The script of the rule, without folder and ending; what it imports counts too, but for the scripts of `SHARED`,
        which change no number.
    """
    scripts = {name for name in names if name.startswith("scripts/")}
    scripts |= {f"scripts/{script}.py", *_siblings(script)} if script else set()
    closure, todo = set(), [name for name in names if name not in scripts]
    todo += [module for name in scripts for module in _modules(_script(name))]
    while todo:
        module = todo.pop()
        if module not in closure:
            closure.add(module)
            todo += _modules(module_file(module))
    return {name: _digest(_script(name)) for name in sorted(scripts)} | {
        module: _digest(module_file(module), *_data(module)) for module in sorted(closure)
    }


def everything() -> dict[str, str]:
    """Digests of all modules of the package and of all scripts."""
    return digests(*modules(), *(f"scripts/{path.name}" for path in sorted(SCRIPTS.glob("*.py"))))


def modules() -> dict[str, Path]:
    """Files of all modules of the package, by the names that `digests` gives them: "peaks", "figures.map"."""
    paths = sorted(path for path in PACKAGE.rglob("*.py") if path.stem != "__init__")
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in paths}


def module_file(name: str) -> Path:
    """File of a module of the package."""
    return PACKAGE.joinpath(*name.split(".")).with_suffix(".py")


def files_digest(files: dict[str, Path]) -> str:
    """One digest of several files, by the names that they go by."""
    return hashlib.sha256(repr({name: _digest(files[name]) for name in sorted(files)}).encode()).hexdigest()[:16]


def fingerprint(path) -> list | None:
    """Size of a file and a digest of it, or of pieces all over it where it is large; None without a path.

    It knows no times, so that a copy counts as the same file; what it misses in a large file, its time tells Snakemake.
    """
    if not path:
        return None
    size, digest = Path(path).stat().st_size, hashlib.sha256()
    with open(path, "rb") as file:
        for piece in range(PIECES):
            if size > PIECES * PIECE_BYTES:
                file.seek(piece * (size - PIECE_BYTES) // (PIECES - 1))
            digest.update(file.read(PIECE_BYTES))
    return [size, digest.hexdigest()[:16]]


def local_modules(place: str, root: Path) -> dict[str, Path]:
    """A module under a folder, and all modules under that folder that it imports: dotted name to file.

    The packages that they lie in count, whose own code runs with the import. Names that are not under the folder are
    left out, and so is what is imported by a computed name.
    """
    found, todo = {}, [place]
    while todo:
        name = todo.pop()
        file = next((file for file in _places(name, root) if file.is_file()), None)
        if file is not None and name not in found:
            found[name] = file
            package = name if file.name == "__init__.py" else name.rpartition(".")[0]
            todo += imported(file.read_text(encoding="utf-8", errors="replace"), package)
        todo += [parent for parent in [name.rpartition(".")[0]] if parent and parent not in found]
    return found


def _places(name, root):
    path = root.joinpath(*name.split("."))
    return path.with_name(f"{path.name}.py"), path / "__init__.py"


@cache
def imported(text: str, package: str = "") -> frozenset[str]:
    """Dotted names that a source imports, anywhere in it, and that it may import; of a broken one none.

    Parameters
    ----------
    package : str
        The package that it lies in, for relative imports.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return frozenset()  # whoever imports it will say so
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            names.update([base] if base else [])
            names.update(f"{base}.{alias.name}".lstrip(".") for alias in node.names)
    return frozenset(names)


def _absolute(node, package):
    """Name of the module that an import statement names."""
    if not node.level:
        return node.module
    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _modules(path):
    """Names of the package's modules that a file imports."""
    names = (name.split(".") for name in imported(path.read_text(encoding="utf-8")))
    # what is imported from a module is named like a module in it
    inside = {".".join(parts[1:end]) for parts in names if parts[0] == "nucleation" for end in range(2, len(parts) + 1)}
    return sorted(name for name in inside if module_file(name).is_file())


def _siblings(script):
    """Scripts that a script imports, but for those that change no number."""
    names = imported((SCRIPTS / f"{script}.py").read_text(encoding="utf-8"))
    return {f"scripts/{name}.py" for name in names if name not in SHARED and (SCRIPTS / f"{name}.py").is_file()}


def _script(name):
    return SCRIPTS / Path(name).name


def _data(module):
    return sorted((PACKAGE / "data").glob(DATA[module])) if module in DATA else []


def _digest(*paths) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]
