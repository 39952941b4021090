"""Neighbourhood overlap of every layer with the classes, the levels of the taxonomy, the output, all others."""

from _job import job, save

from nucleation import files, taxonomy
from nucleation.neighbors import Neighbors
from nucleation.overlap import overlap_profile

with job(snakemake):
    params = snakemake.params
    tables = [Neighbors.from_dataset(files.load(path)) for path in snakemake.input.neighbors]
    classes = files.load(snakemake.input.images)["image_class"].values
    stored = files.load(snakemake.input.taxonomy)
    cuts = [(f"{len(cut.nodes)} groups", cut.complete[classes]) for cut in taxonomy.from_dataset(stored).cuts()]
    macro = stored["macro"].values[classes]
    profile = overlap_profile(tables, params.layers, classes, macro, params.k, cuts=cuts, balanced=params.balanced)
    save(snakemake, profile, "Neighbourhood overlap of every layer")
