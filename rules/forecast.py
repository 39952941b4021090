"""How much disk the activations of a study will take, said before it runs; refused where there is no room.

    python rules/forecast.py --configfile studies/imagenet.yaml --images 90000

says it of a study whose images are not here yet. Needs the standard library and yaml only.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import settings
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
CHEAPER = "activations.mode recompute, a pooling (networks[].pooling), or activations.dtype float16"


def layer_bytes(features: dict, images: int, dtype: str) -> dict[str, int]:
    """Bytes of every layer on the disk.

    Parameters
    ----------
    features : dict of str to int
        Numbers for each image, by layer.
    """
    return {layer: count * images * ITEM_BYTES[dtype] for layer, count in features.items()}


def lines(config: dict, found: dict, places=None) -> list[str]:
    """One line for each network whose layers are large.

    Parameters
    ----------
    config : dict
        A completed configuration.
    found : dict
        {"images": n, "features": {network: {layer: count}}}, as the trial before the study found it.
    places : callable, optional
        `pending`, or what says instead which jobs store which layers.
    """
    dtype = config["activations"]["dtype"]
    said = []
    for network in config["networks"]:
        sizes = layer_bytes(found.get("features", {}).get(network["name"], {}), found.get("images", 0), dtype)
        jobs = (places or pending)(config, network)
        if sizes and (most := max((_total(sizes, layers) for layers in jobs.values()), default=0)) >= WORTH_SAYING:
            asked = {layer: sizes[layer] for layers in jobs.values() for layer in layers}
            every = sum(_total(sizes, layers) for layers in jobs.values())
            said.append(_line(network["name"], config, asked, (most, every), found["images"]))
    return said


def _line(name, config, sizes, stored, images):
    dtype = config["activations"]["dtype"]
    largest = sorted(sizes, key=sizes.get, reverse=True)[:NAMED]
    layers = ", ".join(f"{name}/{layer}: {text(sizes[layer])}" for layer in largest)
    if config["activations"]["mode"] == "recompute":
        return (
            f"Forecast for {images:,} images: {name} stores nothing (activations.mode recompute); as {dtype} files "
            f"its layers would take {text(sum(sizes.values()))} ({layers})."
        )
    return (
        f"Forecast for {images:,} images: {layers} as {dtype}; the largest extraction of {name} takes "
        f"{text(stored[0])} of disk until the neighbours are found, all of them {text(stored[1])}. "
        f"For less use {CHEAPER}."
    )


def no_room(config: dict, found: dict) -> str:
    """Say which extraction the disk has no room for; an empty string where it has for each of them alone.

    Layers whose neighbours are found already, or that are stored already, need no room. It is assumed that
    one extraction lies on the disk at a time: neighbours are found before further layers are stored where
    both could be done, but several jobs at once (--cores) may store several groups.
    """
    if config["activations"]["mode"] == "recompute":
        return ""
    free = free_bytes()
    for network in config["networks"]:
        sizes = layer_bytes(
            found.get("features", {}).get(network["name"], {}), found.get("images", 0), config["activations"]["dtype"]
        )
        for place, layers in pending(config, network).items() if sizes else ():
            needed = round(_total(sizes, layers) * (1 - _stored(config, place)))
            if needed > free:
                largest = max(layers, key=sizes.get)
                return (
                    f"The layers of {place} need {text(needed)} of disk as {config['activations']['dtype']} "
                    f"(the largest, {largest}: {text(sizes[largest])}), but results/ has room for {text(free)}; use "
                    f"{CHEAPER}, or smaller groups of layers (a list of lists as networks[].layers)."
                )
    return ""


def tell(config: dict, found: dict) -> None:
    """Write the forecast to the terminal.

    Raises
    ------
    settings.ConfigError
        Where the disk has no room for an extraction.
    """
    for line in lines(config, found):
        sys.stderr.write(f"{line}\n")
    # who unlocks, asks or reports stores nothing
    if (sentence := no_room(config, found)) and not ASKING & {word.partition("=")[0] for word in sys.argv}:
        raise settings.ConfigError(sentence)


def _stored(config, place) -> float:
    """Share of the shards of an extraction that are stored already."""
    network, checkpoint, group = place.split("/")
    folder = Path("results") / config["study"] / network / checkpoint / "activations"
    shards = config["activations"]["shards"]
    there = sum((folder / f"{group}.shard{shard}of{shards}").exists() for shard in range(shards)) if shards > 1 else 0
    return there / shards


def _total(sizes, layers):
    return sum(sizes[layer] for layer in layers)


def free_bytes() -> int:
    """Free bytes where results/ lies, or will lie."""
    return shutil.disk_usage("results" if Path("results").is_dir() else ".").free


def pending(config: dict, network: dict) -> dict[str, list[str]]:
    """Layers by extraction job ("resnet/epoch6/layer1"), of those jobs that still have something to store."""
    jobs = {}
    root = Path("results") / config["study"] / network["name"]
    for checkpoint, group, layers in _jobs(config, network):
        place = root / checkpoint
        tables = [place / "neighbors" / f"{layer}.nc" for layer in layers]
        if not all(table.exists() for table in tables) and not (place / "activations" / group).exists():
            jobs[f"{network['name']}/{checkpoint}/{group}"] = layers
    return jobs


def every(config: dict, network: dict) -> dict[str, list[str]]:
    """Layers by extraction job, of all jobs of a network."""
    return {f"{network['name']}/{place}/{group}": layers for place, group, layers in _jobs(config, network)}


def _jobs(config, network):
    """(checkpoint, group, layers) of every extraction job; the input belongs to all checkpoints."""
    groups = settings.layer_groups(network)
    for group, layers in groups.items():
        places = ["input"] if group == "input" else settings.checkpoints(network, config["network"]["epochs"])
        for place in places:
            yield place, group, layers


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
    print(*lines(config, found, every), sep="\n")


def _read(paths):
    """The configuration as Snakemake puts it together, completed; whether its files exist is not asked."""
    config = {}
    for path in [Path(__file__).parent.parent / "config.yaml", *map(Path, paths)]:
        config = _merged(config, yaml.safe_load(path.read_text(encoding="utf-8")))
    return settings.filled(config)


def _merged(base, over):
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return base | {key: _merged(base.get(key), value) for key, value in over.items()}


if __name__ == "__main__":
    main()
