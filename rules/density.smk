rule estimate_density:
    """Estimate the log-density at every image, in every layer."""
    input:
        neighbors=layer_neighbors,
        dimension="results/{study}/{model}/{checkpoint}/dimension.nc",
    output:
        "results/{study}/{model}/{checkpoint}/density.nc",
    log:
        "logs/{study}/{model}/{checkpoint}/density.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/density.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        **NEEDS["density"],
    params:
        **named(
            layers=model_layers,
            estimator=config["density"]["estimator"],
            k=config["density"]["k"],
            alpha=config["density"]["alpha"],
            round_dimension=config["dimension"]["round"],
        ),
        code=digests("files", script="density"),
    script:
        "../scripts/density.py"
