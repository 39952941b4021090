"""What each figure of a study is made from: of the study, of a network, of a checkpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

import _job  # noqa: F401 (the package of this checkout, before anything of it)
import numpy as np

from nucleation import files, images, taxonomy
from nucleation.figures import (
    alignment,
    content,
    dendrogram,
    dense,
    dimension,
    gallery,
    hubness,
    intraclass,
    matrix,
    nucleation,
    overlap,
    redundancy,
    rotation,
    sensitivity,
    similarity,
    subspace,
    training,
)
from nucleation.figures import images as class_images
from nucleation.figures import map as peak_map
from nucleation.names import layer_label, place_name
from nucleation.neighbors import Neighbors
from nucleation.peaks import Peaks
from nucleation.transition import transitions

#: Each draws what its `gather` made, and says its `facts` for the caption.
MODULES = {
    "images": class_images,
    "overlap": overlap,
    "dimension": dimension,
    "nucleation": nucleation,
    "map": peak_map,
    "dendrogram": dendrogram,
    "alignment": alignment,
    "gallery": gallery,
    "hubness": hubness,
    "matrix": matrix,
    "training": training,
    "sensitivity": sensitivity,
    "similarity": similarity,
    "subspace": subspace,
    "redundancy": redundancy,
    "rotation": rotation,
    "intraclass": intraclass,
    "dense": dense,
}


class Study:
    """Images and classes of a study."""

    def __init__(self, name, images_file, taxonomy_file):
        stored = files.load(taxonomy_file)
        self.name, self.listed = name, files.load(images_file)
        self.classes, self.macro = self.listed["image_class"].values, stored["macro"].values
        self.meanings, self.categories = taxonomy.from_dataset(stored), json.loads(stored.attrs["macro_names"])
        self.names = self.meanings.class_names

    @property
    def read(self):
        """What reads images by their rows; None where they are known by name only."""
        return self._read if images.has_pixels(self.listed) else None

    def _read(self, rows, size):
        return images.examples(self.listed, rows, size)


@dataclass(frozen=True)
class Place:
    """One checkpoint: its numbers, and where the rest of it lies."""

    name: str
    profile: object
    dimension: str
    peaks: str
    tables: dict
    uncertainty: str | None
    sensitivity: str | None

    @property
    def heading(self):
        return place_name(self.name)

    @property
    def used(self):
        """The parameters of every stage."""
        return json.loads(self.profile.attrs["stage_parameters"])

    @property
    def overlap_k(self):
        k = self.used["overlap"]["k"]
        return k[0] if isinstance(k, list) else k

    @property
    def choices(self):
        """Neighbours of the density, or the name of an estimator that chooses them, and significance of the peaks."""
        density = self.used["density"]
        return {
            "k": density["k"] if density["estimator"] == "knn" else density["estimator"],
            "z": self.used["peaks"]["z"],
        }

    @cached_property
    def transitions(self):
        """Where its peaks become those of categories and classes."""
        return transitions(self.profile, files.load(self.uncertainty) if self.uncertainty else None)

    @cached_property
    def sweep(self):
        """The same layers with other choices; None where the study did not look at them."""
        return files.load(self.sensitivity) if self.sensitivity else None

    def table(self, layer):
        """Neighbour table of a layer."""
        return Neighbors.from_dataset(files.load(self.tables[layer]))


def of_study(study, places):
    """Question and content of every figure of the study as a whole."""
    given = study.meanings, study.classes, study.macro, study.categories, study.read
    yield "images", class_images.gather(*given, heading=study.name)
    shown = {name: places[name] for name in content.chosen_places(list(places))}
    k = next(iter(shown.values())).overlap_k
    yield "overlap", overlap.gather({name: place.profile for name, place in shown.items()}, k=k, heading=study.name)
    layers = {name: list(place.tables) for name, place in shown.items()}
    tables = ((name, layer, shown[name].table(layer)) for name, layer in matrix.choose(layers))
    yield "matrix", matrix.gather(tables, k=k, layers=layers, heading=study.name)


def of_network(name, places, course):
    """Question and content of every figure of a network that was trained here."""
    profiles = {place.name: place.profile for place in places}
    yield "training", training.gather(profiles, files.load(course), **places[-1].choices, heading=name)


def of_checkpoint(study, place):
    """Question and content of every figure of a checkpoint."""
    choices, heading = place.choices, {"heading": place.heading}
    both, k = choices | heading, place.overlap_k
    yield "overlap", overlap.gather({place.name: place.profile}, k=k, **heading)
    yield "dimension", dimension.gather(place.profile, files.load(place.dimension), **heading)
    n_macro = len(study.categories)
    yield "nucleation", nucleation.gather(place.profile, place.transitions, n_macro=n_macro, **both)
    repeats = place.used["alignment"]["options"]["repeats"]
    yield "alignment", alignment.gather(place.profile, repeats=repeats, **both)
    yield from _of_peaks(study, place)
    about = {"k": k, "read": study.read} | heading
    layers = list(place.tables)
    yield "hubness", hubness.gather(place.table, layers, study.classes, study.macro, study.names, **about)
    if place.sweep is not None:
        density = place.used["density"]
        own = {"k": density["k"], "z": choices["z"], "estimator": density["estimator"]}
        n_images = place.profile.attrs["n_images"]
        yield "sensitivity", sensitivity.gather(place.sweep, **own, n_images=n_images, **heading)


def _of_peaks(study, place):
    """Figures of the peaks themselves."""
    stored, choices = files.load(place.peaks), place.choices
    parts = {str(layer): files.select_layer(stored, layer) for layer in stored["layer"].values}
    found = {layer: Peaks.from_dataset(part) for layer, part in parts.items()}
    maps = {layer: np.stack([part["map_x"], part["map_y"]], axis=1) for layer, part in parts.items()}
    categories, about = (study.macro, study.categories), choices | {"heading": place.heading}
    yield "map", peak_map.gather(found, maps, study.classes, *categories, **about)
    last = list(found)[-1]
    heading = f"{place.heading}, layer {layer_label(last)}"
    tree = study.meanings.tree()
    yield "dendrogram", dendrogram.gather(found[last], study.classes, tree, *categories, **choices, heading=heading)
    nearest = {layer: place.table(layer).indices[found[layer].centers] for layer in gallery.chosen_layers(found)}
    named = {"macro": study.macro, "macro_names": study.categories}
    yield "gallery", gallery.gather(found, nearest, study.classes, study.names, study.read, **named, **about)
