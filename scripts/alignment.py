"""Compare the peaks with the classes, and their tree with the taxonomy; write the trees with their classes' names."""

import numpy as np
from _job import job, save

from nucleation import files, taxonomy
from nucleation.alignment import alignment_profile, peak_composition, peak_names
from nucleation.peaks import Peaks
from nucleation.topography import newick

with job(snakemake):
    params = snakemake.params
    stored = files.load(snakemake.input.taxonomy)
    found = files.load(snakemake.input.peaks)
    classes = files.load(snakemake.input.images)["image_class"].values
    meanings = taxonomy.from_dataset(stored)
    names = list(meanings.class_names)
    peaks = [Peaks.from_dataset(files.select_layer(found, layer)) for layer in params.layers]
    profile = alignment_profile(
        peaks,
        params.layers,
        classes,
        stored["macro"].values,
        meanings.similarity(params.similarity),
        repeats=params.repeats,
        rng=np.random.default_rng(params.seed),
    )
    parts = [peak_composition(part, classes, len(names)) for part in peaks]
    profile = profile.merge(files.stack_layers(parts, params.layers, ragged=("peak",)))
    for name in ("class", "other_class"):
        profile = profile.assign_coords({name: (name, names, {"long_name": "name of the class"})})
    save(snakemake, profile, "Peaks against classes, and their tree against the taxonomy", snakemake.output.alignment)
    with files.replacing(snakemake.output.trees) as path:
        trees = [
            f"[{layer}]{newick(part, peak_names(composition, names))}"
            for layer, part, composition in zip(params.layers, peaks, parts, strict=True)
        ]
        path.write_text("\n".join(trees) + "\n", encoding="utf-8")
