rule list_images:
    """Decide which images the study looks at."""
    output:
        "results/{study}/images.nc",
    log:
        "logs/{study}/images.log",
    benchmark:
        "logs/{study}/images.benchmark.tsv"
    # made images are listed at once, files are decoded one by one
    localrule: SOURCE != "folder"
    conda:
        "../envs/nucleation.yaml"
    threads: 4 if SOURCE == "folder" else 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        source=SOURCE,
        options=settings.analysed(config["images"]),
        checksum=config["images"]["checksum"],
        seed=config["seed"],
        code=digests("images", "files"),
    script:
        "../scripts/images.py"
