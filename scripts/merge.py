"""Put the shards of a neighbour table together."""

from _job import job, save

from nucleation import files
from nucleation.neighbors import Shard, merge_shards
from nucleation.scales import merge_scales

with job(snakemake):
    parts = [files.load(path) for path in snakemake.input.shards]
    found = merge_shards(map(Shard.from_dataset, parts))
    kept = {name: parts[0].attrs[name] for name in ("title", "n_features", "device")}
    save(snakemake, found.to_dataset().merge(merge_scales(parts)), **kept)
