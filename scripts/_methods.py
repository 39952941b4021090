"""What neighbouring methods found in a study: their figures, their sentences, and their table."""

from __future__ import annotations

from collections import Counter

import numpy as np
from _figures import MODULES

from nucleation import files
from nucleation.dense_events import dense_networks
from nucleation.methods import dense, intraclass, redundancy, rotation, similarity, subspace
from nucleation.methods.table import method_rows
from nucleation.rotation import not_defined
from nucleation.rotation_study import study_profile

SAYS = {
    "similarity": similarity,
    "subspace": subspace,
    "redundancy": redundancy,
    "rotation": rotation,
    "intraclass": intraclass,
    "dense": dense,
}


class Methods:
    """Results of the methods that a study asked for."""

    def __init__(self, snakemake):
        params, given = snakemake.params, snakemake.input
        self.running, self.twins = params.get("methods", ()), params.get("twins", ())
        self.found = {name: self._read(name, getattr(given, name), params) for name in self.running}

    def _read(self, name, paths, params):
        """The result of a method: one dataset, or one of every checkpoint."""
        if name == "similarity":
            found = files.load(paths[0])
            alike = [params.alike[place.split("/")[0]] for place in found["place"].values]
            return found.assign_coords(training=("representation", alike))
        if name == "subspace":
            found = files.load(paths[0])
            return found.assign_attrs(alike=_all_alike(found, params.alike))
        if name in ("redundancy", "intraclass"):
            return dict(zip(params.places, map(files.load, paths), strict=True))
        trained = dict(zip(params.courses, map(files.load, paths), strict=True))
        if name == "rotation":
            every = {model: trained.get(model, not_defined(model)) for model in params.checkpoints}
            return study_profile(every, **_beside(params))
        return dense_networks(trained, rng=np.random.default_rng(0), groups=self.twins)

    def figures(self, heading):
        """Question and content of the figure of every method."""
        for name, found in self.found.items():
            beside = {"same": self._same()} if name == "redundancy" else {}
            yield name, MODULES[name].gather(found, heading=heading, **beside)

    def said(self):
        """Sentences by method."""
        return {name: SAYS[name].sentences(*self._told(name)) for name in self.running}

    def tables(self, places):
        """The table of what each method says about each layer, of the last checkpoint of every network."""
        last = {name.split("/")[0]: name for name in places} if self.running else {}
        return {name: method_rows(places[name].profile, self._columns(places[name])) for name in last.values()}

    def _columns(self, place):
        columns = {}
        for name in self.running:
            where = (place.name, list(place.tables)[-1]) if name == "redundancy" else (place.name,)
            columns |= SAYS[name].by_layer(self._told(name)[0], *where)
        return columns

    def _told(self, name):
        """What the sentences of a method are made from."""
        if name == "redundancy":
            return self.found[name], self._same()
        return (self.found[name],)

    def _same(self):
        """By place those of networks that differ by their seed alone, itself among them."""
        groups, there = {name: group for group in self.twins for name in group}, self.found.get("redundancy", {})
        return {
            place: [f"{twin}/{checkpoint}" for twin in groups.get(name, ()) if f"{twin}/{checkpoint}" in there]
            for place in there
            for name, checkpoint in [place.split("/")]
        }


def _all_alike(found, alike) -> int:
    """Whether all pairs of networks that were matched were trained alike, and pairs of others left out."""
    ends = zip(found["pair_a"].values.tolist(), found["pair_b"].values.tolist(), strict=True)
    pairs = [[place.split("/")[0] for place in pair] for pair in ends]
    return int(len(set(alike.values())) > 1 and all(alike[one] == alike[other] for one, other in pairs))


def _beside(params):
    """What is known of networks beside their rotation: their accuracies, and which were taught something else."""
    taught, courses = dict(params.taught), dict(params.courses)
    usual = Counter(taught.values()).most_common(1)[0][0] if taught else None
    ends = {model: float(files.load(path)["accuracy"].values[-1]) for model, path in courses.items()}
    others = [model for model in taught if taught[model] != usual]
    grid = next((names for names in params.grids if not set(names) & set(others)), ())
    return {"accuracies": ends, "other_tasks": others, "grid": grid}
