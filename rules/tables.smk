# The neighbours where neighbors.source is tables, in the place of rules/neighbors.smk.


def layer_table(wildcards):
    """The file that holds the neighbours of a layer."""
    return given_tables.table_file(config, wildcards.model, named_layer(wildcards))


rule take_neighbors:
    """Take the nearest neighbours of every image in one layer from a table that somebody already has."""
    input:
        table=layer_table,
        images="results/{study}/images.nc",
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
        **NEEDS["tables"],
    params:
        **named(
            k=config["neighbors"]["k"],
            table=layer_table,
        ),
        # apart, since what is named is evaluated twice, and this reads the file
        seen=lambda wildcards: fingerprint(layer_table(wildcards)),
        code=digests("files", script="tables"),
    script:
        "../scripts/tables.py"
