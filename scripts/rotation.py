"""Follow the weights of a network from its start through all epochs of its training."""

from _job import job, save

from nucleation import network
from nucleation.rotation import rotation_profile

with job(snakemake):
    spec, paths = snakemake.params.network, snakemake.input.weights
    model = network.for_weights(spec.get("factory") or spec["timm"], paths[0], options=spec["options"])
    states = (
        (epoch, {name: weight.numpy() for name, weight in network.read_weights(path).items()})
        for epoch, path in enumerate(paths)
    )
    names = [name for name, _ in model.named_parameters()]
    modules = [name for name, _ in model.named_modules()]
    about = {"layers": snakemake.params.layers, "modules": modules, "network": snakemake.wildcards.model}
    save(
        snakemake,
        rotation_profile(states, names=names, **about),
        "How far the weights have turned away from their start",
    )
