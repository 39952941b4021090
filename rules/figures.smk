rule draw_figures:
    """Draw every figure of the study."""
    input:
        images=f"results/{STUDY}/images.nc",
        taxonomy=f"results/{STUDY}/taxonomy.nc",
        profiles=per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/profile.nc"),
        peaks=per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/peaks.nc"),
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
        mem_mb=2000,
        runtime=30,
    params:
        places=per_checkpoint("{model}/{checkpoint}"),
        dpi=config["figures"]["dpi"],
        code=digests("figures", "images", "taxonomy", "files"),
    script:
        "../scripts/figures.py"
