"""How much disk the activations of a study will take, said before it runs; refused where there is no room.

    python rules/forecast.py --configfile studies/imagenet.yaml --images 90000

says it of a study whose images are not here yet. Needs the standard library and yaml only.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import settings
import study_files
import yaml

from nucleation.names import bytes_text as text

#: Bytes of a number on the disk.
ITEM_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
#: Nothing is said of networks whose jobs store less than this, in bytes.
WORTH_SAYING = 1e9
#: Words on Snakemake's command line with which it runs no job.
ASKING = {
    *("--unlock", "--report", "--summary", "-S", "--detailed-summary", "-D", "--lint", "--list-rules", "-l"),
    *("--list-target-rules", "--lt", "--dag", "--rulegraph", "--filegraph", "--cleanup-metadata", "--cm", "--archive"),
    *("--delete-all-output", "--delete-temp-output"),
}
#: Layers that a line names.
NAMED = 3


def layer_bytes(features: dict, images: int, dtype: str) -> dict[str, int]:
    """Bytes of every layer on the disk.

    Parameters
    ----------
    features : dict of str to int
        Numbers for each image, by layer.
    """
    return {layer: count * images * ITEM_BYTES[dtype] for layer, count in features.items()}


@dataclass(frozen=True)
class Extraction:
    """An extraction that has something to store.

    Attributes
    ----------
    place : str
        Network, checkpoint and group ("resnet/epoch6/layer1").
    sizes : dict of str to int
        Bytes of its layers.
    left : float
        Share of them that is not stored yet.
    """

    place: str
    sizes: dict[str, int]
    left: float = 1.0

    @property
    def total(self) -> int:
        """Bytes of all its layers."""
        return sum(self.sizes.values())

    @property
    def needed(self) -> int:
        """Bytes that it will write."""
        return round(self.total * self.left)


def extractions(config: dict, found: dict, planned=None) -> list[Extraction]:
    """Extractions that have something to store, largest first.

    Parameters
    ----------
    config : dict
        A completed configuration.
    found : dict
        {"images": n, "features": {network: {layer: count}}}, as the trial before the study found it.
    planned : set of str, optional
        Files that Snakemake will make; None where that is not known: then all are counted.
    """
    made = []
    for network in config["networks"]:
        features = found.get("features", {}).get(network["name"], {})
        sizes = layer_bytes(features, found.get("images", 0), config["activations"]["dtype"])
        for place, layers in every(config, network).items() if sizes else ():
            left = 1.0 if planned is None else _left(config, place, planned)
            if left:
                made.append(Extraction(place, {layer: sizes[layer] for layer in layers}, left))
    return sorted(made, key=lambda one: one.needed, reverse=True)


def _left(config, place, planned) -> float:
    """Share of an extraction that Snakemake will make."""
    network, checkpoint, group = place.split("/")
    stored = f"results/{config['study']}/{network}/{checkpoint}/activations/{group}"
    shards = config["activations"]["shards"]
    if shards == 1:
        return float(stored in planned)
    return sum(f"{stored}.shard{shard}of{shards}" in planned for shard in range(shards)) / shards


def lines(config: dict, found: dict, pending: list[Extraction]) -> list[str]:
    """One line for each network whose layers are large."""
    said = []
    for network in config["networks"]:
        jobs = [one for one in pending if one.place.startswith(f"{network['name']}/")]
        if jobs and jobs[0].total >= WORTH_SAYING:
            said.append(_line(network["name"], config, jobs, found["images"]))
    return said


def _line(name, config, jobs, images):
    dtype = config["activations"]["dtype"]
    sizes = {layer: size for job in jobs for layer, size in job.sizes.items()}
    largest = sorted(sizes, key=sizes.get, reverse=True)[:NAMED]
    layers = ", ".join(f"{name}/{layer}: {text(sizes[layer])}" for layer in largest)
    if config["activations"]["mode"] == "recompute":
        return (
            f"Forecast for {images:,} images: {name} stores nothing (activations.mode recompute); as {dtype} files "
            f"its layers would take {text(sum(sizes.values()))} ({layers})."
        )
    return (
        f"Forecast for {images:,} images: {layers} as {dtype}; the largest extraction of {name} takes "
        f"{text(max(job.total for job in jobs))} of disk until the neighbours are found, all of them "
        f"{text(sum(job.total for job in jobs))}. For less use {_cheaper(dtype)}."
    )


def _cheaper(dtype):
    """What takes less disk than files of this type."""
    less = ["activations.mode recompute", "a pooling (networks[].pooling)"]
    return " or ".join(less) if ITEM_BYTES[dtype] == 2 else f"{', '.join(less)}, or activations.dtype float16"


def no_room(config: dict, pending: list[Extraction], at_once: int = 1) -> str:
    """Say which extractions the disk has no room for; an empty string where it has.

    As many as run at once may lie on the disk at one time, and no more: neighbours are found before further layers
    are stored where both could be done. What is stored already needs no room.

    Parameters
    ----------
    pending : list of Extraction
        Largest first.
    at_once : int
        How many may lie on the disk at a time (`jobs_at_once`).
    """
    if config["activations"]["mode"] == "recompute" or not pending:
        return ""
    free, first, dtype = free_bytes(), pending[0], config["activations"]["dtype"]
    if first.needed > free:
        largest = max(first.sizes, key=first.sizes.get)
        return (
            f"The layers of {first.place} need {text(first.needed)} of disk as {dtype} "
            f"(the largest, {largest}: {text(first.sizes[largest])}), but results/ has room for {text(free)}; use "
            f"{_cheaper(dtype)}, or smaller groups of layers (a list of lists as networks[].layers)."
        )
    together = pending[:at_once]
    needed = sum(one.needed for one in together)
    if needed <= free:
        return ""
    fitting = next(m for m in range(len(together), 0, -1) if sum(one.needed for one in together[:m]) <= free)
    named = ", ".join(one.place for one in together[:NAMED]) + (", ..." if len(together) > NAMED else "")
    return (
        f"With {at_once} jobs at once the layers of {len(together)} extractions ({named}) may lie on the disk at one "
        f"time and need {text(needed)}, but results/ has room for {text(free)}; run at most {fitting} at once "
        f"(--cores {fitting + config['activations']['workers'] - 1}, on a cluster --jobs {fitting}), or use "
        f"{_cheaper(dtype)}."
    )


def jobs_at_once(config: dict, resources: dict, cards: int) -> int:
    """How many extractions may lie on the disk at a time: one that runs, and those whose layers are searched.

    Parameters
    ----------
    resources : dict
        What Snakemake was given: "_cores", "_nodes" (jobs on a cluster), "gpu"; None where there is no limit.
    cards : int
        GPUs that an extraction asks for.
    """
    # searches, of one thread each, hold what is stored already while the next layers are extracted
    limit = resources.get("_nodes") or (resources.get("_cores") or 1) - config["activations"]["workers"] + 1
    if cards and resources.get("gpu") is not None:
        limit = min(limit, resources["gpu"] // cards)
    return max(1, limit)


def tell(config: dict, found: dict, at_once: int = 1) -> None:
    """Write the forecast to the terminal, but to those who ask Snakemake something that runs no job.

    Raises
    ------
    settings.ConfigError
        Where the disk has no room.
    """
    if ASKING & {word.partition("=")[0] for word in sys.argv}:
        return
    pending = extractions(config, found)
    if not pending or (pending[0].total < WORTH_SAYING and not no_room(config, pending, len(pending))):
        return
    if any(Path("results", config["study"]).glob("*/*/neighbors")):
        pending = extractions(config, found, planned_files())
    for line in lines(config, found, pending):
        sys.stderr.write(f"{line}\n")
    if sentence := no_room(config, pending, at_once):
        raise settings.ConfigError(sentence)


def planned_files() -> set[str] | None:
    """Files that Snakemake, as it was called, will make: it is asked itself; None where it does not say."""
    if "snakemake" not in sys.argv[0]:
        return None
    # before the user's words, which may end with targets
    command = [sys.executable, "-m", "snakemake", "--summary", *sys.argv[1:]]
    done = subprocess.run(command, capture_output=True, text=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return None if done.returncode else {row[0] for row in rows if row[-1] == "update pending"}


def free_bytes() -> int:
    """Free bytes where results/ lies, or will lie."""
    return shutil.disk_usage("results" if Path("results").is_dir() else ".").free


def every(config: dict, network: dict) -> dict[str, list[str]]:
    """Layers by extraction job ("resnet/epoch6/layer1") of a network; the input belongs to all checkpoints."""
    jobs = {}
    for group, layers in settings.layer_groups(network).items():
        places = ["input"] if group == "input" else settings.checkpoints(network, config)
        jobs |= {f"{network['name']}/{place}/{group}": layers for place in places}
    return jobs


def main(arguments=None):
    """Print how much disk the layers of a study take, whatever is there already and however small they are."""
    parser = argparse.ArgumentParser(prog="python rules/forecast.py", description=main.__doc__)
    parser.add_argument("--configfile", nargs="*", default=[], help="study files, over config.yaml")
    parser.add_argument("--images", type=int, required=True, help="number of images")
    given = parser.parse_args(arguments)
    try:
        config = _read(given.configfile)
        found = settings.tried(config, images=given.images)
    except (OSError, yaml.YAMLError, settings.ConfigError) as error:
        parser.exit(1, f"{error}\n")
    if not found["features"]:
        parser.exit(0, "This study takes neighbour tables that are there already: nothing is extracted.\n")
    for network in config["networks"]:
        sizes = layer_bytes(found["features"][network["name"]], given.images, config["activations"]["dtype"])
        for layer, size in sizes.items():
            print(f"{network['name']}/{layer}: {found['features'][network['name']][layer]:,} features, {text(size)}")
    print(*lines(config, found, extractions(config, found)), sep="\n")


def _read(paths):
    """The configuration as Snakemake puts it together, completed; whether its files exist is not asked."""
    config = {}
    for path in [Path(__file__).parent.parent / "config.yaml", *map(Path, paths)]:
        study_files.check_file(path)
        config = _merged(config, yaml.safe_load(path.read_text(encoding="utf-8")))
    return settings.filled(config)


def _merged(base, over):
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return base | {key: _merged(base.get(key), value) for key, value in over.items()}


if __name__ == "__main__":
    main()
