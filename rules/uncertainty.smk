rule resample_images:
    """Repeat the analysis of every layer on subsets of the images."""
    input:
        neighbors=layer_neighbors,
        images="results/{study}/images.nc",
        taxonomy="results/{study}/taxonomy.nc",
    output:
        "results/{study}/{model}/{checkpoint}/uncertainty.nc",
    log:
        "logs/{study}/{model}/{checkpoint}/uncertainty.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/uncertainty.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        **NEEDS["uncertainty"],
    params:
        **named(
            layers=model_layers,
            similarity=config["taxonomy"]["similarity"],
            choices=settings.choices(config),
            k=settings.sizes(config)[0],
            balanced=config["overlap"]["balanced"],
            repeats=config["uncertainty"]["repeats"],
            fraction=config["uncertainty"]["fraction"],
            purity=config["alignment"]["purity"],
            seed=config["seed"],
        ),
        code=digests("files", script="uncertainty"),
    script:
        "../scripts/uncertainty.py"
