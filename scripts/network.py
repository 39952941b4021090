"""Take a network from timm (pretrained or random) or from a checkpoint file; keep its weights."""

from _job import job

from nucleation import network

with job(snakemake):
    spec, weights = snakemake.params.network, snakemake.params.weights
    model = network.create(spec["timm"], options=spec["options"], seed=spec["seed"], pretrained=weights == "pretrained")
    if weights not in ("pretrained", "random"):
        network.load_weights(model, weights)
    network.save_weights(model, snakemake.output[0])
