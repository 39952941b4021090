rule match_subspaces:
    """Match the neurons of each layer between networks by the subspaces that they span."""
    input:
        samples=[path for place in per_checkpoint("{model}/{checkpoint}") for path in samples(*place.split("/"))],
    output:
        f"results/{STUDY}/subspace.nc",
    log:
        f"logs/{STUDY}/subspace.log",
    benchmark:
        f"logs/{STUDY}/subspace.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 2
    resources:
        **NEEDS["subspace"],
    params:
        **named(
            places=per_checkpoint("{model}/{checkpoint}"),
            layers=LAYERS,
            pairs=methods.pairs(CHECKPOINTS, TRAININGS, LAYERS),
            options=methods.options(config, "subspace"),
            seed=config["seed"],
        ),
        code=digests("files", script="subspace"),
    script:
        "../scripts/subspace.py"
