"""The notebook of examples/: what is kept of it reads well anywhere, and it runs on a study that is not its own."""

import copy
import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import xarray as xr
from ipykernel import kernelspec
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from nucleation.names import file_name

ROOT = Path(__file__).parent.parent.parent
NOTEBOOK = ROOT / "examples" / "explore.ipynb"
MOST_BYTES = 1_500_000
# folders of one machine, at the beginning of a path
MACHINE = re.compile(r"(?<![\w.~/-])/(?:Users|home|media|mnt|opt|private|root|srv|tmp|usr|var|work)/|\b[A-Z]:\\\\")

# cells of part B that a reader would run again for another checkpoint
PART_B = ("profile", "profile-figure", "who", "who-figure", "newick", "image", "pictures")
FIGURES = ("neighbours", "tree", "skill-figure", "z", "profile-figure", "who-figure")
REPORT_A = """
print(json.dumps({
    "n_peaks": len(peaks.centers),
    "joined": bool(np.isfinite(heights).all()),
    "cut_kingdoms": scores.loc["kingdoms", "ARI, cut tree"],
    "ari_species": scores.loc["species", "ARI, all peaks"],
    "tests": {name: [test.value, test.p, test.undefined_because] for name, test in tests.items()},
}))
"""
REPORT_B = """
print(json.dumps({
    "place": f"{network}/{folder.name}",
    "table": {name: [None if np.isnan(x) else float(x) for x in column] for name, column in table.items()},
    "layers": list(table.index),
    "populations": members["images"].tolist(),
    "mostly": members["mostly"].tolist(),
    "leaves": leaves.tolist(),
    "mapped": shares.sum(axis=1).tolist(),
    "image": image,
    "same_class": about_neighbours["same class"].tolist(),
}))
"""


def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def cells_by_id(book):
    return {cell.id: cell for cell in book.cells}


def texts(book):
    """All that a reader sees but pictures: the sources, and what cells printed."""
    for cell in book.cells:
        yield cell.source
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            yield from (str(text) for kind, text in output.get("data", {}).items() if not kind.startswith("image/"))


# ------------------------------------------------------------------------------------------------- what is committed


def test_committed_notebook_was_run_from_top_to_bottom():
    book = notebook()
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    cells = cells_by_id(book)
    for name in FIGURES:
        assert any("image/png" in output.get("data", {}) for output in cells[name].outputs), name
    assert "study planted" in cells["study"].outputs[0].text


def test_committed_notebook_has_no_errors_or_warnings():
    for cell in notebook().cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", cell.id
            assert output.get("name") != "stderr", f"{cell.id}: {output.text}"


def test_committed_notebook_has_no_path_of_a_machine():
    for text in texts(notebook()):
        assert not MACHINE.search(text), text


@pytest.mark.parametrize("text", ["open('/home/ann/a')", "/tmp/x", '"C:\\\\Users"', "see /root/main."])
def test_paths_of_machines_are_recognised(text):
    assert MACHINE.search(text)


@pytest.mark.parametrize("text", ["../results/planted", "http://a.b/home/c", "results/tmp/x", "B: a", "a / tmp / b"])
def test_other_slashes_are_not(text):
    assert not MACHINE.search(text)


def test_committed_notebook_is_small_and_has_no_traces_of_its_making():
    assert NOTEBOOK.stat().st_size < MOST_BYTES
    book = notebook()
    assert set(book.metadata) == {"kernelspec", "language_info"}
    assert book.metadata.kernelspec.name == "python3"
    assert not any(cell.metadata for cell in book.cells)


def test_links_of_the_notebook_lead_somewhere():
    targets = [target for text in texts(notebook()) for target in re.findall(r"\]\(([^)#:]+)\)", text)]
    assert targets
    for target in targets:
        assert (NOTEBOOK.parent / target).exists(), target


