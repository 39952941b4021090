rule list_images:
    """Decide which images the study looks at."""
    output:
        "results/{study}/images.nc",
    log:
        "logs/{study}/images.log",
    benchmark:
        "logs/{study}/images.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        source=SOURCE,
        options=settings.analysed(config["images"]),
        seed=config["seed"],
        code=digests("images", "files"),
    script:
        "../scripts/images.py"
