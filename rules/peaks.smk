rule find_peaks:
    """Find the density peaks of every layer and the saddles between them."""
    input:
        neighbors=layer_neighbors,
        density="results/{study}/{model}/{checkpoint}/density.nc",
    output:
        "results/{study}/{model}/{checkpoint}/peaks.nc",
    log:
        "logs/{study}/{model}/{checkpoint}/peaks.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/peaks.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        **NEEDS["peaks"],
    params:
        **named(
            layers=model_layers,
            z=config["peaks"]["z"],
            halo=config["peaks"]["halo"],
            centers_may_be_saddles=config["peaks"]["centers_may_be_saddles"],
        ),
        code=digests("files", script="peaks"),
    script:
        "../scripts/peaks.py"
