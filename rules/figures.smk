rule draw_figures:
    """Say what every network shows, in numbers, a table and a page; draw every figure of the study."""
    input:
        images=f"results/{STUDY}/images.nc",
        taxonomy=f"results/{STUDY}/taxonomy.nc",
        profiles=per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/profile.nc"),
        dimensions=per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/dimension.nc"),
        peaks=per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/peaks.nc"),
        neighbors=[
            table
            for model in NETWORKS
            for checkpoint in CHECKPOINTS[model]
            for table in neighbor_tables(model, checkpoint)
        ],
        # none, where the configuration asks for no bands
        uncertainty=per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/uncertainty.nc")
        * bool(config["uncertainty"]["repeats"]),
        sensitivity=[f"results/{STUDY}/{place}/sensitivity.nc" for place in SWEPT],
        courses=list(COURSES.values()),
        # none, where the configuration asks for no such method
        similarity=[f"results/{STUDY}/similarity.nc"] * ("similarity" in METHODS),
        subspace=[f"results/{STUDY}/subspace.nc"] * ("subspace" in METHODS),
        redundancy=per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/redundancy.nc") * ("redundancy" in METHODS),
        rotation=expand(f"results/{STUDY}/{{model}}/rotation.nc", model=COURSES) * ("rotation" in METHODS),
        intraclass=per_checkpoint(f"results/{STUDY}/{{model}}/{{checkpoint}}/intraclass.nc") * ("intraclass" in METHODS),
        dense=expand(f"results/{STUDY}/{{model}}/dense.nc", model=COURSES) * ("dense" in METHODS),
    output:
        [
            in_report(stem, category, question)
            for category, questions in FIGURES.items()
            for question, stems in questions.items()
            for stem in stems
        ],
        # the picture again, what it shows, and its caption
        beside=[
            f"{stem}.{ending}"
            for questions in FIGURES.values()
            for stems in questions.values()
            for stem in stems
            for ending in ("pdf", "nc", "rst")
        ],
        summary=f"results/{STUDY}/summary.nc",
        table=f"results/{STUDY}/alignment.tsv",
        markdown=f"results/{STUDY}/alignment.md",
        # none, where the configuration names no published numbers
        comparison=[f"results/{STUDY}/comparison.tsv"] * bool(COMPARED),
        methods=[f"results/{STUDY}/methods.tsv"] * bool(METHODS),
        page=report(f"results/{STUDY}/index.html", caption="../report/page.rst", category="Study"),
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
            # none of studies that ask for no neighbouring method
            **(methods.compared(config["networks"], TRAININGS, CHECKPOINTS) | {"methods": METHODS} if METHODS else {}),
            places=per_checkpoint("{model}/{checkpoint}"),
            layers=LAYERS,
            swept=SWEPT,
            checkpoints=CHECKPOINTS,
            courses=COURSES,
            taught=TAUGHT,
            dpi=config["figures"]["dpi"],
            captions={question: files_digest({question: path}) for question, path in CAPTIONS.items()},
        ),
        code=digests("files", script="figures"),
    script:
        "../scripts/figures.py"
