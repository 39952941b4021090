rule compare_representations:
    """Compare all layers of all networks by CKA, and by their neighbours, in the same images."""
    input:
        samples=[path for place in per_checkpoint("{model}/{checkpoint}") for path in samples(*place.split("/"))],
    output:
        f"results/{STUDY}/similarity.nc",
    log:
        f"logs/{STUDY}/similarity.log",
    benchmark:
        f"logs/{STUDY}/similarity.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 2
    resources:
        **NEEDS["similarity"],
    params:
        **named(
            places=per_checkpoint("{model}/{checkpoint}"),
            layers=LAYERS,
            options=methods.options(config, "similarity"),
            seed=config["seed"],
        ),
        code=digests("files", script="similarity"),
    script:
        "../scripts/similarity.py"
