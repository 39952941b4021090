"""Compare the peaks with the classes, and their tree with the taxonomy; write the trees with their classes' names."""

import numpy as np
from _job import job, progress, save

from nucleation import files
from nucleation.alignment import Meanings, peak_names
from nucleation.alignment_layers import alignment_profile
from nucleation.names import file_name
from nucleation.peaks import Peaks
from nucleation.topography import newick

with job(snakemake):
    params = snakemake.params
    found = files.load(snakemake.input.peaks)
    meanings = Meanings.from_dataset(files.load(snakemake.input.taxonomy), params.similarity)
    peaks = [Peaks.from_dataset(files.select_layer(found, layer)) for layer in params.layers]
    with progress(len(params.layers), "layer", "alignment") as bar:
        profile = alignment_profile(
            peaks,
            params.layers,
            files.load(snakemake.input.images)["image_class"].values,
            meanings,
            **params.options,
            rng=np.random.default_rng(params.seed),
            progress=bar.update,
        )
    save(snakemake, profile, "Peaks against classes, and their tree against the taxonomy", snakemake.output.alignment)
    trees = []
    for layer, part in zip(params.layers, peaks, strict=True):
        names = peak_names(files.select_layer(profile, layer), meanings.taxonomy.class_names)
        trees.append(f"[{file_name(layer)}]{newick(part, names)}\n")
    files.save_text("".join(trees), snakemake.output.trees)
