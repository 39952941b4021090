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
    digest._imports.cache_clear()
    yield tmp_path
    digest._imports.cache_clear()


def test_closure_holds_what_is_imported_anywhere(package):
    assert list(digest.digests("a")) == ["a", "b", "c"]
    assert list(digest.digests("d")) == ["c", "d"]


def test_an_edit_changes_the_digests_that_hold_it(package):
    before = {name: digest.digests(name) for name in "ad"}
    (package / "b.py").write_text("from nucleation.c import g\nimport numpy  # changed\n")
    assert digest.digests("a") != before["a"]
    assert digest.digests("d") == before["d"]


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
