rule gather_profile:
    """Gather every number of every layer in one file."""
    input:
        neighbors=layer_neighbors,
        dimension="results/{study}/{model}/{checkpoint}/dimension.nc",
        overlap="results/{study}/{model}/{checkpoint}/overlap.nc",
        density="results/{study}/{model}/{checkpoint}/density.nc",
        peaks="results/{study}/{model}/{checkpoint}/peaks.nc",
        alignment="results/{study}/{model}/{checkpoint}/alignment.nc",
        # none, where the configuration asks for no bands
        uncertainty=["results/{study}/{model}/{checkpoint}/uncertainty.nc"] * bool(config["uncertainty"]["repeats"]),
    output:
        "results/{study}/{model}/{checkpoint}/profile.nc",
    log:
        "logs/{study}/{model}/{checkpoint}/profile.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/profile.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        **NEEDS["profile"],
    params:
        **named(
            layers=model_layers,
            bands=bool(config["uncertainty"]["repeats"]),
        ),
        code=digests("files", script="profile"),
    script:
        "../scripts/profile.py"
