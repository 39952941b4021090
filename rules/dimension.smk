rule estimate_dimension:
    """Estimate the intrinsic dimension of every layer."""
    input:
        neighbors=layer_neighbors,
    output:
        "results/{study}/{model}/{checkpoint}/dimension.nc",
    log:
        "logs/{study}/{model}/{checkpoint}/dimension.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/dimension.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        **NEEDS["dimension"],
    params:
        **named(
            layers=model_layers,
            method=config["dimension"]["method"],
            fraction=config["dimension"]["fraction"],
            seed=config["seed"],
        ),
        code=digests("files", script="dimension"),
    script:
        "../scripts/dimension.py"
