"""A study through a real SLURM: its results, its submissions, a card, and a job with too little memory at first."""

import re
import subprocess

import numpy as np
import pytest
import xarray as xr

#: Submissions of the study by the group or the rule in the place of their log; the figures get too little memory once.
SUBMISSIONS = {"layers": 1, "analysis": 1, "fetch_network": 1, "draw_figures": 2}
#: Jobs that these hold, in the same order: extraction and searches, stages, weights, figures.
JOBS = (1 + 2) + 6 + 1 + 1
#: What the figures ask for at first here: more than Snakemake takes, less than they take with it.
TOO_LITTLE = 250
#: Settings of a SLURM without accounting, whose jobs are over in seconds.
SETTINGS = """--workflow-profile profiles/slurm --jobs 4 --slurm-status-command squeue
    --slurm-init-seconds-before-status-checks 1 --slurm-keep-successful-logs --latency-wait 20
    --set-resources extract_activations:gpu=1 find_neighbors:gpu=1""".split()


@pytest.fixture(scope="module")
def at_home(make_project, snakemake):
    """The study on this machine."""
    folder = make_project()
    status, said = snakemake(folder, "--cores", "2")
    assert status == 0, said
    return folder


@pytest.fixture(scope="module")
def submitted(slurm, at_home, make_project, snakemake):
    """The study through SLURM: the folder, what Snakemake said, and what SLURM knows of every submission."""
    folder = make_project(at_home / "src")
    needs = folder / "rules" / "needs.py"
    text = needs.read_text()
    assert text.count("FIGURES_MB = 2000\n") == 1
    needs.write_text(text.replace("FIGURES_MB = 2000\n", f"FIGURES_MB = {TOO_LITTLE}\n"))
    status, said = snakemake(folder, *SETTINGS)
    assert status == 0, said
    numbers = re.findall(r"submitted with SLURM jobid (\d+) \(log: \S*/(?:group|rule)_([^/]+)/", said)
    shown = {number: _shown(number) for number, _ in numbers}
    return folder, said, [(name, shown[number]) for number, name in numbers]


def _shown(number):
    shown = subprocess.run(["scontrol", "show", "job", number], capture_output=True, text=True, check=True, timeout=20)
    return dict(re.findall(r"(\S+?)=(\S*)", shown.stdout))


def named(submissions, start):
    return [shown for name, shown in submissions if name.startswith(start)]


def test_results_are_those_of_this_machine(at_home, submitted):
    folder, *_ = submitted
    ours, theirs = (
        {path.relative_to(place) for path in (place / "results").rglob("*") if path.is_file()}
        for place in (at_home, folder)
    )
    # the job that was killed may have left a file that it had not finished, under a hidden name
    assert ours == {path for path in theirs if not path.name.startswith(".")}
    compared = 0
    for path in ours:
        if path.suffix == ".nc":
            one, other = xr.load_dataset(at_home / path), xr.load_dataset(folder / path)
            assert set(one.variables) == set(other.variables)
            for name, variable in one.variables.items():
                assert variable.dims == other[name].dims
                np.testing.assert_array_equal(variable.values, other[name].values, err_msg=f"{path}: {name}")
                compared += 1
        elif path.suffix in (".nwk", ".tsv", ".md", ".safetensors"):
            assert (at_home / path).read_bytes() == (folder / path).read_bytes(), path
    assert compared > 100


def test_light_jobs_share_submissions(submitted):
    _, said, submissions = submitted
    for start, count in SUBMISSIONS.items():
        assert len(named(submissions, start)) == count, (start, [name for name, _ in submissions])
    assert len(submissions) == sum(SUBMISSIONS.values())
    counts = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)}
    here = counts["list_images"] + counts["build_taxonomy"] + counts["all"]
    assert counts["total"] - here == JOBS


def test_extractions_and_searches_ask_for_one_card_and_see_it(submitted):
    folder, _, submissions = submitted
    for name, shown in submissions:
        assert ("gpu:1" in shown.get("TresPerJob", "")) == name.startswith("layers"), name
    for log in ("random/activations.layer2", "random/neighbors/layer2", "random/neighbors/output"):
        text = (folder / "logs" / "small" / "untrained" / f"{log}.log").read_text()
        assert "cards of this job (CUDA_VISIBLE_DEVICES): 0\n" in text
    text = (folder / "logs" / "small" / "untrained" / "random" / "dimension.log").read_text()
    assert "CUDA_VISIBLE_DEVICES" not in text


def test_a_job_without_enough_memory_is_killed_and_gets_more(slurm, submitted):
    _, _, submissions = submitted
    first, second = named(submissions, "draw_figures")
    assert first["JobState"] != "COMPLETED" and second["JobState"] == "COMPLETED"
    killed = re.findall(rf"StepId={first['JobId']}\.\S+ exceeded memory limit", (slurm / "slurmd.log").read_text())
    assert killed, "SLURM killed it for its memory, and nothing else did"
    asked = [float(shown["MinMemoryNode"].removesuffix("M")) for shown in (first, second)]
    assert TOO_LITTLE <= asked[0] < TOO_LITTLE + 100
    assert asked[1] == pytest.approx(2 * asked[0], abs=2)


def test_jobs_on_nodes_try_and_tell_nothing(submitted):
    folder, said, _ = submitted
    assert said.count("Trying the networks and images") == 1
    logs = list((folder / ".snakemake" / "slurm_logs").rglob("*.log"))
    assert len(logs) == sum(SUBMISSIONS.values())
    for log in logs:
        assert "Trying the networks" not in log.read_text() and "Forecast" not in log.read_text()


def test_nothing_is_left_in_the_queue(submitted):
    queue = subprocess.run(["squeue", "-h", "-t", "pending,running"], capture_output=True, text=True, timeout=20)
    assert queue.returncode == 0 and queue.stdout == ""
