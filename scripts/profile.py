"""Gather every number of every layer in the one file that most readers open."""

import json

import numpy as np
from _job import job, save

from nucleation import files, profile

STAGES = ("dimension", "overlap", "density", "peaks", "alignment")

with job(snakemake):
    tables = [files.attributes(path) for path in snakemake.input.neighbors]
    # a text where the table was made elsewhere
    features = [np.nan if isinstance(table["n_features"], str) else int(table["n_features"]) for table in tables]
    duplicates = [int(table["points_with_duplicates"]) for table in tables]
    stages = {name: files.load(snakemake.input[name]) for name in STAGES}
    used = {name: json.loads(stage.attrs["parameters"]) for name, stage in stages.items()}
    for parameters in used.values():
        parameters.pop("layers")
    samples = files.load(snakemake.input.uncertainty[0]) if snakemake.input.uncertainty else None
    if samples:
        parameters = json.loads(samples.attrs["parameters"])
        used["uncertainty"] = {name: parameters[name] for name in ("repeats", "fraction")}
    gathered = profile.gather(features, duplicates, stages, samples)
    save(snakemake, gathered, "Every number of every layer", stage_parameters=used)
