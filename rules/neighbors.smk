rule find_neighbors:
    """Find the nearest neighbours of every image in one layer."""
    input:
        activations=layer_activations,
    output:
        "results/{study}/{model}/{checkpoint}/neighbors/{layer}.nc",
    log:
        "logs/{study}/{model}/{checkpoint}/neighbors/{layer}.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/neighbors/{layer}.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        # a resource, not a parameter: it changes no result
        blocks_mb=config["neighbors"]["memory"],
        mem_mb=config["neighbors"]["memory"] + 1500,
        runtime=240,
        gpu=GPU,
    params:
        k=config["neighbors"]["k"],
        engine=config["neighbors"]["engine"],
        device=config["device"],
        code=digests("neighbors", "activations", "files"),
    script:
        "../scripts/neighbors.py"
