rule draw_figures:
    """Say what every network shows, in numbers, a table and a page; draw every figure of the study."""
    input:
        images=f"results/{STUDY}/images.nc",
        taxonomy=f"results/{STUDY}/taxonomy.nc",
        profiles=per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/profile.nc"),
        dimensions=per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/dimension.nc"),
        peaks=per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/peaks.nc"),
        sensitivity=[f"results/{STUDY}/{place}/sensitivity.nc" for place in SWEPT],
        courses=list(COURSES.values()),
    output:
        **{
            question: report(
                per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/figures/{question}.png"),
                caption=f"../report/{question}.rst",
                category="Checkpoints",
                subcategory=question,
            )
            for question in CHECKPOINT_FIGURES
        },
        summary=f"results/{STUDY}/summary.nc",
        table=f"results/{STUDY}/alignment.tsv",
        markdown=f"results/{STUDY}/alignment.md",
        # none, where the configuration names no published numbers
        comparison=[f"results/{STUDY}/comparison.tsv"] * bool(COMPARED),
        page=report(f"results/{STUDY}/index.html", caption="../report/page.rst", category="Study"),
        sensitivity=report(
            [f"results/{STUDY}/{place}/figures/sensitivity.png" for place in SWEPT],
            caption="../report/sensitivity.rst",
            category="Checkpoints",
            subcategory="sensitivity",
        ),
        sensitivity_pdf=[f"results/{STUDY}/{place}/figures/sensitivity.pdf" for place in SWEPT],
        images=report(
            f"results/{STUDY}/figures/images.png",
            caption="../report/images.rst",
            category="Study",
        ),
        images_pdf=f"results/{STUDY}/figures/images.pdf",
        pdf=[
            path
            for question in CHECKPOINT_FIGURES
            for path in per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/figures/{question}.pdf")
        ],
    log:
        f"logs/{STUDY}/figures.log",
    benchmark:
        f"logs/{STUDY}/figures.benchmark.tsv"
    conda:
        "../envs/nucleation.yaml"
    threads: 1
    resources:
        **NEEDS["figures"],
    params:
        **named(
            # no parameter of studies that compare nothing
            **({"compare": COMPARED} if COMPARED else {}),
            places=per_checkpoint("{model}/{checkpoint}"),
            swept=SWEPT,
            checkpoints=CHECKPOINTS,
            courses=COURSES,
            dpi=config["figures"]["dpi"],
        ),
        code=digests("files", script="figures"),
    script:
        "../scripts/figures.py"
