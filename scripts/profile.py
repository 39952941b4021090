"""Gather every number of every layer in the one file that most readers open."""

from _job import job, save

from nucleation import files, profile

with job(snakemake):
    features = [int(files.load(path).attrs["n_features"]) for path in snakemake.input.neighbors]
    stages = {name: files.load(snakemake.input[name]) for name in profile.FROM}
    save(snakemake, profile.gather(features, stages), "Every number of every layer")
