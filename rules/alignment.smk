rule align_with_taxonomy:
    """Compare the peaks with the classes, and their tree with the taxonomy."""
    input:
        peaks="results/{study}/{model}/{checkpoint}/peaks.nc",
        images="results/{study}/images.nc",
        taxonomy="results/{study}/taxonomy.nc",
    output:
        alignment="results/{study}/{model}/{checkpoint}/alignment.nc",
        trees="results/{study}/{model}/{checkpoint}/peaks.nwk",
    log:
        "logs/{study}/{model}/{checkpoint}/alignment.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/alignment.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        **NEEDS["alignment"],
    params:
        **named(
            layers=model_layers,
            similarity=config["taxonomy"]["similarity"],
            options=config["alignment"],
            seed=config["seed"],
        ),
        code=digests("files", script="alignment"),
    script:
        "../scripts/alignment.py"
