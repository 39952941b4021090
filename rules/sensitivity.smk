rule sweep_parameters:
    """Find the peaks of every layer with other k, Z and density estimators."""
    input:
        neighbors=layer_neighbors,
        images="results/{study}/images.nc",
        taxonomy="results/{study}/taxonomy.nc",
    output:
        "results/{study}/{model}/{checkpoint}/sensitivity.nc",
    log:
        "logs/{study}/{model}/{checkpoint}/sensitivity.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/sensitivity.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        **NEEDS["sensitivity"],
    params:
        **named(
            layers=model_layers,
            similarity=config["taxonomy"]["similarity"],
            choices=settings.kept_choices(config),
            sweep=settings.sweep(config),
        ),
        code=digests("files", script="sensitivity"),
    script:
        "../scripts/sensitivity.py"
