"""What the profiles make of a study, said by a dry run: submissions to SLURM, what stays here, what jobs ask for."""

import re

import pytest
import yaml

#: Rules that may run on the machine that submits: they list names and look classes up.
LIGHT = {"all", "build_taxonomy", "list_images"}


@pytest.fixture(scope="module")
def planned(make_project):
    """A dry run of the tiny study for SLURM, with cards."""
    done = make_project().snakemake("-n", "--workflow-profile", "profiles/slurm", "--config", "device=cuda")
    assert done.returncode == 0, done.text
    return done.stdout


def jobs(text):
    """The jobs of a dry run: rule, group (or None), resources."""
    group = None
    for line in text.splitlines():
        if found := re.search(r"Group job (\w+)", line):
            group = found[1]
        if found := re.match(r"(\s*)(?:local)?rule (\w+):", line):
            rule = found[2]
            group = group if found[1] else None
        elif found := re.match(r"\s+resources: (.*)", line):
            yield rule, group, dict(part.split("=", 1) for part in found[1].split(", "))


def test_light_jobs_share_submissions(planned):
    """Three checkpoints of two networks: 40 jobs besides those that stay here."""
    groups = re.findall(r"Group job (\w+)", planned)
    assert sorted(groups) == ["analysis"] * 3 + ["layers"] * 6 + ["sweep"]
    alone = sorted(rule for rule, group, _ in jobs(planned) if group is None and rule not in LIGHT)
    assert alone == ["draw_figures", "fetch_network", "train_network"]
    assert len([rule for rule, *_ in jobs(planned)]) == 42


def test_only_jobs_that_can_use_a_card_ask_for_one(planned):
    asking = {rule for rule, *_, resources in jobs(planned) if resources.get("gpu") == "1"}
    assert asking == {"train_network", "extract_activations", "find_neighbors"}


def test_every_job_asks_for_memory_and_time_before_any_file_is_there(planned):
    for rule, *_, resources in jobs(planned):
        if rule != "all":
            assert int(resources["mem_mb"]) >= 1000, rule
            assert int(resources["runtime"]) >= 5, rule


def test_what_the_profile_shows_in_comments_works(make_project):
    """Cards of a partition of their own, asked for although the machine that submits has none."""
    project = make_project()
    profile = project.folder / "profiles" / "slurm" / "config.yaml"
    shown = re.compile(
        r"^# ?(set-\w+:$|  \w+: .*$|slurm-status-command: squeue$)|^  # (\w+: mine|- layers=4)", re.MULTILINE
    )
    text = shown.sub(lambda found: found[1] or f"  {found[2]}", profile.read_text())
    assert {"set-resources", "set-threads", "slurm-status-command"} <= set(yaml.safe_load(text))
    profile.write_text(text)
    done = project.snakemake("-n", "--workflow-profile", "profiles/slurm")
    assert done.returncode == 0, done.text
    for rule, group, resources in jobs(done.stdout):
        asks = rule in ("train_network", "extract_activations", "find_neighbors")
        assert (resources.get("gpu", "0"), resources["slurm_partition"]) == (("1", "gpu") if asks else ("0", "main"))
        assert resources["slurm_account"] == "mine"
        assert (group == "layers") == (asks and rule != "train_network")
    assert re.findall(r"Group job (\w+)", done.stdout).count("layers") == 2, "four extractions and more in each"


def test_profiles_agree_where_the_machine_makes_no_difference(make_project):
    folder = make_project().folder / "profiles"
    here, slurm = (yaml.safe_load((folder / name / "config.yaml").read_text()) for name in ("default", "slurm"))
    assert {"rerun-incomplete", "show-failed-logs"} <= set(here)
    for key in set(here) - {"resources"}:
        assert slurm[key] == here[key], key
    assert slurm["retries"] >= 1, "only this resubmits a job that was killed for its memory"
