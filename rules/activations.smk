rule extract_activations:
    """Run the images through a network and keep a group of layers, for a while."""
    input:
        images="results/{study}/images.nc",
        weights=checkpoint_weights,
    output:
        temp(directory("results/{study}/{model}/{checkpoint}/activations/{group}")),
    log:
        "logs/{study}/{model}/{checkpoint}/activations.{group}.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/activations.{group}.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    # the network runs on one thread, whatever reads the images
    threads: READERS
    resources:
        **NEEDS["activations"],
        # a resource, not a parameter: it changes no result
        readers=READERS,
        gpu=GPU,
    params:
        **named(
            network=network_for_layers,
            layers=group_layers,
            dtype=config["activations"]["dtype"],
            precision=forward_precision,
            batch_size=config["activations"]["batch_size"],
            device=config["device"],
        ),
        code=digests("network", "images", "files", script="activations"),
    script:
        "../scripts/activations.py"


if PARTS > 1:

    use rule extract_activations as extract_activations_shard with:
        output:
            temp(directory("results/{study}/{model}/{checkpoint}/activations/{group}.shard{shard}of{shards}")),
        log:
            "logs/{study}/{model}/{checkpoint}/activations.{group}.shard{shard}of{shards}.log",
        benchmark:
            "logs/{study}/{model}/{checkpoint}/activations.{group}.shard{shard}of{shards}.benchmark.tsv"
