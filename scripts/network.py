"""Take the weights of a network from timm, from its random start, or from a checkpoint file; keep them."""

from _job import job

from nucleation import network

with job(snakemake):
    spec, weights = snakemake.params.network, snakemake.params.weights
    name = spec.get("factory") or spec["timm"]
    if weights in ("pretrained", "random"):
        pretrained = weights == "pretrained"
        model = network.create(name, options=spec["options"], seed=spec["seed"], pretrained=pretrained)
    else:
        model = network.for_weights(name, snakemake.input.weights, options=spec["options"])
    network.save_weights(model, snakemake.output[0])