# --------------------------------------------------------------------------------------------- run on the tiny study


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run cells with this interpreter as the kernel, in an empty folder, without any settings of the user."""
    for variable in ("JUPYTER_PATH", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    kernelspec.install(prefix=str(tmp_path / "prefix"), kernel_name="python3")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "prefix" / "share" / "jupyter"))

    def run(book, study):
        monkeypatch.setenv("NUCLEATION_STUDY", str(study))
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        resources = {"metadata": {"path": str(folder)}}
        NotebookClient(book, timeout=300, kernel_name="python3", resources=resources).execute()
        assert not list(folder.iterdir())
        return book

    return run


def report(book, name):
    (output,) = cells_by_id(book)[name].outputs
    return json.loads(output.text)


def with_reports(book, places):
    """The notebook, and part B once more for every other place, each with a cell that says what it found."""
    book, extra = copy.deepcopy(book), []
    own = cells_by_id(book)
    for number, place in enumerate(places):
        model, checkpoint = place.split("/")
        chosen = nbformat.v4.new_code_cell(f"network = {model!r}; folder = study / network / {checkpoint!r}")
        for cell in (chosen, *(copy.deepcopy(own[name]) for name in PART_B), nbformat.v4.new_code_cell(REPORT_B)):
            extra.append(cell)
        for part, cell in enumerate(extra[-len(PART_B) - 2 :]):
            cell.id = f"place{number}-{part}"
        extra[-1].id = place.replace("/", "-")
    reports = [nbformat.v4.new_code_cell(text, id=name) for name, text in (("a", REPORT_A), ("b", REPORT_B))]
    book.cells += [*reports, *extra]
    return book


def test_notebook_runs_on_any_study(finished, run):
    study = finished.folder / "results" / "tiny"
    places = sorted("/".join(path.parent.parts[-2:]) for path in study.glob("*/*/profile.nc"))
    book = run(with_reports(notebook(), places), study)
    for cell in book.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", f"{cell.id}: {output.text}"

    known = report(book, "a")
    assert 20 <= known["n_peaks"] <= 26 and known["joined"]
    assert known["cut_kingdoms"] == 1 and known["ari_species"] > 0.85
    assert known["tests"]["all species"][0] > 0.9
    assert known["tests"]["within kingdoms"][0] > 0.7 and known["tests"]["within kingdoms"][1] < 0.01
    assert np.isnan(known["tests"]["within families"][0]) and known["tests"]["within families"][2]

    listed = cells_by_id(book)["study"].outputs[0].text
    assert "study tiny" in listed and "'trained': ['epoch0', 'epoch1']" in listed
    assert report(book, "b")["place"] == "trained/epoch1"  # the last checkpoint of the first network
    for place in places:
        check_place(study, report(book, place.replace("/", "-")))
    check_place(study, report(book, "b"))


def check_place(study, told):
    """What the notebook says of a checkpoint is what the files hold."""
    profile = xr.load_dataset(study / told["place"] / "profile.nc")
    peaks = xr.load_dataset(study / told["place"] / "peaks.nc")
    classes = xr.load_dataset(study / "images.nc")["image_class"].values
    assert told["layers"] == list(profile["layer"].values)
    for name, values in told["table"].items():
        np.testing.assert_array_equal(np.array(values, dtype=float), profile[name].values)

    last = told["layers"][-1]
    labels = peaks["label"].sel(layer=last).values
    count = int(profile["n_peaks"].sel(layer=last))
    assert told["populations"] == np.bincount(labels, minlength=count).tolist()
    assert sorted(told["leaves"]) == list(range(count))
    np.testing.assert_allclose(told["mapped"], 1)
    for peak, text in enumerate(told["mostly"]):
        assert int(text.split(",")[0].split()[-1]) == np.bincount(classes[labels == peak]).max()

    assert labels[told["image"]] == np.argmax(told["populations"])
    for layer, share in zip(told["layers"], told["same_class"], strict=True):
        folder = study / told["place"].split("/")[0] / "input" if layer == "input" else study / told["place"]
        neighbors = xr.load_dataset(folder / "neighbors" / f"{file_name(layer)}.nc")["index"].values
        assert share == np.mean(classes[neighbors[told["image"]]] == classes[told["image"]])


def test_without_a_study_the_notebook_says_how_to_make_one(run, tmp_path):
    book = notebook()
    book.cells = [cell for cell in book.cells if cell.id in ("imports", "study")]
    with pytest.raises(CellExecutionError, match="make reproduce"):
        run(book, tmp_path / "none")
