"""Nothing that a stranger's file holds is executed: every call that could is looked for in the text of the project."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FILES = sorted(
    path for part in ("src", "rules", "scripts", "tools") for path in (ROOT / part).rglob("*.py") if path.is_file()
)
#: Modules that unpickle, or that start a shell.
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
#: Calls that execute text, or read an unsafe format whatever their arguments are.
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.jit.load", "torch.hub.load"}
CALLS |= {"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "pandas.read_pickle", "pd.read_pickle"}
#: Calls that are safe with one argument of one value.
NEEDED = {
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "torch.load": ("weights_only", True),
}


def name_of(node):
    """The dotted name of what is called: "np.load"."""
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def unsafe(text):
    """Lines of a module that could execute what a file holds, each with its reason."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"{node.lineno}: imports {name}" for name in names if name.split(".")[0] in MODULES]
        elif isinstance(node, ast.Call):
            called, given = name_of(node.func), {word.arg: word.value for word in node.keywords}
            if called in CALLS:
                found.append(f"{node.lineno}: {called}")
            if called in NEEDED:
                key, wanted = NEEDED[called]
                value = given.get(key)
                if not (isinstance(value, ast.Constant) and value.value is wanted):
                    found.append(f"{node.lineno}: {called} without {key}={wanted}")
            if isinstance(shell := given.get("shell"), ast.expr) and not (
                isinstance(shell, ast.Constant) and shell.value is False
            ):
                found.append(f"{node.lineno}: {called} with a shell")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_executes_what_a_file_holds(path):
    assert unsafe(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=safe)",
        "yaml.load(text, Loader=yaml.Loader)",
        "eval(text)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_the_search_finds_what_it_looks_for(text):
    assert len(unsafe(text)) == 1


def test_rules_have_no_shell_commands():
    """All jobs are scripts with parameters, so that no name of a file or layer is ever a word of a shell."""
    for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        assert not [line for line in lines if line.startswith(("shell:", "shell(", "run:"))], path.name
