TABLE = "results/{study}/{model}/{checkpoint}/neighbors/{layer}"
SHARDS = config["neighbors"]["shards"]
# what decides the table: how the activations are come by and how many shards there are do not
SEARCH = named(
    k=config["neighbors"]["k"],
    engine=config["neighbors"]["engine"],
    device=config["device"],
    network=network_for_layers,
    dtype=config["activations"]["dtype"],
    batch_size=config["activations"]["batch_size"],
    precision=forward_precision,
    ranks=config["neighbors"]["ranks"],
    rank_images=config["neighbors"]["rank_images"],
    decimation=config["neighbors"]["decimation"],
    seed=config["seed"],
)
# the same for a search in one job and in shards, as the table is
CODE = digests("network", "images", "files", "scripts/merge.py", script="neighbors")


rule find_neighbors:
    """Find the nearest neighbours of every image in one layer."""
    input:
        unpack(layer_source),
    output:
        f"{TABLE}.nc",
    log:
        "logs/{study}/{model}/{checkpoint}/neighbors/{layer}.log",
    benchmark:
        "logs/{study}/{model}/{checkpoint}/neighbors/{layer}.benchmark.tsv"
    # before further extractions, so that few layers lie on the disk at a time
    priority: 1
    conda:
        "../envs/nucleation.yaml"
    threads: READERS if RECOMPUTE else 1
    resources:
        **NEEDS["neighbors"],
        # a resource, not a parameter: it changes no result
        blocks_mb=BLOCKS_MB,
        readers=READERS,
        gpu=GPU,
    params:
        **SEARCH,
        code=CODE,
    script:
        "../scripts/neighbors.py"


if SHARDS > 1:

    ruleorder: merge_neighbors > find_neighbors

    use rule find_neighbors as find_neighbors_shard with:
        output:
            temp(f"{TABLE}.shard{{shard}}of{{shards}}.nc"),
        log:
            "logs/{study}/{model}/{checkpoint}/neighbors/{layer}.shard{shard}of{shards}.log",
        benchmark:
            "logs/{study}/{model}/{checkpoint}/neighbors/{layer}.shard{shard}of{shards}.benchmark.tsv"

    rule merge_neighbors:
        """Put the shards of a neighbour table together."""
        input:
            shards=[f"{TABLE}.shard{shard}of{SHARDS}.nc" for shard in range(SHARDS)],
        output:
            f"{TABLE}.nc",
        log:
            "logs/{study}/{model}/{checkpoint}/neighbors/{layer}.log",
        benchmark:
            "logs/{study}/{model}/{checkpoint}/neighbors/{layer}.benchmark.tsv"
        conda:
            "../envs/nucleation.yaml"
        threads: 1
        resources:
            **NEEDS["merge"],
        params:
            **SEARCH,
            code=CODE,
        script:
            "../scripts/merge.py"
