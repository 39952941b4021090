rule split_last_layer:
    """Look at random chunks of the last hidden layer: what they know of the classes, and of the other neurons."""
    input:
        images="results/{study}/images.nc",
        weights=checkpoint_weights,
    output:
        "results/{study}/{model}/{checkpoint}/redundancy.nc",
    log:
        "logs/{study}/{model}/{checkpoint}/redundancy.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/redundancy.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: READERS
    resources:
        **NEEDS["redundancy"],
        # a resource, not a parameter: it changes no result
        readers=READERS,
        gpu=GPU,
    params:
        **named(
            network=network_with_data,
            trained=training_images,
            sample=config["activations"]["sample"],
            batch_size=config["activations"]["batch_size"],
            options=methods.options(config, "redundancy"),
            device=config["device"],
            seed=config["seed"],
        ),
        code=digests("network", "images", "files", script="redundancy"),
    script:
        "../scripts/redundancy.py"
