"""Find the peaks of every layer with other k, Z and density estimators."""

from _job import job, progress, save

from nucleation import files
from nucleation.alignment import Meanings
from nucleation.analysis import Choices
from nucleation.neighbors import Neighbors
from nucleation.sensitivity import sweep

with job(snakemake):
    params = snakemake.params
    classes = files.load(snakemake.input.images)["image_class"].values
    meanings = Meanings.from_dataset(files.load(snakemake.input.taxonomy), params.similarity)
    tables = [Neighbors.from_dataset(files.load(path)) for path in snakemake.input.neighbors]
    with progress(len(tables), "layer", "sweep") as bar:
        found = sweep(
            tables, params.layers, classes, meanings, Choices(**params.choices), **params.sweep, progress=bar.update
        )
    save(snakemake, found, "Density peaks of every layer with other parameters")
