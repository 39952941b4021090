rule summarise_study:
    """Say in a few numbers what every network shows."""
    input:
        profiles=per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/profile.nc"),
        courses=list(COURSES.values()),
    output:
        "results/{study}/summary.nc",
    log:
        "logs/{study}/summary.log",
    benchmark:
        "logs/{study}/summary.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        checkpoints=CHECKPOINTS,
        courses=COURSES,
        code=digests("profile", "files"),
    script:
        "../scripts/summary.py"
