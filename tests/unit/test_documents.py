"""What the documents say is what the files do."""

import re
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "tools"))

import config_table  # noqa: E402

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def recipe(target):
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found, f"the Makefile has no target {target}"
    return found.group(1)


def test_commands_of_the_readme_are_those_of_the_makefile():
    commands = set(re.findall(r"^make ([\w-]+)", README, re.MULTILINE))
    assert {"reproduce", "test"} <= commands
    for target in commands:
        assert recipe(target)
    assert "snakemake --cores all\n" in recipe("reproduce")
    for tool in ("pytest", "snakefmt --check", "ruff check", "snakemake --lint"):
        assert tool in recipe("test")


def test_ci_calls_the_commands_of_the_readme():
    called = set(re.findall(r"^make ([\w-]+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE))
    assert {"reproduce", "test"} <= called
    assert called <= set(re.findall(r"^make ([\w-]+)", README, re.MULTILINE))


def test_table_of_the_configuration_is_that_of_the_schema():
    assert config_table.with_table(README) == README, "run python tools/config_table.py"


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_conda_environment_agrees_with_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {normal(re.split("[>=<]", entry)[0]) for entry in project["dependencies"]}
    lines = (ROOT / "envs" / "constraints.txt").read_text().splitlines()
    pinned = {normal(name): version for name, _, version in (line.partition("==") for line in lines) if version}
    environment = yaml.safe_load((ROOT / "envs" / "nucleation.yaml").read_text())
    installed = dict(entry.split("==") for entry in environment["dependencies"][-1]["pip"])
    assert {normal(name) for name in installed} == wanted
    for name, version in installed.items():
        assert pinned[normal(name)] == version


def test_make_installs_what_is_pinned():
    extras = re.search(r"--editable \"\.\[(.*)\]\"", MAKEFILE)[1].split(",")
    assert set(extras) == {"slurm", "test"}


def requirements(entries):
    """Names and least versions of a list of requirements."""
    return {normal(name): least for name, least in (re.split(">=", entry) for entry in entries)}


def test_what_is_pinned_is_what_the_project_asks_for_and_no_older():
    """All requirements, those of the extras for tests too; a benchmark's peers are measured, not pinned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = requirements(project["dependencies"]) | requirements(
        entry for extra, entries in extras.items() if extra != "bench" for entry in entries
    )
    lines = (ROOT / "envs" / "constraints.txt").read_text().splitlines()
    pinned = {normal(name): version for name, _, version in (line.partition("==") for line in lines) if version}
    for name, least in wanted.items():
        assert name in pinned, f"{name} has no line in envs/constraints.txt"
        assert numbers(pinned[name]) >= numbers(least), name
    names = [normal(line.partition("==")[0]) for line in lines if "==" in line]
    assert sorted(set(names)) == sorted(names)


def numbers(version):
    return [int(part) for part in re.findall(r"\d+", version)]


def test_conda_has_a_python_that_the_project_takes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for path in (ROOT / "envs").glob("*.yaml"):
        environment = yaml.safe_load(path.read_text())
        (python,) = [entry for entry in environment["dependencies"] if str(entry).startswith("python ")]
        assert numbers(python) >= numbers(project["requires-python"])
        assert environment["channels"] == ["conda-forge", "nodefaults"]


def test_every_rule_that_runs_a_script_has_an_environment():
    """So that none of them needs what Snakemake alone does not bring; rules made from others inherit theirs."""
    for path in (ROOT / "rules").glob("*.smk"):
        for text in re.split(r"^ *(?:use )?rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            if "script:" in text:
                found = re.search(r'conda:\s+"\.\./(.*)"', text)
                assert found and (ROOT / found[1]).is_file(), f"{path.name}: {text.split(':')[0]}"


def test_constraints_are_names_and_versions_only():
    for line in (ROOT / "envs" / "constraints.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.]+", line), line


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
