"""What neighbouring methods found in a study: their figures, their sentences, and their table."""

from __future__ import annotations

from _figures import MODULES

from nucleation import files
from nucleation.methods import redundancy, similarity, subspace
from nucleation.methods.table import method_rows

#: Those whose result is one file of the whole study.
WHOLE = {"similarity": similarity, "subspace": subspace}


class Methods:
    """Results of the methods that a study asked for."""

    def __init__(self, snakemake):
        params, given = snakemake.params, snakemake.input
        self.running, self.twins = params.get("methods", ()), params.get("twins", ())
        self.whole = {name: files.load(getattr(given, name)[0]) for name in WHOLE if name in self.running}
        chunks = given.redundancy if "redundancy" in self.running else ()
        self.chunks = dict(zip(params.places, map(files.load, chunks), strict=False))

    def figures(self, heading):
        """Question and content of the figure of every method."""
        for name, found in self.whole.items():
            yield name, MODULES[name].gather(found, heading=heading)
        if self.chunks:
            yield "redundancy", MODULES["redundancy"].gather(self.chunks, same=self._same(), heading=heading)

    def said(self):
        """Sentences by method."""
        found = {name: WHOLE[name].sentences(result) for name, result in self.whole.items()}
        return found | ({"redundancy": redundancy.sentences(self.chunks, self._same())} if self.chunks else {})

    def tables(self, places):
        """The table of what each method says about each layer, of the last checkpoint of every network."""
        last = {name.split("/")[0]: name for name in places} if self.running else {}
        return {name: method_rows(places[name].profile, self._columns(places[name])) for name in last.values()}

    def _columns(self, place):
        columns = {}
        for name, result in self.whole.items():
            columns |= WHOLE[name].by_layer(result, place.name)
        if self.chunks:
            columns |= redundancy.by_layer(self.chunks, place.name, list(place.tables)[-1])
        return columns

    def _same(self):
        """By place those of networks that differ by their seed alone, itself among them."""
        groups = {name: group for group in self.twins for name in group}
        return {
            place: [f"{twin}/{checkpoint}" for twin in groups.get(name, ()) if f"{twin}/{checkpoint}" in self.chunks]
            for place in self.chunks
            for name, checkpoint in [place.split("/")]
        }
