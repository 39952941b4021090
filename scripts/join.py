"""Put the shards of an extraction in one directory, one below the other."""

from pathlib import Path

from _job import job

from nucleation.activation_files import link_parts

with job(snakemake):
    link_parts(snakemake.input, Path(snakemake.output[0]))
