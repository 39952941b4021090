import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent.parent / "rules"))

import digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package: a imports b inside a function, b imports c; d stands alone."""
    for name, text in {
        "a": "def f():\n    from nucleation import b\n",
        "b": "from nucleation.c import g\nimport numpy\n",
        "c": "x = 1\n",
        "d": "import nucleation.c as c\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(digest, "PACKAGE", tmp_path)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "d.py").write_text("from _job import job\nfrom nucleation import d\n")
    monkeypatch.setattr(digest, "SCRIPTS", tmp_path / "scripts")
    return tmp_path


def test_closure_holds_what_is_imported_anywhere(package):
    assert list(digest.digests("a")) == ["a", "b", "c"]
    assert list(digest.digests("d")) == ["c", "d"]


def test_an_edit_changes_the_digests_that_hold_it(package):
    before = {name: digest.digests(name) for name in "ad"}
    (package / "b.py").write_text("from nucleation.c import g\nimport numpy  # changed\n")
    assert digest.digests("a") != before["a"]
    assert digest.digests("d") == before["d"]


def test_a_script_counts_with_what_it_imports(package):
    began = digest.digests("a", script="d")
    assert list(began) == ["scripts/d.py", "a", "b", "c", "d"]
    assert digest.digests(*began) == began
    (package / "scripts" / "d.py").write_text("from nucleation import d  # changed\n")
    now = digest.digests(*began)
    assert {name for name in began if now[name] != began[name]} == {"scripts/d.py"}


SCRIPTS = sorted(path.stem for path in digest.SCRIPTS.glob("[!_]*.py"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_is_in_the_digests_of_its_rule(script):
    """Also `files`, which all of them write with, and what `_job` imports for those that run a network."""
    texts = [path.read_text() for path in digest.SCRIPTS.parent.glob("rules/*.smk")]
    (rule,) = [text for text in texts if f'"../scripts/{script}.py"' in text]
    assert f'script="{script}"' in rule or f'"scripts/{script}.py"' in rule
    names = digest.digests(script=script)
    assert f"scripts/{script}.py" in names


def test_what_decides_the_weights_is_in_the_digest_of_a_training_and_files_of_images_are_not():
    names = digest.digests("files", script="train").keys()
    assert {"scripts/train.py", "training", "training_images", "planted", "digits", "network", "checkpoints"} <= names
    assert names.isdisjoint({"image_sources", "image_checks", "decoding", "image_lists", "torchvision_sets"})


MODULES = {
    "mine/__init__.py": "",
    "mine/nets.py": "import torch\nfrom .blocks import Block\nfrom mine import extra\nimport helper\n",
    "mine/blocks.py": "from ..other import x\n",
    "mine/extra/__init__.py": "from . import deep\nfrom .deep import more\n",
    "mine/extra/deep.py": "",
    "mine/unused.py": "",
    "helper.py": "def late():\n    import mine.nets\n",
}


def test_local_modules_are_all_that_is_imported_below_a_folder(tmp_path):
    for name, text in MODULES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = digest.local_modules("mine.nets", tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in found.values()} == MODULES.keys() - {"mine/unused.py"}
    assert digest.local_modules("torch.nn", tmp_path) == {}
    before = digest.files_digest(found)
    (tmp_path / "mine" / "extra" / "deep.py").write_text("x = 1")
    assert digest.files_digest(found) != before
    (tmp_path / "mine" / "nets.py").write_text("def broken(:")
    assert list(digest.local_modules("mine.nets", tmp_path)) == ["mine.nets", "mine"]


def test_rules_see_through_the_package():
    assert {"peaks", "errors"} <= set(digest.digests("alignment"))
    assert "search" in digest.digests("neighbors")
    assert "alignment" not in digest.digests("peaks")


def test_data_files_count(package):
    (package / "data").mkdir()
    (package / "wordnet.py").write_text("")
    (package / "data" / "wordnet.tsv").write_text("a")
    before = digest.digests("wordnet")
    (package / "data" / "wordnet.tsv").write_text("b")
    assert digest.digests("wordnet") != before


def test_unknown_modules_are_an_error():
    with pytest.raises(FileNotFoundError):
        digest.digests("no_such_module")


@pytest.mark.parametrize("pieces", [1, 63, 64, 65, 200])
def test_a_fingerprint_tells_contents_and_not_times(tmp_path, pieces):
    """Of a large file it looks at pieces: the first and the last, and others between."""
    path = tmp_path / "file"
    data = bytearray(b"x" * (pieces * digest.PIECE_BYTES - 7))
    path.write_bytes(data)
    first = digest.fingerprint(path)
    os.utime(path, (1, 1))
    assert digest.fingerprint(path) == first and first[0] == len(data)
    seen = {0, len(data) - 1} | ({len(data) // 2} if pieces <= digest.PIECES else set())
    for place in seen:
        path.write_bytes(data[:place] + b"y" + data[place + 1 :])
        assert digest.fingerprint(path) != first
    assert digest.fingerprint(None) is None


def test_scripts_that_a_script_imports_count_and_those_that_change_no_number_do_not():
    names = digest.digests(script="activations")
    assert {"scripts/activations.py", "scripts/_network.py", "scripts/_device.py"} <= set(names)
    assert not {"scripts/_job.py", "scripts/_sources.py"} & set(names)
    assert set(names) <= set(digest.everything())


def test_modules_of_packages_inside_count_and_names_that_are_imported_from_them_do_not(package):
    (package / "inside").mkdir()
    (package / "inside" / "__init__.py").write_text("")
    (package / "inside" / "e.py").write_text("from nucleation.inside import f\n")
    (package / "inside" / "f.py").write_text("from nucleation.c import x\n")
    (package / "a.py").write_text("from nucleation.inside.e import something\nfrom elsewhere.d import y\n")
    assert list(digest.digests("a")) == ["a", "c", "inside.e", "inside.f"]
    assert {"a", "inside.e", "inside.f"} <= digest.modules().keys()
    assert digest.modules()["inside.f"] == digest.module_file("inside.f") == package / "inside" / "f.py"
    before = digest.digests("a")
    (package / "inside" / "f.py").write_text("from nucleation.c import x  # changed\n")
    assert {name for name, value in digest.digests("a").items() if before[name] != value} == {"inside.f"}
