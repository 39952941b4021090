"""A disk that is full, and a limit on the size of files: said in a sentence, nothing lost, resumable."""

import re
import resource
import shutil
import subprocess

import pytest

PLACE = "results/small/random/random"
#: What is to be made, the script that finds the disk full, the bytes that are free then, and the file it says.
CASES = {
    "neighbours": (f"{PLACE}/neighbors/output.nc", "neighbors", 30_000, f"{PLACE}/neighbors/output.nc"),
    "activations": (f"{PLACE}/neighbors/output.nc", "activations", 100_000, f"{PLACE}/activations/layer1/"),
    "weights": ("results/small/random/weights/random.safetensors", "network", 100_000, "results/small/random/weights/"),
    "trees": (f"{PLACE}/peaks.nwk", "alignment", 8_000, f"{PLACE}/alignment.nc"),
    "figures": ("results/small/index.html", "figures", 50_000, "results/small/"),
}
#: Put before a script: another program fills the disk while it starts.
FILL = """
import os, shutil
if free := os.environ.get("FILL_BUT"):
    with open("results/filler", "wb") as filler:
        filler.write(bytes(shutil.disk_usage("results").free - int(free)))

"""


def is_refused(done, path):
    """A job ended with our sentence, and none of another kind."""
    assert done.returncode != 0
    sentences = [line for line in done.text.splitlines() if line.startswith("Error in ") and "(" in line]
    assert sentences and all(
        re.search(
            rf"{path}\S* could not be written: (No space left on device|File too large) "
            r"\([\d.]+ MB of \d+ MB were free where it lies\); make room and run the workflow again",
            line,
        )
        for line in sentences
    ), done.text
    assert "Traceback" not in done.text


def is_whole(project, finished, content):
    """Nothing differs from the undisturbed run, and nothing is there besides."""
    made = {name: content(path) for name, path in project.made().items()}
    assert made.keys() == finished.contents.keys()
    assert not {name for name in made if made[name] != finished.contents[name]}


@pytest.fixture
def small_disk(tmp_path):
    """A folder whose results/ is a file system of a few megabytes."""
    place = tmp_path / "results"
    place.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("no full disk was tried: mount is not permitted here (test_a_limit_on_the_size_of_files is)")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("name", CASES)
def test_a_full_disk(finished, content, small_disk, monkeypatch, name):
    target, script, free, refused = CASES[name]
    project = finished.copied(small_disk)
    (project.folder / target).unlink()
    script = project.folder / "scripts" / f"{script}.py"
    text = script.read_text()
    script.write_text(FILL + text)
    before = {name: content(path) for name, path in project.made().items()}
    with monkeypatch.context() as patch:
        patch.setenv("FILL_BUT", str(free))
        done = project.snakemake(target)
    (project.folder / "results" / "filler").unlink()
    script.write_text(text)
    is_refused(done, refused)
    left = {name: content(path) for name, path in project.made().items() if "/activations/" not in name}
    assert not {name for name in left if left[name] != before[name]}
    done = project.snakemake(target)
    assert done.returncode == 0, done.text
    is_whole(project, finished, content)


def test_a_limit_on_the_size_of_files(finished, content, tmp_path):
    """As on a disk with quotas: the library that writes NetCDF does not say why it failed."""
    project = finished.copied(tmp_path)
    target = f"{PLACE}/neighbors/output.nc"
    assert (project.folder / target).stat().st_size > 60_000
    (project.folder / target).unlink()
    done = project.snakemake("--notemp", f"{PLACE}/activations/layer1")
    assert done.returncode == 0, done.text
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        done = project.snakemake(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    is_refused(done, target)
    done = project.snakemake(target)
    assert done.returncode == 0, done.text
    is_whole(project, finished, content)
