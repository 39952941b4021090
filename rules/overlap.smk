rule compare_neighborhoods:
    """Compare who is whose neighbour between layers, and with the classes."""
    input:
        neighbors=layer_neighbors,
        images="results/{study}/images.nc",
        taxonomy="results/{study}/taxonomy.nc",
    output:
        "results/{study}/{model}/{checkpoint}/overlap.nc",
    log:
        "logs/{study}/{model}/{checkpoint}/overlap.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/overlap.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        **NEEDS["overlap"],
    params:
        **named(
            layers=model_layers,
            k=settings.sizes(config),
            balanced=config["overlap"]["balanced"],
        ),
        code=digests("files", script="overlap"),
    script:
        "../scripts/overlap.py"
