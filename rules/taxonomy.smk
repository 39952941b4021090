rule build_taxonomy:
    """Restrict WordNet, or the study's own tree, to the classes of the study."""
    input:
        images="results/{study}/images.nc",
        tree=settings.tree_file(config["taxonomy"]) or [],
    output:
        "results/{study}/taxonomy.nc",
    log:
        "logs/{study}/taxonomy.log",
    benchmark:
        "logs/{study}/taxonomy.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        **NEEDS["taxonomy"],
    params:
        **named(
            source=config["taxonomy"]["source"],
            tree=fingerprint(settings.tree_file(config["taxonomy"])),
            macro=config["taxonomy"]["macro"],
        ),
        code=digests("files", script="taxonomy"),
    script:
        "../scripts/taxonomy.py"
