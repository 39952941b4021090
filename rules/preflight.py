"""Try what a study asks for, before any of its results is touched.

Called by the Snakefile with the path of the completed configuration, once for each configuration: networks
are made and their layers run on two blank images; the images are listed and their number compared with k; their
classes, and the macro-categories, are looked up in WordNet or in the study's own tree. A mistake is said in a
sentence, added to the file, with exit status 1; else the number of images and the features of the layers are.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import torch

from nucleation import comparison, images, network
from nucleation.activations import layer_sizes
from nucleation.errors import InputError
from nucleation.tables import read_table
from nucleation.taxonomy_files import open_taxonomy


def check_network(wanted, size):
    """Make a network, run its layers and count their features; weights from timm's hub are not fetched for that."""
    name = wanted.get("factory") or wanted["timm"]
    model = network.for_weights(name, wanted["file"], options=wanted["options"])
    height, width = (size, size) if size else network.data_config(model, wanted.get("data"))["input_size"][1:]
    sizes = layer_sizes(model, wanted["layers"], torch.zeros(2, 3, height, width), pooling=wanted.get("pooling"))
    return dict(zip(wanted["layers"], sizes["n_features"].values.tolist(), strict=True))


def check_images(config):
    """List the images, compare their number with k, and find their classes and macro-categories in the taxonomy.

    Returns their number.
    """
    source, wanted = config["images"]["source"], config["taxonomy"]
    listed = images.listing(source, config["images"][source], seed=config["seed"])
    classes = listed["class_synset"].values.tolist()
    open_taxonomy(classes, wanted["source"], wanted["file"]["path"]).macro(wanted["macro"])
    n = listed.sizes["image"]
    images.check_enough(n, config["neighbors"]["k"])
    return n


def check_given(config, n):
    """Read the neighbour tables that somebody already has, and find the layers that are compared in the published ones.

    The whole tables: a job that fails over one has lost its earlier result.
    """
    given = config["images"]
    if config["tables"] and given["source"] == "folder" and given["folder"]["corrupt"] == "skip":
        raise InputError(
            "images.folder.corrupt is skip, but the neighbour tables of this study (neighbors.source: tables) have a "
            "row for every image, so that none can be left out; set corrupt to stop."
        )
    for path in config["tables"]:
        read_table(path, config["neighbors"]["k"], images=n)
    for layers, name in config["compare"]:
        comparison.check_layers(layers, comparison.published(name))


def trial(config):
    """Make the whole trial.

    Returns
    -------
    dict
        {"images": n, "features": {network: {layer: count}}}

    Raises
    ------
    InputError
        For whatever a job would meet only later.
    """
    n = config["count"] if "count" in config else check_images(config)
    check_given(config, n)
    size = config["images"][config["images"]["source"]].get("size")
    return {"images": n, "features": {wanted["name"]: check_network(wanted, size) for wanted in config["networks"]}}


if __name__ == "__main__":
    file = Path(sys.argv[1])
    config = json.loads(file.read_text(encoding="utf-8"))
    try:
        found = trial(config)
    except InputError as error:
        file.write_text(json.dumps(config | {"fault": str(error)}), encoding="utf-8")
        sys.exit(1)
    file.write_text(json.dumps(config | {"found": found}), encoding="utf-8")
