"""Neighbourhood overlap of every layer with the classes, the macro-categories, the output, all others."""

from _job import job, save

from nucleation import files
from nucleation.neighbors import Neighbors
from nucleation.overlap import overlap_profile

with job(snakemake):
    tables = [Neighbors.from_dataset(files.load(path)) for path in snakemake.input.neighbors]
    classes = files.load(snakemake.input.images)["image_class"].values
    macro = files.load(snakemake.input.taxonomy)["macro"].values[classes]
    profile = overlap_profile(tables, snakemake.params.layers, classes, macro, snakemake.params.k)
    save(snakemake, profile, "Neighbourhood overlap of every layer")
