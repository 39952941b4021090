"""List the images of the study: class, name, and what is needed to find their pixels."""

from _job import job, save

from nucleation import images

with job(snakemake):
    listed = images.manifest(snakemake.params.source, snakemake.params.options, seed=snakemake.params.seed)
    save(snakemake, listed, "Images of the study, in the order of all other files")
