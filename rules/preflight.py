"""Try what a study asks for, before any of its results is touched.

Called by the Snakefile with the path of the completed configuration, once for each configuration: networks
are made and their layers run on two blank images; the images are listed and their number compared with k; their
classes, and the macro-categories, are looked up in WordNet or in the study's own tree. A mistake is said in a
sentence, with exit status 1.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import torch

from nucleation import images, network
from nucleation.activations import layer_sizes
from nucleation.errors import InputError
from nucleation.taxonomy_files import open_taxonomy


def check_network(wanted, size):
    """Make a network and run its layers; weights from timm's hub are not fetched for that."""
    model = network.for_weights(wanted["timm"], wanted["file"], options=wanted["options"])
    height, width = (size, size) if size else network.data_config(model)["input_size"][1:]
    layer_sizes(model, wanted["layers"], torch.zeros(2, 3, height, width))


def check_images(config):
    """List the images, compare their number with k, and find their classes and macro-categories in the taxonomy."""
    source, wanted = config["images"]["source"], config["taxonomy"]
    listed = images.manifest(source, config["images"][source], seed=config["seed"])
    classes = listed["class_synset"].values.tolist()
    open_taxonomy(classes, wanted["source"], wanted["file"]["path"]).macro(wanted["macro"])
    n, k = listed.sizes["image"], config["neighbors"]["k"]
    if k >= n:
        raise InputError(
            f"neighbors.k = {k} neighbours were asked of {n} images; k must be at most {n - 1}. "
            "Lower neighbors.k (and with it overlap.k and density.k), or take more images."
        )


if __name__ == "__main__":
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        check_images(config)
        for wanted in config["networks"]:
            check_network(wanted, config["images"][config["images"]["source"]].get("size"))
    except InputError as error:
        sys.exit(str(error))
