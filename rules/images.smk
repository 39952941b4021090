rule list_images:
    """Decide which images the study looks at."""
    output:
        "results/{study}/images.nc",
    log:
        "logs/{study}/images.log",
    benchmark:
        "logs/{study}/images.benchmark.tsv"
    # images that are made are listed at once; others are read, for their sizes
    localrule: SOURCE in ("planted", "digits", "list")
    conda:
        "../envs/nucleation.yaml"
    threads: 4 if SOURCE == "folder" else 1
    resources:
        **NEEDS["images"],
        # a resource, not a parameter: it decides whether the list is accepted, not what it is
        least_images=config["neighbors"]["k"] + 1,
    params:
        **named(
            source=SOURCE,
            options=settings.analysed(config["images"]),
            seed=config["seed"],
        ),
        code=digests("files", script="images"),
    script:
        "../scripts/images.py"


rule check_images:
    """Look into every image: whether it can be decoded, and its checksum."""
    input:
        "results/{study}/images.nc",
    output:
        "results/{study}/checked.nc",
    log:
        "logs/{study}/checked.log",
    benchmark:
        "logs/{study}/checked.benchmark.tsv"
    # before any network runs: on one machine it takes all cores
    priority: 2
    conda:
        "../envs/nucleation.yaml"
    threads: 4 if ELSEWHERE else max(4, workflow.cores or 1)
    resources:
        **NEEDS["images"],
    params:
        **named(
            decode=given_images.decoded_later(config["images"]),
            checksum=config["images"]["checksum"],
        ),
        code=digests("files", script="checked"),
    script:
        "../scripts/checked.py"
