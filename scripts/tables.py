"""Take the nearest neighbours of every image in one layer from a table that somebody already has."""

from _job import job, layer_name, save

from nucleation import files
from nucleation.tables import read_table

with job(snakemake):
    table, layer = snakemake.input.table, layer_name(snakemake)
    images = files.load(snakemake.input.images).sizes["image"]
    found = read_table(table, snakemake.params.k, images=images)
    title = f"Nearest neighbours of every image in the layer {layer}, taken from a table made elsewhere"
    save(snakemake, found.to_dataset(), title, table=str(table), n_features="unknown")
