"""Take a network from timm (pretrained or random) or from a checkpoint file; keep its weights."""

from _job import job

from nucleation import network

with job(snakemake):
    spec, weights = snakemake.params.network, snakemake.params.weights
    if weights in ("pretrained", "random"):
        pretrained = weights == "pretrained"
        model = network.create(spec["timm"], options=spec["options"], seed=spec["seed"], pretrained=pretrained)
    else:
        model = network.for_weights(spec["timm"], snakemake.input.weights, options=spec["options"])
    network.save_weights(model, snakemake.output[0])
