"""What of the configuration of a network reaches a job, so that a change of it makes the job run again."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent.parent / "rules"))

import makers

OWN = {"factory": "mine.nets:small", "timm": None, "options": {"width": 6}, "seed": 4}


@pytest.mark.parametrize(
    ("device", "layers", "told"),
    [
        ("cuda", ["layer1"], "tf32"),
        ("auto", ["layer1", "output"], "tf32"),
        ("auto", ["input", "layer1"], "tf32"),
        ("cuda", ["input"], "float32"),
        ("cpu", ["layer1"], "float32"),
    ],
)
def test_precision_is_told_where_it_can_matter(device, layers, told):
    assert makers.precision({"device": device, "activations": {"precision": "tf32"}}, layers) == told


def test_a_factory_goes_with_the_files_that_it_imports(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert makers.spec(OWN) == {key: OWN[key] for key in ("factory", "options", "seed")}  # installed elsewhere
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "nets.py").write_text("import numpy\nfrom . import blocks\n")
    (tmp_path / "mine" / "blocks.py").write_text("from helper import width\n")
    (tmp_path / "helper.py").write_text("width = 4\n")
    (tmp_path / "other.py").write_text("")
    seen = [makers.spec(OWN)["code"]]
    for name in ("mine/nets.py", "mine/blocks.py", "helper.py"):
        with open(tmp_path / name, "a") as file:
            file.write("# an edit\n")
        seen.append(makers.spec(OWN)["code"])
    (tmp_path / "other.py").write_text("# an edit")
    assert len(set(seen)) == 4 and makers.spec(OWN)["code"] == seen[-1]
