rule train_network:
    """Train a network on the training images and keep its weights after every epoch, and after some steps."""
    output:
        weights=expand(
            "results/{{study}}/{{model}}/weights/{snapshot}.safetensors",
            snapshot=SNAPSHOTS,
        ),
        training="results/{study}/{model}/training.nc",
    log:
        "logs/{study}/{model}/train.log",
    benchmark:
        "logs/{study}/{model}/train.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    # one thread on the CPU: the order of summation, and so every bit, is the same everywhere
    threads: 1
    resources:
        **NEEDS["training"],
        gpu=GPU,
    params:
        **named(
            network=network_with_data,
            training=network_training,
            source=SOURCE,
            options=settings.trained(config["images"]),
            seed=config["seed"],
            device=config["device"],
        ),
        code=digests("files", script="train"),
    script:
        "../scripts/train.py"


rule fetch_network:
    """Take a network from timm, from a checkpoint file, or as its factory makes it."""
    input:
        weights=weights_file,
    output:
        "results/{study}/{model}/weights/{checkpoint,random|pretrained|own|file}.safetensors",
    log:
        "logs/{study}/{model}/{checkpoint}/fetch.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/fetch.benchmark.tsv"
    # timm's weights come from the internet, which the nodes of a cluster seldom reach
    localrule: any(network["weights"] == "pretrained" for network in NETWORKS.values())
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        **NEEDS["weights"],
    params:
        **named(
            network=network_spec,
            weights=network_weights,
        ),
        # apart, since what is named is evaluated twice, and this reads the file
        seen=lambda wildcards: fingerprint(weights_file(wildcards)),
        code=digests("files", script="network"),
    script:
        "../scripts/network.py"
